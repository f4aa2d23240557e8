//! `marque log`: what happened, asked as an incident reviewer asks, and the proof of it.

mod export;
pub(crate) mod keys;
mod query;
pub(crate) mod sentence;
mod show;
pub(crate) mod source;
mod verify;

use clap::Subcommand;

use crate::context::Context;
use crate::exit::Exit;

#[derive(Subcommand)]
pub(crate) enum Log {
    Show(show::Show),
    Query(Box<query::Query>),
    Verify(verify::Verify),
    Export(export::Export),
}

impl Log {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        match self {
            Self::Show(command) => command.run(context).await,
            Self::Query(command) => command.run(context).await,
            Self::Verify(command) => command.run(context),
            Self::Export(command) => command.run(context),
        }
    }
}
