//! `marque client show`

use clap::Args;
use marque_plane::view::ClientView;

use crate::client::{Request, encode};
use crate::context::Context;
use crate::exit::Exit;

/// Show one client of the token service
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque client show nightly
  marque client show nightly --json")]
pub(crate) struct Show {
    /// Its name or `client_id`
    client: String,
}

impl Show {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let path = format!("/v1/clients/{}", encode(&self.client));
        let client: ClientView = context.human().await?.send(&Request::get(path)).await?;
        context.output.result(&client, super::text)?;
        Ok(Exit::Done)
    }
}
