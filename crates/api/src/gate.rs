//! What stands before every handler: who the peer is, whether a run may pass, bounds, and a trace.
//!
//! Traces hold the method, the route's template, the status and the time; never a path with its
//! ids, a header or a body.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use http::{HeaderMap, header};

use crate::control::Through;
use crate::exchange::{BODY_MAX_BYTES, OBJECT_MAX_BYTES, RUN_SCHEME};
use crate::extract::{self, Whole};
use crate::peer::Pinned;
use crate::places::Side;
use crate::problem::Problem;
use crate::routes::{HOLD, SIGN, is_for_runs, without_rehearsal};
use crate::shared::Shared;

/// How long a request may take; a hold takes as long as its run.
const DEADLINE: Duration = Duration::from_secs(30);
/// How long its body may take before that.
const BODY_DEADLINE: Duration = Duration::from_secs(5);

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
    let pinned = request.extensions().get::<Arc<Pinned>>();
    let peer = pinned.and_then(|pinned| pinned.observe()).ok_or_else(Problem::unknown_process)?;
    let through = request.extensions().get::<Through>();
    let side = match through {
        Some(through) => through.side(&shared.plane, &peer)?,
        None => Side::of(&shared.plane, &peer),
    };
    admit(route, side, request.headers())?;
    if through.is_some() {
        Through::admit(route, request.headers())?;
    }
    request.extensions_mut().insert(peer);
    if route == HOLD {
        let _place = shared.held.take(side).ok_or_else(Problem::busy)?;
        return Ok(next.run(request).await);
    }
    // ORDER: before it takes a place, so that a body that never comes keeps nobody else waiting.
    let most = if route == SIGN { OBJECT_MAX_BYTES } else { BODY_MAX_BYTES };
    let request = whole(request, most).await?;
    let _place = shared.requests.take(side).ok_or_else(Problem::busy)?;
    let answer = tokio::time::timeout(DEADLINE, next.run(request)).await;
    answer.map_err(|_| Problem::too_slow())
}

/// INVARIANT: whatever belongs to a run, by descent or by what it presents, passes to its own run
/// and to nothing else, whatever else it presents (threats 126, 165, 166).
fn admit(route: &str, side: Side, headers: &HeaderMap) -> Result<(), Problem> {
    let presents_run = extract::scheme(headers, &header::AUTHORIZATION)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case(RUN_SCHEME));
    match side {
        _ if is_for_runs(route) => {}
        Side::Outside if !presents_run => {}
        Side::Unknown if !presents_run => return Err(Problem::unknown_process()),
        _ => return Err(Problem::inside_a_run()),
    }
    match without_rehearsal(route) {
        Some(what) if extract::is_dry_run(headers)? => Err(Problem::no_rehearsal(what)),
        _ => Ok(()),
    }
}

/// The request with its body beside it, read whole.
async fn whole(request: Request, most: usize) -> Result<Request, Problem> {
    let (mut parts, body) = request.into_parts();
    let read = tokio::time::timeout(BODY_DEADLINE, Whole::read(body, most)).await;
    parts.extensions.insert(read.map_err(|_| Problem::slow_body())??);
    Ok(Request::from_parts(parts, Body::empty()))
}
