//! `marque agent list`

use clap::Args;
use marque_plane::view::AgentView;

use crate::client::Request;
use crate::context::Context;
use crate::exit::Exit;
use crate::output::Table;

/// List the agents
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque agent list
  marque agent list --json | jq -r '.[] | select(.state == \"active\") | .name'")]
pub(crate) struct List {}

impl List {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let agents: Vec<AgentView> =
            context.human().await?.send(&Request::get("/v1/agents")).await?;
        context.output.result(&agents, |agents| text(agents))?;
        Ok(Exit::Done)
    }
}

fn text(agents: &[AgentView]) -> String {
    let mut table = Table::new(["agent", "state", "version", "owner", "open runs", "purpose"]);
    for agent in agents {
        let version = format!("v{}", agent.version);
        let runs = agent.open_runs.len().to_string();
        table.row([
            agent.name.as_str(),
            &agent.state,
            &version,
            agent.owner.as_str(),
            &runs,
            &agent.purpose,
        ]);
    }
    table.text("no agents yet; register one with `marque agent add NAME --purpose TEXT`")
}
