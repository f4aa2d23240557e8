//! `marque decision`: why a call went through or did not.

mod explain;

use clap::Subcommand;

use crate::context::Context;
use crate::exit::Exit;

#[derive(Subcommand)]
pub(crate) enum Decision {
    Explain(explain::Explain),
}

impl Decision {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        match self {
            Self::Explain(command) => command.run(context).await,
        }
    }
}
