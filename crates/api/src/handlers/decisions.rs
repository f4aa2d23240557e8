//! Decisions, replayed from what was recorded.

use axum::Json;
use axum::extract::{Path, State};
use marque_plane::Plane;
use marque_plane::view::ExplainView;

use crate::extract::Human;
use crate::problem::Problem;

pub(crate) async fn explain(
    State(plane): State<Plane>,
    Human(who): Human,
    Path(decision): Path<String>,
) -> Result<Json<ExplainView>, Problem> {
    Ok(Json(plane.explain(&who, &decision).await?))
}
