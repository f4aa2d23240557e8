//! `marque task close`

use clap::Args;
use marque_api::exchange::TaskBody;
use marque_domain::TaskRef;
use marque_plane::view::KilledView;

use crate::cli::Rehearsal;
use crate::client::Request;
use crate::commands::kill;
use crate::context::Context;
use crate::exit::Exit;

/// Close a task and the runs that were opened for it
///
/// For good: no run can be opened for it again.
#[derive(Args)]
#[command(after_help = "\
Example:
  marque task close ticket:OPS-12")]
pub(crate) struct Close {
    /// The task, such as `ticket:OPS-12`
    task: TaskRef,
    #[command(flatten)]
    rehearsal: Rehearsal,
}

impl Close {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let body = TaskBody { task: self.task };
        let request = Request::post("/v1/tasks/close").json(&body)?.dry_run(self.rehearsal.dry_run);
        let closed: KilledView = context.human().await?.send(&request).await?;
        context.output.result(&closed, kill::text)?;
        Ok(Exit::Done)
    }
}
