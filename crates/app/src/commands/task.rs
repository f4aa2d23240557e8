//! `marque task`: the outside reasons for runs.

mod close;

use clap::Subcommand;

use crate::context::Context;
use crate::exit::Exit;

#[derive(Subcommand)]
pub(crate) enum Task {
    Close(close::Close),
}

impl Task {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        match self {
            Self::Close(command) => command.run(context).await,
        }
    }
}
