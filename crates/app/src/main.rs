//! `marque`: the one binary. Parses, prepares the process, runs one command, reports how it went.

#[cfg(target_os = "linux")]
mod capture;
mod cli;
mod client;
mod clock;
mod commands;
mod config;
mod context;
mod database;
mod demo;
mod doctor;
mod environment;
mod exit;
mod harden;
mod launch;
mod output;
mod passphrase;
mod place;
mod server;
mod trace;

use std::process::ExitCode;

use clap::Parser as _;
use marque_store::StoreError;

use crate::cli::Cli;
use crate::context::Context;
use crate::environment::Environment;
use crate::exit::{Exit, Failure};
use crate::output::Output;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    if let Some(ended) = capture::dispatch() {
        return ended;
    }
    let cli = Cli::parse();
    let output = Output::new(&cli.global, false);
    let ended = run(cli);
    let exit = ended.unwrap_or_else(|error| {
        let failure = as_failure(&error);
        output.failure(&failure);
        failure.exit
    });
    exit.into()
}

fn run(cli: Cli) -> anyhow::Result<Exit> {
    harden::process()?;
    let environment = Environment::read();
    trace::start(&environment, commands::default_trace(&cli.command))?;
    let context = Context::new(&cli.global, environment)?;
    commands::run(cli.command, &context)
}

fn as_failure(error: &anyhow::Error) -> Failure {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return failure.clone();
    }
    match error.downcast_ref::<StoreError>() {
        Some(error) => error.clone().into(),
        None => Failure::new(Exit::Failed, format!("{error:#}")),
    }
}
