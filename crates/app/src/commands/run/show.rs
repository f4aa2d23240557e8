//! `marque run show`

use clap::Args;
use marque_plane::view::RunView;

use super::shown;
use crate::client::{Request, encode};
use crate::context::Context;
use crate::exit::Exit;

/// Show one run
#[derive(Args)]
#[command(after_help = "\
Example:
  marque run show run_01JD…")]
pub(crate) struct Show {
    /// Its id
    run: String,
}

impl Show {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let path = format!("/v1/runs/{}", encode(&self.run));
        let run: RunView = context.human().await?.send(&Request::get(path)).await?;
        context.output.result(&run, |run| shown::fields(run).text())?;
        Ok(Exit::Done)
    }
}
