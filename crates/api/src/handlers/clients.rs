//! Clients of the token service.

use axum::Json;
use axum::extract::{Path, State};
use marque_plane::Plane;
use marque_plane::spec::ClientSpec;
use marque_plane::view::ClientView;

use crate::extract::{Given, Human};
use crate::problem::Problem;

pub(crate) async fn list(
    State(plane): State<Plane>,
    Human(who): Human,
) -> Result<Json<Vec<ClientView>>, Problem> {
    Ok(Json(plane.clients(&who)?))
}

pub(crate) async fn add(
    State(plane): State<Plane>,
    Human(who): Human,
    Given(spec): Given<ClientSpec>,
) -> Result<Json<ClientView>, Problem> {
    Ok(Json(plane.add_client(&who, spec).await?))
}

pub(crate) async fn show(
    State(plane): State<Plane>,
    Human(who): Human,
    Path(client): Path<String>,
) -> Result<Json<ClientView>, Problem> {
    Ok(Json(plane.client(&who, &client)?))
}

pub(crate) async fn suspend(
    State(plane): State<Plane>,
    Human(who): Human,
    Path(client): Path<String>,
) -> Result<Json<ClientView>, Problem> {
    Ok(Json(plane.suspend_client(&who, &client).await?))
}

pub(crate) async fn resume(
    State(plane): State<Plane>,
    Human(who): Human,
    Path(client): Path<String>,
) -> Result<Json<ClientView>, Problem> {
    Ok(Json(plane.resume_client(&who, &client).await?))
}

pub(crate) async fn retire(
    State(plane): State<Plane>,
    Human(who): Human,
    Path(client): Path<String>,
) -> Result<Json<ClientView>, Problem> {
    Ok(Json(plane.retire_client(&who, &client).await?))
}
