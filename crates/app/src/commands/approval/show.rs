//! `marque approval show`

use clap::Args;
use marque_plane::view::ApprovalView;

use crate::client::{Request, encode};
use crate::context::Context;
use crate::exit::Exit;

/// Show exactly what is asked
#[derive(Args)]
#[command(after_help = "\
Example:
  marque approval show apr_01JD…")]
pub(crate) struct Show {
    /// The approval's id
    approval: String,
}

impl Show {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let path = format!("/v1/approvals/{}", encode(&self.approval));
        let approval: ApprovalView = context.human().await?.send(&Request::get(path)).await?;
        context.output.result(&approval, super::text)?;
        Ok(Exit::Done)
    }
}
