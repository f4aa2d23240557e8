//! `marque grant revoke`

use clap::Args;
use marque_plane::view::GrantView;

use crate::cli::Rehearsal;
use crate::client::{Request, encode};
use crate::context::Context;
use crate::exit::Exit;

/// End a grant now
///
/// Runs that stand on it lose what it allowed with their next call.
#[derive(Args)]
#[command(after_help = "\
Example:
  marque grant revoke grt_01JD…")]
pub(crate) struct Revoke {
    /// The grant's id
    grant: String,
    #[command(flatten)]
    rehearsal: Rehearsal,
}

impl Revoke {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let path = format!("/v1/grants/{}/revoke", encode(&self.grant));
        let request = Request::post(path).dry_run(self.rehearsal.dry_run);
        let grant: GrantView = context.human().await?.send(&request).await?;
        context.output.result(&grant, super::text)?;
        Ok(Exit::Done)
    }
}
