//! `marque connection limit`

use clap::Args;
use marque_plane::view::ConnectionView;

use crate::cli::Rehearsal;
use crate::client::{Request, encode};
use crate::commands::limits::ChangeArgs;
use crate::context::Context;
use crate::exit::Exit;

/// Set what all agents together may spend through a connection
///
/// Counts of a day begin anew at 00:00 UTC and outlive the server. Limits that are not named stay
/// as they are. They bind the next call.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque connection limit tracker --rate 300
  marque connection limit tracker --bytes-per-day 1GiB
  marque connection limit tracker --none")]
pub(crate) struct Limit {
    /// Its name or id
    connection: String,
    #[command(flatten)]
    limits: ChangeArgs,
    #[command(flatten)]
    rehearsal: Rehearsal,
}

impl Limit {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let path = format!("/v1/connections/{}/limit", encode(&self.connection));
        let request =
            Request::post(path).json(&self.limits.spec())?.dry_run(self.rehearsal.dry_run);
        let connection: ConnectionView = context.human().await?.send(&request).await?;
        context.output.result(&connection, super::text)?;
        Ok(Exit::Done)
    }
}
