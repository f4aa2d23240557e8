//! One file for each command. A command parses its words, asks the plane, and shows the answer.

pub(crate) mod agent;
pub(crate) mod approval;
pub(crate) mod claim;
pub(crate) mod client;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod connection;
pub(crate) mod decision;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod git_sign;
pub(crate) mod grant;
pub(crate) mod issuer;
pub(crate) mod key;
pub(crate) mod key_args;
pub(crate) mod kill;
pub(crate) mod limits;
pub(crate) mod lock;
pub(crate) mod log;
pub(crate) mod public_keys;
pub(crate) mod run;
pub(crate) mod store;
pub(crate) mod task;
pub(crate) mod token;
pub(crate) mod unlock;
pub(crate) mod up;
pub(crate) mod whoami;

use crate::cli::Command;
use crate::context::Context;
use crate::exit::Exit;

/// Runs one command to its end.
pub(crate) fn run(command: Command, context: &Context) -> anyhow::Result<Exit> {
    match command {
        Command::Up(command) => command.run(context),
        Command::Completions(command) => command.run(),
        Command::Config(command) => command.run(context),
        Command::Store(command) => command.run(context),
        Command::Log(log::Log::Verify(command)) => command.run(context),
        asking => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(ask(asking, context)),
    }
}

/// What to trace unless the environment says: a server says what it does, a command only warns.
pub(crate) fn default_trace(command: &Command) -> &'static str {
    match command {
        Command::Up(_) => "info",
        _ => "warn",
    }
}

async fn ask(command: Command, context: &Context) -> anyhow::Result<Exit> {
    match command {
        Command::Claim(command) => command.run(context).await,
        Command::Unlock(command) => command.run(context).await,
        Command::Lock(command) => command.run(context).await,
        Command::Run(command) => command.run(context).await,
        Command::Whoami(command) => command.run(context).await,
        Command::Kill(command) => command.run(context).await,
        Command::Agent(command) => command.run(context).await,
        Command::Connection(command) => command.run(context).await,
        Command::Client(command) => command.run(context).await,
        Command::Issuer(command) => command.run(context).await,
        Command::Token(command) => command.run(context).await,
        Command::GitSign(command) => command.run(context).await,
        Command::Grant(command) => command.run(context).await,
        Command::Task(command) => command.run(context).await,
        Command::Approval(command) => command.run(context).await,
        Command::Decision(command) => command.run(context).await,
        Command::Key(command) => command.run(context).await,
        Command::Log(command) => command.run(context).await,
        Command::Demo(command) => command.run(context).await,
        Command::Doctor(command) => command.run(context).await,
        Command::Up(_) | Command::Completions(_) | Command::Config(_) | Command::Store(_) => {
            Ok(Exit::Done)
        }
    }
}
