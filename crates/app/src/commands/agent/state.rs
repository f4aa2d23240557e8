//! `marque agent suspend`, `resume` and `retire`: one move of one state machine each.

use clap::Args;
use marque_plane::view::AgentView;

use crate::cli::Rehearsal;
use crate::client::{Request, encode};
use crate::context::Context;
use crate::exit::Exit;

/// Stop an agent and its runs, until it is resumed
#[derive(Args)]
#[command(after_help = "\
Example:
  marque agent suspend triage")]
pub(crate) struct Suspend {
    #[command(flatten)]
    which: Which,
}

/// Let a suspended agent act again
#[derive(Args)]
#[command(after_help = "\
Example:
  marque agent resume triage")]
pub(crate) struct Resume {
    #[command(flatten)]
    which: Which,
}

/// End an agent for good; nobody gets its name again
///
/// Closes its runs and lets no other be opened. Other systems authorise it by name, so that name
/// is spent.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque agent retire triage --dry-run
  marque agent retire triage")]
pub(crate) struct Retire {
    #[command(flatten)]
    which: Which,
}

#[derive(Args)]
struct Which {
    /// Its name or id
    agent: String,
    #[command(flatten)]
    rehearsal: Rehearsal,
}

impl Suspend {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        self.which.moved("suspend", context).await
    }
}

impl Resume {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        self.which.moved("resume", context).await
    }
}

impl Retire {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        self.which.moved("retire", context).await
    }
}

impl Which {
    async fn moved(self, verb: &str, context: &Context) -> anyhow::Result<Exit> {
        let path = format!("/v1/agents/{}/{verb}", encode(&self.agent));
        let request = Request::post(path).dry_run(self.rehearsal.dry_run);
        let agent: AgentView = context.human().await?.send(&request).await?;
        context.output.result(&agent, super::text)?;
        Ok(Exit::Done)
    }
}
