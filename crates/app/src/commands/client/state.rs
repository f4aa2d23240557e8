//! `marque client suspend`, `resume` and `retire`: one move of one state machine each.

use clap::Args;
use marque_plane::view::ClientView;

use crate::cli::Rehearsal;
use crate::client::{Request, encode};
use crate::context::Context;
use crate::exit::Exit;

/// Stop a client and its runs, until it is resumed
///
/// Its runs are killed, and with them every token they hold. A kill of one of its runs, or of its
/// agent, suspends it as well: it would open the next run otherwise.
#[derive(Args)]
#[command(after_help = "\
Example:
  marque client suspend nightly")]
pub(crate) struct Suspend {
    #[command(flatten)]
    which: Which,
}

/// Answer a suspended client again, or a job, person or hop of it that was killed
///
/// A kill of a client's run suspends the client; where the client has a run for each job or person,
/// it stops that one alone. The id of the killed run lets it in again. The run itself stays closed.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque client resume nightly
  marque client resume run_01JD…")]
pub(crate) struct Resume {
    /// Its name or `client_id`, or the id of a run of it that was killed
    #[arg(value_name = "CLIENT|RUN")]
    client: String,
    #[command(flatten)]
    rehearsal: Rehearsal,
}

/// End a client for good; nobody gets its name again
///
/// Its runs are killed, tokens of theirs are good no more, and it is never answered again.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque client retire nightly --dry-run
  marque client retire nightly")]
pub(crate) struct Retire {
    #[command(flatten)]
    which: Which,
}

#[derive(Args)]
struct Which {
    /// Its name or `client_id`
    client: String,
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
        let Self { client, rehearsal } = self;
        Which { client, rehearsal }.moved("resume", context).await
    }
}

impl Retire {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        self.which.moved("retire", context).await
    }
}

impl Which {
    async fn moved(self, verb: &str, context: &Context) -> anyhow::Result<Exit> {
        let path = format!("/v1/clients/{}/{verb}", encode(&self.client));
        let request = Request::post(path).dry_run(self.rehearsal.dry_run);
        let client: ClientView = context.human().await?.send(&request).await?;
        context.output.result(&client, super::text)?;
        Ok(Exit::Done)
    }
}
