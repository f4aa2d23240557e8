//! Issuers that say who people are.

use axum::Json;
use axum::extract::{Path, State};
use marque_plane::Plane;
use marque_plane::spec::IssuerSpec;
use marque_plane::view::IssuerView;

use crate::extract::{Given, Human};
use crate::problem::Problem;

pub(crate) async fn list(
    State(plane): State<Plane>,
    Human(who): Human,
) -> Result<Json<Vec<IssuerView>>, Problem> {
    Ok(Json(plane.issuers(&who)?))
}

pub(crate) async fn show(
    State(plane): State<Plane>,
    Human(who): Human,
    Path(issuer): Path<String>,
) -> Result<Json<IssuerView>, Problem> {
    Ok(Json(plane.issuer_named(&who, &issuer)?))
}

pub(crate) async fn add(
    State(plane): State<Plane>,
    Human(who): Human,
    Given(spec): Given<IssuerSpec>,
) -> Result<Json<IssuerView>, Problem> {
    Ok(Json(plane.add_issuer(&who, spec).await?))
}

pub(crate) async fn remove(
    State(plane): State<Plane>,
    Human(who): Human,
    Path(issuer): Path<String>,
) -> Result<Json<IssuerView>, Problem> {
    Ok(Json(plane.remove_issuer(&who, &issuer).await?))
}
