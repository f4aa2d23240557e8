//! `marque token`: access tokens, fetched, explained, checked and taken back.
//!
//! A token never comes in the words of a command, where every process of this machine could read
//! it: from a file or standard input alone.

mod ask;
mod checked;
mod desk;
mod exchange;
mod form;
mod inspect;
mod issue;
pub(crate) mod key;
mod listed;
mod revoke;
pub(crate) mod service;
mod source;
mod verify;
mod wait;
mod words;

use clap::Subcommand;

use crate::context::Context;
use crate::exit::Exit;

#[derive(Subcommand)]
pub(crate) enum Token {
    Issue(Box<issue::Issue>),
    Exchange(Box<exchange::Exchange>),
    Inspect(inspect::Inspect),
    Verify(Box<verify::Verify>),
    Revoke(revoke::Revoke),
}

impl Token {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        match self {
            Self::Issue(command) => command.run(context).await,
            Self::Exchange(command) => command.run(context).await,
            Self::Inspect(command) => command.run(context).await,
            Self::Verify(command) => command.run(context).await,
            Self::Revoke(command) => command.run(context).await,
        }
    }
}
