//! `marque config`: the configuration, looked at without a server.

mod check;

use clap::Subcommand;

use crate::context::Context;
use crate::exit::Exit;

#[derive(Subcommand)]
pub(crate) enum Config {
    Check(check::Check),
}

impl Config {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<Exit> {
        match self {
            Self::Check(check::Check {}) => check::run(context),
        }
    }
}
