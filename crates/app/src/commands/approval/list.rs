//! `marque approval list`

use clap::Args;
use marque_plane::view::ApprovalView;

use crate::client::Request;
use crate::context::Context;
use crate::exit::Exit;
use crate::output::Table;

/// List what waits for a human
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque approval list
  marque approval list --all --json")]
pub(crate) struct List {
    /// Those that are answered or over as well
    #[arg(long)]
    all: bool,
}

impl List {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let path = format!("/v1/approvals?all={}", self.all);
        let approvals: Vec<ApprovalView> = context.human().await?.send(&Request::get(path)).await?;
        context.output.result(&approvals, |approvals| text(approvals))?;
        Ok(Exit::Done)
    }
}

fn text(approvals: &[ApprovalView]) -> String {
    let mut table = Table::new(["approval", "state", "agent", "operation", "until"]);
    for view in approvals {
        table.row([
            &view.approval.id.to_string(),
            &view.state,
            view.actor.agent.as_str(),
            &view.approval.operation.to_string(),
            &view.approval.until.to_string(),
        ]);
    }
    table.text("nothing waits for a human")
}
