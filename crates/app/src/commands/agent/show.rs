//! `marque agent show`

use clap::Args;
use marque_plane::view::AgentView;

use crate::client::{Request, encode};
use crate::context::Context;
use crate::exit::Exit;

/// Show one agent
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque agent show triage
  marque agent show triage --json")]
pub(crate) struct Show {
    /// Its name or id
    agent: String,
}

impl Show {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let path = format!("/v1/agents/{}", encode(&self.agent));
        let agent: AgentView = context.human().await?.send(&Request::get(path)).await?;
        context.output.result(&agent, super::text)?;
        Ok(Exit::Done)
    }
}
