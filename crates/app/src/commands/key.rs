//! `marque key`: the plane's own keys, and their rotation.

mod allowed_signers;
mod list;
mod retire;
mod rotate;

use clap::Subcommand;

use crate::context::Context;
use crate::exit::Exit;

#[derive(Subcommand)]
pub(crate) enum Key {
    List(list::List),
    AllowedSigners(allowed_signers::AllowedSigners),
    Rotate(rotate::Rotate),
    Retire(retire::Retire),
}

impl Key {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        match self {
            Self::List(command) => command.run(context).await,
            Self::AllowedSigners(command) => command.run(context).await,
            Self::Rotate(command) => command.run(context).await,
            Self::Retire(command) => command.run(context).await,
        }
    }
}
