//! Keys: which there are, and their rotation.

use axum::Json;
use axum::extract::State;
use marque_plane::Plane;
use marque_plane::view::{AllowedSignersView, KeyView, RotatedView};

use crate::exchange::{RetireTokenKeyBody, TokenKeyBody};
use crate::extract::{Given, Human};
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

/// Publishes the next key of tokens, or lets the published one sign.
pub(crate) async fn rotate_token(
    State(plane): State<Plane>,
    Human(who): Human,
    Given(body): Given<TokenKeyBody>,
) -> Result<Json<Vec<KeyView>>, Problem> {
    let algorithm = body.algorithm.parse();
    let algorithm =
        algorithm.map_err(|_| Problem::unreadable("`algorithm` is neither `ES256` nor `RS256`"))?;
    Ok(Json(plane.rotate_token_key(&who, algorithm).await?))
}

/// Takes a key of tokens out of the published set at once; the one that signs only where `now` says
/// so.
pub(crate) async fn retire_token(
    State(plane): State<Plane>,
    Human(who): Human,
    Given(body): Given<RetireTokenKeyBody>,
) -> Result<Json<Vec<KeyView>>, Problem> {
    let keys = if body.now {
        plane.replace_token_key(&who, &body.key).await
    } else {
        plane.retire_token_key(&who, &body.key).await
    };
    Ok(Json(keys?))
}

/// What anybody may know: it is public wherever commits are verified.
pub(crate) async fn allowed_signers(State(plane): State<Plane>) -> Json<AllowedSignersView> {
    Json(plane.allowed_signers())
}
