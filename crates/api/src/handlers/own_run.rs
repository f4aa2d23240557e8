//! What a run may ask of the plane: who it is, a child of its own, a signature, its own end.

use axum::Json;
use axum::extract::State;
use marque_plane::Plane;
use marque_plane::spec::RunSpec;
use marque_plane::view::{EndedView, GitSignatureView, OpenedRunView, WhoamiView};

use crate::extract::{Asking, Given, Object, Shown, ThisRun};
use crate::problem::Problem;
use crate::shared::Shared;

pub(crate) async fn whoami(
    State(plane): State<Plane>,
    Asking(peer): Asking,
    Shown(presented): Shown,
) -> Json<WhoamiView> {
    Json(plane.whoami(&peer, &presented))
}

pub(crate) async fn open_child(
    State(shared): State<Shared>,
    ThisRun(parent): ThisRun,
    Asking(launcher): Asking,
    Given(spec): Given<RunSpec>,
) -> Result<Json<OpenedRunView>, Problem> {
    let opened = shared.plane.open_child(&parent, &launcher, spec).await?;
    shared.holds.expect(opened.run.id);
    Ok(Json(opened))
}

/// Signs a commit or a tag that the run made.
pub(crate) async fn sign(
    State(plane): State<Plane>,
    ThisRun(run): ThisRun,
    Object(payload): Object,
) -> Result<Json<GitSignatureView>, Problem> {
    Ok(Json(plane.sign_git(&run, payload).await?))
}

/// Answers once the run is closed, by whomever. The launcher that waits keeps the run alive.
pub(crate) async fn hold(
    State(shared): State<Shared>,
    ThisRun(run): ThisRun,
    Asking(launcher): Asking,
) -> Result<Json<EndedView>, Problem> {
    shared.plane.hold_run(&run, &launcher)?;
    let _hold = shared.holds.hold(run.run());
    let closed = tokio::select! {
        closed = shared.plane.closed_run(&run) => closed?,
        () = shared.shutdown.cancelled() => return Err(Problem::stopping()),
    };
    shared.holds.release(run.run());
    let checkpoint = shared.plane.checkpoint(Some(run.run())).await?;
    Ok(Json(EndedView { run: closed, checkpoint }))
}

pub(crate) async fn end(
    State(shared): State<Shared>,
    ThisRun(run): ThisRun,
    Asking(launcher): Asking,
) -> Result<Json<EndedView>, Problem> {
    let ended = shared.plane.end_run(&run, &launcher).await?;
    shared.holds.release(run.run());
    Ok(Json(ended))
}
