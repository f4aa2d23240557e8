//! `marque demo`

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use crate::context::Context;
use crate::demo;
use crate::demo::git_host::Setting;
use crate::exit::Exit;

/// Show the whole story on real parts, in under a minute
///
/// Starts a plane in a temporary directory, and a small API and a git host that demand tokens, lets
/// an agent work through Marque with plain curl and git, and judges every step by their own logs.
/// Touches nothing of
/// yours and leaves nothing behind. Needs `curl`, `git` and `sh`. Exits with 1 if a step does not
/// hold.
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
    /// The git host of the demonstration, a process of its own
    #[command(hide = true)]
    Git {
        /// Where to write the certificate authority that vouches for it, PEM
        #[arg(long, value_name = "FILE")]
        authority: PathBuf,
        /// Where to write one JSON line for each request
        #[arg(long, value_name = "FILE")]
        log: PathBuf,
        /// The directory of its bare repositories
        #[arg(long, value_name = "DIR")]
        root: PathBuf,
        /// Make this one, with one commit on `main`; may be given more than once
        #[arg(long, value_name = "OWNER/NAME")]
        repository: Vec<String>,
        /// Repeat each credential in `x-echo-authorization`, and in the body of `/echo`
        #[arg(long)]
        echo: bool,
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
            Some(Part::Git { authority, log, root, repository: repositories, echo }) => {
                let path = context.environment.os("PATH").context("`PATH` is not set")?.to_owned();
                let setting = Setting { authority, log, root, repositories, echo, path };
                demo::git_host::run(setting).await?;
                Ok(Exit::Done)
            }
        }
    }
}
