//! Humans and their terminals: the claim, unlocking, and who one is.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use marque_plane::view::{ClaimView, UnlockView, WhoamiView};
use marque_plane::{Plane, Presented};

use crate::exchange::UnlockBody;
use crate::extract::{Asking, Given, Present};
use crate::problem::Problem;

pub(crate) async fn claim(
    State(plane): State<Plane>,
    Asking(peer): Asking,
    Present { factor, .. }: Present,
) -> Result<Json<ClaimView>, Problem> {
    Ok(Json(plane.claim(&peer, factor).await?))
}

pub(crate) async fn unlock(
    State(plane): State<Plane>,
    Asking(peer): Asking,
    Present { factor, .. }: Present,
    Given(body): Given<UnlockBody>,
) -> Result<Json<UnlockView>, Problem> {
    Ok(Json(plane.unlock(&peer, factor, body.ttl_secs).await?))
}

pub(crate) async fn lock(State(plane): State<Plane>, Asking(peer): Asking) -> StatusCode {
    plane.lock(&peer);
    StatusCode::NO_CONTENT
}

pub(crate) async fn whoami(State(plane): State<Plane>, Asking(peer): Asking) -> Json<WhoamiView> {
    Json(plane.whoami(&peer, &Presented::Nothing))
}
