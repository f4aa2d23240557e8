//! `marque agent limit`

use clap::Args;
use marque_plane::view::AgentView;

use crate::cli::Rehearsal;
use crate::client::{Request, encode};
use crate::commands::limits::ChangeArgs;
use crate::context::Context;
use crate::exit::Exit;

/// Set what all runs of an agent together may spend
///
/// Counts of a day begin anew at 00:00 UTC and outlive the server. Limits that are not named stay
/// as they are. They bind the next call; its owner or an administrator can set them.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque agent limit triage --rate 60 --burst 10
  marque agent limit triage --calls-per-day 2000 --bytes-per-day 50MiB
  marque agent limit triage --none")]
pub(crate) struct Limit {
    /// Its name or id
    agent: String,
    #[command(flatten)]
    limits: ChangeArgs,
    #[command(flatten)]
    rehearsal: Rehearsal,
}

impl Limit {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let path = format!("/v1/agents/{}/limit", encode(&self.agent));
        let request =
            Request::post(path).json(&self.limits.spec())?.dry_run(self.rehearsal.dry_run);
        let agent: AgentView = context.human().await?.send(&request).await?;
        context.output.result(&agent, super::text)?;
        Ok(Exit::Done)
    }
}
