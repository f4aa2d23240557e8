//! Connections. Their secrets come in and never go out.

use axum::Json;
use axum::extract::{Path, State};
use marque_plane::Plane;
use marque_plane::spec::LimitSpec;
use marque_plane::view::ConnectionView;
use serde::Deserialize;

use crate::exchange::ConnectionBody;
use crate::extract::{Given, GivenSecretly, Human};
use crate::problem::Problem;

pub(crate) async fn list(
    State(plane): State<Plane>,
    Human(who): Human,
) -> Result<Json<Vec<ConnectionView>>, Problem> {
    Ok(Json(plane.connections(&who)?))
}

pub(crate) async fn add(
    State(plane): State<Plane>,
    Human(who): Human,
    given: GivenSecretly<ConnectionBody>,
) -> Result<Json<ConnectionView>, Problem> {
    Ok(Json(plane.add_connection(&who, given.body.connection, given.secret).await?))
}

pub(crate) async fn show(
    State(plane): State<Plane>,
    Human(who): Human,
    Path(connection): Path<String>,
) -> Result<Json<ConnectionView>, Problem> {
    Ok(Json(plane.connection(&who, &connection)?))
}

pub(crate) async fn limit(
    State(plane): State<Plane>,
    Human(who): Human,
    Path(connection): Path<String>,
    Given(spec): Given<LimitSpec>,
) -> Result<Json<ConnectionView>, Problem> {
    Ok(Json(plane.limit_connection(&who, &connection, spec).await?))
}

/// Nothing beside the secret.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecretAlone {}

pub(crate) async fn rotate(
    State(plane): State<Plane>,
    Human(who): Human,
    Path(connection): Path<String>,
    given: GivenSecretly<SecretAlone>,
) -> Result<Json<ConnectionView>, Problem> {
    let secret = given.secret.ok_or_else(|| Problem::unreadable("the body has no `secret`"))?;
    Ok(Json(plane.rotate_connection(&who, &connection, secret).await?))
}

pub(crate) async fn remove(
    State(plane): State<Plane>,
    Human(who): Human,
    Path(connection): Path<String>,
) -> Result<Json<ConnectionView>, Problem> {
    Ok(Json(plane.remove_connection(&who, &connection).await?))
}
