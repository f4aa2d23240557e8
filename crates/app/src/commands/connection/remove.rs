//! `marque connection remove`

use clap::Args;
use marque_plane::view::ConnectionView;

use crate::cli::Rehearsal;
use crate::client::{Request, encode};
use crate::context::Context;
use crate::exit::Exit;

/// Take a connection out of service and shred its credential
#[derive(Args)]
#[command(after_help = "\
Example:
  marque connection remove tracker")]
pub(crate) struct Remove {
    /// Its name or id
    connection: String,
    #[command(flatten)]
    rehearsal: Rehearsal,
}

impl Remove {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let path = format!("/v1/connections/{}", encode(&self.connection));
        let request = Request::delete(path).dry_run(self.rehearsal.dry_run);
        let connection: ConnectionView = context.human().await?.send(&request).await?;
        context.output.result(&connection, super::text)?;
        Ok(Exit::Done)
    }
}
