//! Agents.

use axum::Json;
use axum::extract::{Path, State};
use marque_plane::Plane;
use marque_plane::spec::{AgentSpec, LimitSpec};
use marque_plane::view::AgentView;

use crate::extract::{Given, Human};
use crate::problem::Problem;

pub(crate) async fn list(
    State(plane): State<Plane>,
    Human(who): Human,
) -> Result<Json<Vec<AgentView>>, Problem> {
    Ok(Json(plane.agents(&who)?))
}

pub(crate) async fn add(
    State(plane): State<Plane>,
    Human(who): Human,
    Given(spec): Given<AgentSpec>,
) -> Result<Json<AgentView>, Problem> {
    Ok(Json(plane.add_agent(&who, spec).await?))
}

pub(crate) async fn show(
    State(plane): State<Plane>,
    Human(who): Human,
    Path(agent): Path<String>,
) -> Result<Json<AgentView>, Problem> {
    Ok(Json(plane.agent(&who, &agent)?))
}

pub(crate) async fn limit(
    State(plane): State<Plane>,
    Human(who): Human,
    Path(agent): Path<String>,
    Given(spec): Given<LimitSpec>,
) -> Result<Json<AgentView>, Problem> {
    Ok(Json(plane.limit_agent(&who, &agent, spec).await?))
}

pub(crate) async fn suspend(
    State(plane): State<Plane>,
    Human(who): Human,
    Path(agent): Path<String>,
) -> Result<Json<AgentView>, Problem> {
    Ok(Json(plane.suspend_agent(&who, &agent).await?))
}

pub(crate) async fn resume(
    State(plane): State<Plane>,
    Human(who): Human,
    Path(agent): Path<String>,
) -> Result<Json<AgentView>, Problem> {
    Ok(Json(plane.resume_agent(&who, &agent).await?))
}

pub(crate) async fn retire(
    State(plane): State<Plane>,
    Human(who): Human,
    Path(agent): Path<String>,
) -> Result<Json<AgentView>, Problem> {
    Ok(Json(plane.retire_agent(&who, &agent).await?))
}
