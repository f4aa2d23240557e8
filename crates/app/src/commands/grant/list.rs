//! `marque grant list`

use clap::Args;
use marque_plane::view::GrantView;

use crate::client::{Request, encode};
use crate::context::Context;
use crate::exit::Exit;

/// List the grants
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque grant list
  marque grant list --agent triage")]
pub(crate) struct List {
    /// Only those of this agent
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
}

impl List {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let path = match &self.agent {
            Some(agent) => format!("/v1/grants?agent={}", encode(agent)),
            None => "/v1/grants".to_owned(),
        };
        let grants: Vec<GrantView> = context.human().await?.send(&Request::get(path)).await?;
        context.output.result(&grants, |grants| text(grants))?;
        Ok(Exit::Done)
    }
}

fn text(grants: &[GrantView]) -> String {
    if grants.is_empty() {
        return "no grants; give one with `marque grant add AGENT --allow LINE --until 30d`".into();
    }
    grants.iter().map(super::text).collect::<Vec<_>>().join("\n")
}
