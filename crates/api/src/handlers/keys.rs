//! Keys: which there are, and their rotation.

use axum::Json;
use axum::extract::State;
use marque_plane::Plane;
use marque_plane::view::{AllowedSignersView, KeyView, RotatedView};

use crate::extract::Human;
use crate::problem::Problem;

pub(crate) async fn list(
    State(plane): State<Plane>,
    Human(who): Human,
) -> Result<Json<Vec<KeyView>>, Problem> {
    Ok(Json(plane.keys(&who).await?))
}

pub(crate) async fn rotate_log(
    State(plane): State<Plane>,
    Human(who): Human,
) -> Result<Json<RotatedView>, Problem> {
    Ok(Json(plane.rotate_log_key(&who).await?))
}

pub(crate) async fn rotate_git(
    State(plane): State<Plane>,
    Human(who): Human,
) -> Result<Json<RotatedView>, Problem> {
    Ok(Json(plane.rotate_git_key(&who).await?))
}

/// What anybody may know: it is public wherever commits are verified.
pub(crate) async fn allowed_signers(State(plane): State<Plane>) -> Json<AllowedSignersView> {
    Json(plane.allowed_signers())
}
