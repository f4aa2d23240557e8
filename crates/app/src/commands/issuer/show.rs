//! `marque issuer show`

use clap::Args;
use marque_plane::view::IssuerView;

use crate::client::{Request, encode};
use crate::context::Context;
use crate::exit::Exit;

/// Show an issuer: whom it names, where its keys come from, and when they were last fetched
#[derive(Args)]
#[command(after_help = "\
Example:
  marque issuer show login")]
pub(crate) struct Show {
    /// Its name or id
    issuer: String,
}

impl Show {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let request = Request::get(format!("/v1/issuers/{}", encode(&self.issuer)));
        let issuer: IssuerView = context.human().await?.send(&request).await?;
        context.output.result(&issuer, super::text)?;
        Ok(Exit::Done)
    }
}
