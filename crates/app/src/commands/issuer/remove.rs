//! `marque issuer remove`

use clap::Args;
use marque_plane::view::IssuerView;

use crate::cli::Rehearsal;
use crate::client::{Request, encode};
use crate::context::Context;
use crate::exit::Exit;

/// Trust an issuer no more
///
/// No run is opened by its word from then on. Those that were go on until they end; end them with
/// `marque kill`.
#[derive(Args)]
#[command(after_help = "\
Example:
  marque issuer remove login")]
pub(crate) struct Remove {
    /// Its name or id
    issuer: String,
    #[command(flatten)]
    rehearsal: Rehearsal,
}

impl Remove {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let path = format!("/v1/issuers/{}/remove", encode(&self.issuer));
        let request = Request::post(path).dry_run(self.rehearsal.dry_run);
        let issuer: IssuerView = context.human().await?.send(&request).await?;
        context.output.result(&issuer, super::text)?;
        Ok(Exit::Done)
    }
}
