//! `marque up`

use std::process::{Command, Stdio};

use clap::Args;

use crate::config::Span;
use crate::context::Context;
use crate::exit::Exit;
use crate::{harden, server};

/// Serve this plane until interrupted
///
/// Opens the data directory, made on first use for its owner alone (0700), and listens on its
/// socket and on the proxy door. Keys and credentials live in this process only. `marque run` and
/// other commands start a server by themselves where none answers; that one leaves when idle.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque up
  marque up --data-dir /srv/marque --idle-exit 10m
  MARQUE_TRACE=debug MARQUE_TRACE_FORMAT=json marque up")]
pub(crate) struct Up {
    /// Leave once no run was open and nobody asked for this long
    #[arg(long, value_name = "SPAN")]
    idle_exit: Option<Span>,
    /// Detach, start a server that leaves when idle, and return
    #[arg(long, hide = true)]
    background: bool,
}

impl Up {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<Exit> {
        if self.background {
            return detach(context);
        }
        harden::server()?;
        let config = context.config()?;
        let idle_exit = self.idle_exit.map(|span| span.0);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let ended = runtime.block_on(server::serve(context, &config, idle_exit));
        // What is still blocked (a passphrase being checked) must not hold the process up.
        runtime.shutdown_background();
        ended
    }
}

/// Leaves the terminal's session, so that closing the terminal ends nothing, and starts the server
/// as a process nobody waits for.
fn detach(context: &Context) -> anyhow::Result<Exit> {
    rustix::process::setsid()?;
    let idle_exit = String::from(context.config()?.server.idle_exit);
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("--data-dir")
        .arg(context.data.path())
        .args(["up", "--idle-exit", &idle_exit])
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    if context.config_was_named {
        command.arg("--config").arg(&context.config_file);
    }
    command.spawn()?;
    Ok(Exit::Done)
}
