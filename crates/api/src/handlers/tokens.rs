//! Tokens, taken back by humans.

use axum::Json;
use axum::extract::State;
use marque_plane::Plane;

use crate::exchange::{RevokeTokenBody, RevokedTokenView};
use crate::extract::{Given, Human};
use crate::problem::Problem;

pub(crate) async fn revoke(
    State(plane): State<Plane>,
    Human(who): Human,
    Given(body): Given<RevokeTokenBody>,
) -> Result<Json<RevokedTokenView>, Problem> {
    let RevokeTokenBody { token, run } = body;
    plane.revoke_token(&who, (token, run)).await?;
    Ok(Json(RevokedTokenView { token, run }))
}
