//! `marque approval decline`

use clap::Args;
use marque_plane::view::ApprovalView;

use crate::cli::Rehearsal;
use crate::client::{Request, encode};
use crate::context::Context;
use crate::exit::Exit;

/// Say no
#[derive(Args)]
#[command(after_help = "\
Example:
  marque approval decline apr_01JD…")]
pub(crate) struct Decline {
    /// The approval's id
    approval: String,
    #[command(flatten)]
    rehearsal: Rehearsal,
}

impl Decline {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let path = format!("/v1/approvals/{}/decline", encode(&self.approval));
        let request = Request::post(path).dry_run(self.rehearsal.dry_run);
        let declined: ApprovalView = context.human().await?.send(&request).await?;
        context.output.result(&declined, super::text)?;
        Ok(Exit::Done)
    }
}
