//! `marque connection rotate`

use clap::Args;
use marque_plane::view::ConnectionView;
use serde_json::json;

use super::secret::SecretSource;
use crate::cli::Rehearsal;
use crate::client::{Request, encode};
use crate::context::Context;
use crate::exit::Exit;

/// Replace the credential
///
/// The next call uses the new one; the old one is shredded.
#[derive(Args)]
#[command(after_help = "\
Example:
  marque connection rotate tracker --secret-stdin < token")]
pub(crate) struct Rotate {
    /// The connection's name or id
    connection: String,
    #[command(flatten)]
    secret: SecretSource,
    #[command(flatten)]
    rehearsal: Rehearsal,
}

impl Rotate {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let secret = self.secret.read()?;
        let path = format!("/v1/connections/{}/rotate", encode(&self.connection));
        let request = Request::post(path)
            .json_with_secret(&json!({}), Some(&secret))?
            .dry_run(self.rehearsal.dry_run);
        let connection: ConnectionView = context.human().await?.send(&request).await?;
        context.output.result(&connection, super::text)?;
        Ok(Exit::Done)
    }
}
