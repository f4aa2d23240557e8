//! Keys: which there are, and the rotation of the log's.

use axum::Json;
use axum::extract::State;
use marque_plane::Plane;
use marque_plane::view::{KeyView, RotatedView};

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
