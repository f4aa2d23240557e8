//! `marque run`: a command as an agent; and the runs there are.

#[cfg(target_os = "linux")]
mod again;
#[cfg(target_os = "linux")]
mod ask;
#[cfg(target_os = "linux")]
mod captured;
#[cfg(target_os = "linux")]
mod children;
#[cfg(target_os = "linux")]
mod confined;
mod desk;
mod ending;
mod held;
#[cfg(target_os = "linux")]
mod hold;
mod list;
mod open;
mod show;
pub(crate) mod shown;
mod voice;

use clap::{Args, Subcommand};

use crate::context::Context;
use crate::exit::Exit;

/// Run a command as an agent; list and show runs
///
/// Opens a run, says who it is and what it may do, starts the command with the run's own identity
/// in place of your secrets, and ends the run, and every process of it, when the command ends.
/// Inside a run it opens a child run, which can do no more than its parent. A table `[mandate]` in
/// a `marque.toml` of the working directory narrows the run, and never widens it.
#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    override_usage = "marque run [OPTIONS] -- COMMAND…\n       marque run list|show",
    after_help = EXAMPLES
)]
pub(crate) struct Run {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    open: open::Open,
}

const EXAMPLES: &str = "\
Examples:
  marque run --agent triage --task ticket:OPS-12 -- curl https://api.tracker.example/v1/issues
  marque run --agent coder --task issue:acme/web#42 --ttl 30m --never 'tracker:DELETE /**' -- claude
  marque run --agent closer --for carol --mandate close.toml -- ./close-books
  marque run list

Exits with what COMMAND returns; 126 and 127 if it cannot be started, 128 + N if signal N ended it,
137 if Marque closed the run.";

#[derive(Subcommand)]
enum Verb {
    List(list::List),
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
