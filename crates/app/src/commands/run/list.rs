//! `marque run list`

use clap::Args;
use marque_plane::view::RunView;

use super::shown;
use crate::client::Request;
use crate::context::Context;
use crate::exit::Exit;
use crate::output::Table;

/// List the runs
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque run list
  marque run list --all --json")]
pub(crate) struct List {
    /// Those that are over as well
    #[arg(long)]
    all: bool,
}

impl List {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let path = format!("/v1/runs?all={}", self.all);
        let runs: Vec<RunView> = context.human().await?.send(&Request::get(path)).await?;
        context.output.result(&runs, |runs| text(runs))?;
        Ok(Exit::Done)
    }
}

fn text(runs: &[RunView]) -> String {
    let mut table =
        Table::new(["run", "agent", "state", "task", "opened by", "tier", "calls", "until"]);
    for run in runs {
        let agent = format!("{}@v{}", run.agent, run.version);
        table.row([
            &run.id.to_string(),
            &agent,
            &run.state,
            run.task.as_str(),
            run.opened_by.as_str(),
            &shown::held(run),
            &format!("{} ({} refused)", run.calls, run.refusals),
            &run.expires_at.to_string(),
        ]);
    }
    table.text("no run is open; open one with `marque run --agent NAME -- COMMAND`")
}
