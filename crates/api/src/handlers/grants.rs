//! Grants.

use axum::Json;
use axum::extract::{Path, State};
use marque_plane::Plane;
use marque_plane::spec::GrantSpec;
use marque_plane::view::GrantView;
use serde::Deserialize;

use crate::extract::{Asked, Given, Human};
use crate::problem::Problem;

/// Whose grants.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Whose {
    agent: Option<String>,
}

pub(crate) async fn list(
    State(plane): State<Plane>,
    Human(who): Human,
    Asked(whose): Asked<Whose>,
) -> Result<Json<Vec<GrantView>>, Problem> {
    Ok(Json(plane.grants(&who, whose.agent.as_deref())?))
}

pub(crate) async fn add(
    State(plane): State<Plane>,
    Human(who): Human,
    Given(spec): Given<GrantSpec>,
) -> Result<Json<GrantView>, Problem> {
    Ok(Json(plane.add_grant(&who, spec).await?))
}

pub(crate) async fn revoke(
    State(plane): State<Plane>,
    Human(who): Human,
    Path(grant): Path<String>,
) -> Result<Json<GrantView>, Problem> {
    Ok(Json(plane.revoke_grant(&who, &grant).await?))
}
