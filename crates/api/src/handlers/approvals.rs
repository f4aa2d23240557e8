//! Approvals. Giving one wants the factor in this very request; no unlocked terminal serves.

use axum::Json;
use axum::extract::{Path, State};
use marque_domain::{Digest, User};
use marque_plane::view::ApprovalView;
use marque_plane::{Acting, Plane};
use serde::Deserialize;

use crate::exchange::ApproveBody;
use crate::extract::{Asked, Asking, Given, Human, Present};
use crate::problem::Problem;

/// Which approvals.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    #[serde(default)]
    all: bool,
}

pub(crate) async fn list(
    State(plane): State<Plane>,
    Human(who): Human,
    Asked(which): Asked<Which>,
) -> Result<Json<Vec<ApprovalView>>, Problem> {
    Ok(Json(plane.approvals(&who, which.all).await?))
}

pub(crate) async fn show(
    State(plane): State<Plane>,
    Human(who): Human,
    Path(approval): Path<String>,
) -> Result<Json<ApprovalView>, Problem> {
    Ok(Json(plane.approval(&who, &approval).await?))
}

pub(crate) async fn give(
    State(plane): State<Plane>,
    Asking(peer): Asking,
    Present { factor, is_dry_run }: Present,
    Path(approval): Path<String>,
    Given(body): Given<ApproveBody>,
) -> Result<Json<ApprovalView>, Problem> {
    if is_dry_run {
        let who = plane.identify(&peer, Some(factor), true).await?;
        return rehearse(&plane, &who, &approval, body.digest).await.map(Json);
    }
    Ok(Json(plane.give_approval(&peer, factor, &approval, body.digest).await?))
}

/// What a yes would come to.
async fn rehearse(
    plane: &Plane,
    who: &Acting<User>,
    approval: &str,
    digest: Digest,
) -> Result<ApprovalView, Problem> {
    let shown = plane.approval(who, approval).await?;
    let given = shown.approval.give(who.user().id, digest, plane.now());
    let given = given.map_err(|error| Problem::conflict(&error))?;
    // Who may not say no may not say yes, and the plane rehearses a no.
    plane.decline_approval(who, approval).await?;
    Ok(ApprovalView { approval: given, state: "given".to_owned(), ..shown })
}

pub(crate) async fn decline(
    State(plane): State<Plane>,
    Human(who): Human,
    Path(approval): Path<String>,
) -> Result<Json<ApprovalView>, Problem> {
    Ok(Json(plane.decline_approval(&who, &approval).await?))
}
