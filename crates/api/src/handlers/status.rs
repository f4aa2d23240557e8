//! How the plane is, without a factor.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use http::{HeaderName, header};
use marque_plane::Plane;
use marque_plane::view::StatusView;

use crate::exchange::HealthView;
use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::shared::Shared;

/// The process answers.
pub(crate) async fn healthz() -> Json<HealthView> {
    Json(HealthView { status: "ok".to_owned(), more: BTreeMap::new() })
}

/// The proxy door is open, so runs can be opened; nothing the other servers of a shared store did
/// is unknown here, and the log can be written, so that calls are allowed. A server that is about
/// to end is not ready.
pub(crate) async fn readyz(State(shared): State<Shared>) -> Result<Json<HealthView>, Problem> {
    if shared.leaving.is_cancelled() {
        return Err(Problem::stopping());
    }
    let plane = shared.plane;
    plane.status().proxy.ok_or_else(Problem::starting)?;
    let recorded = plane.must_record();
    if let Err(behind) = plane.must_hear() {
        // Why it hears nothing, if that is known.
        return Err(Problem::unready("starting", recorded.err().unwrap_or(behind)));
    }
    recorded.map_err(|refusal| Problem::unready("unavailable", refusal))?;
    Ok(healthz().await)
}

pub(crate) async fn metrics(
    State(plane): State<Plane>,
    State(metrics): State<Metrics>,
) -> ([(HeaderName, &'static str); 1], String) {
    metrics::gauge!("marque_behind_seconds").set(plane.behind().as_secs_f64());
    // The Prometheus text exposition format.
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.text())
}

pub(crate) async fn status(State(plane): State<Plane>) -> Json<StatusView> {
    Json(plane.status())
}
