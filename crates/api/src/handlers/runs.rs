//! Runs, seen and handled by humans: opening, listing, killing.

use axum::Json;
use axum::extract::{Path, State};
use marque_plane::Plane;
use marque_plane::spec::{KillTarget, RunSpec};
use marque_plane::view::{KilledView, OpenedRunView, RunView};
use serde::Deserialize;

use crate::exchange::TaskBody;
use crate::extract::{Asked, Asking, DryRun, Given, Human};
use crate::problem::Problem;
use crate::shared::Shared;

/// Which runs.
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
) -> Result<Json<Vec<RunView>>, Problem> {
    Ok(Json(plane.runs(&who, which.all).await?))
}

pub(crate) async fn show(
    State(plane): State<Plane>,
    Human(who): Human,
    Path(run): Path<String>,
) -> Result<Json<RunView>, Problem> {
    Ok(Json(plane.run(&who, &run).await?))
}

pub(crate) async fn open(
    State(shared): State<Shared>,
    Human(who): Human,
    Asking(launcher): Asking,
    DryRun(is_dry_run): DryRun,
    Given(spec): Given<RunSpec>,
) -> Result<Json<OpenedRunView>, Problem> {
    let opened = shared.plane.open_run(&who, &launcher, spec).await?;
    if !is_dry_run {
        shared.holds.expect(opened.run.id);
    }
    Ok(Json(opened))
}

pub(crate) async fn kill(
    State(plane): State<Plane>,
    Human(who): Human,
    Given(target): Given<KillTarget>,
) -> Result<Json<KilledView>, Problem> {
    Ok(Json(plane.kill(&who, target).await?))
}

pub(crate) async fn close_task(
    State(plane): State<Plane>,
    Human(who): Human,
    Given(body): Given<TaskBody>,
) -> Result<Json<KilledView>, Problem> {
    Ok(Json(plane.close_task(&who, body.task).await?))
}
