//! `marque run`: a command as an agent; and the runs there are.

mod list;
mod open;
mod show;
pub(crate) mod shown;

use clap::{Args, Subcommand};

use crate::context::Context;
use crate::exit::Exit;

#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    override_usage = "marque run [OPTIONS] -- COMMAND…\n       marque run list|show"
)]
pub(crate) struct Run {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    open: open::Open,
}

#[derive(Subcommand)]
enum Verb {
    /// List the runs
    List(list::List),
    /// Show one run
    Show(show::Show),
}

impl Run {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        match self.verb {
            Some(Verb::List(command)) => command.run(context).await,
            Some(Verb::Show(command)) => command.run(context).await,
            None => self.open.run(context).await,
        }
    }
}
