//! `marque demo`

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::context::Context;
use crate::demo;
use crate::exit::Exit;

/// Show the whole story on real parts, in under a minute
///
/// Starts a plane in a temporary directory and a small API that demands a token, lets an agent work
/// through Marque with plain curl, and judges every step by the API's own log. Touches nothing of
/// yours and leaves nothing behind. Needs `curl` and `sh`. Exits with 1 if a step does not hold.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque demo
  marque demo --json")]
pub(crate) struct Demo {
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// The API of the demonstration, a process of its own
    #[command(hide = true)]
    Api {
        /// Where to write the certificate authority that vouches for it, PEM
        #[arg(long, value_name = "FILE")]
        authority: PathBuf,
        /// Where to write one JSON line for each request
        #[arg(long, value_name = "FILE")]
        log: PathBuf,
    },
}

impl Demo {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        match self.part {
            None => demo::run(context).await,
            Some(Part::Api { authority, log }) => {
                demo::api::run(&authority, &log).await?;
                Ok(Exit::Done)
            }
        }
    }
}
