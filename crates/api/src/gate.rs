//! What stands before every handler: who the peer is, whether a run may pass, bounds, and a trace.
//!
//! Traces hold the method, the route's template, the status and the time; never a path with its
//! ids, a header or a body.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use http::header;
use marque_plane::Peer;

use crate::exchange::RUN_SCHEME;
use crate::problem::Problem;
use crate::routes::{HOLD, is_for_runs};
use crate::shared::Shared;
use crate::{extract, peer};

/// How long a request may take; a hold takes as long as its run.
const DEADLINE: Duration = Duration::from_secs(30);

/// The other end of the socket, as it was when it connected.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connected {
    pub(crate) uid: u32,
    pub(crate) pid: Option<i32>,
}

/// Everything around a handler.
pub(crate) async fn around(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let busy = shared.activity.begin(&shared.plane);
    let started = shared.plane.clock().elapsed();
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or("none", MatchedPath::as_str);
    let passed = AssertUnwindSafe(pass(&shared, route, request, next)).catch_unwind().await;
    let response = match passed {
        Ok(Ok(response)) => response,
        Ok(Err(problem)) => problem.into_response(),
        Err(_) => Problem::defect(&busy.reference()).into_response(),
    };
    let taken = shared.plane.clock().elapsed().saturating_sub(started);
    let status = response.status().as_u16();
    tracing::info!(
        request = busy.reference(),
        method = method.as_str(),
        route,
        status,
        duration_micros = u64::try_from(taken.as_micros()).unwrap_or(u64::MAX),
        "answered"
    );
    let labels = [("route", route.to_owned()), ("status", status.to_string())];
    metrics::histogram!("marque_api_request_seconds", &labels).record(taken.as_secs_f64());
    response
}

async fn pass(
    shared: &Shared,
    route: &str,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let connected = request.extensions().get::<Connected>().copied();
    let peer = connected.map(|connected| peer::observe(connected.uid, connected.pid));
    let peer = peer.ok_or_else(Problem::unknown_process)?;
    let presents_run = extract::scheme(request.headers(), &header::AUTHORIZATION)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case(RUN_SCHEME));
    admit(shared, route, &peer, presents_run)?;
    request.extensions_mut().insert(peer);
    if route == HOLD {
        return Ok(next.run(request).await);
    }
    let _slot = shared.slots.try_acquire().map_err(|_| Problem::busy())?;
    let answer = tokio::time::timeout(DEADLINE, next.run(request)).await;
    answer.map_err(|_| Problem::too_slow())
}

/// INVARIANT: whatever belongs to a run, by descent or by what it presents, passes to its own run
/// and to nothing else, whatever else it presents (threats 126, 165, 166).
fn admit(shared: &Shared, route: &str, peer: &Peer, presents_run: bool) -> Result<(), Problem> {
    if is_for_runs(route) {
        return Ok(());
    }
    if presents_run || shared.plane.run_of(peer).is_some() {
        return Err(Problem::inside_a_run());
    }
    if cfg!(target_os = "linux") && peer.ancestors.is_empty() {
        return Err(Problem::unknown_process());
    }
    Ok(())
}
