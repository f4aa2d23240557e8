//! `marque lock`

use clap::Args;

use crate::client::Request;
use crate::context::Context;
use crate::exit::Exit;

/// End what `marque unlock` began in this terminal
#[derive(Args)]
#[command(after_help = "\
Example:
  marque lock")]
pub(crate) struct Lock {}

impl Lock {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        context.human().await?.send_quietly(&Request::post("/v1/lock")).await?;
        Ok(Exit::Done)
    }
}
