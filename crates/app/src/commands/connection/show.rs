//! `marque connection show`

use clap::Args;
use marque_plane::view::ConnectionView;

use crate::client::{Request, encode};
use crate::context::Context;
use crate::exit::Exit;

/// Show one connection; never its secret
#[derive(Args)]
#[command(after_help = "\
Example:
  marque connection show tracker")]
pub(crate) struct Show {
    /// Its name or id
    connection: String,
}

impl Show {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let path = format!("/v1/connections/{}", encode(&self.connection));
        let connection: ConnectionView = context.human().await?.send(&Request::get(path)).await?;
        context.output.result(&connection, super::text)?;
        Ok(Exit::Done)
    }
}
