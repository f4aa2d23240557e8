//! `cargo xtask bench <what>`: the numbers we hold, measured.
//!
//! Drives the release binary from outside, as a person would. Every figure stands beside the same
//! work without Marque, interleaved in one run. Nothing of it ships.

mod binary;
mod captured;
mod clock;
mod drive;
mod figures;
mod gateway;
mod git;
mod ground;
mod http;
mod link;
mod noise;
mod options;
mod places;
mod process;
mod replicas;
mod report;
mod run;
mod shell;

use anyhow::{Context as _, bail};

use self::options::Options;
use crate::Command;

pub(crate) const COMMAND: Command = Command {
    name: "bench",
    about: "measure what we promise: `bench git`, `gateway`, `replicas`, `captured`",
    run,
};

fn run(args: &[String]) -> anyhow::Result<()> {
    if let Some(done) = captured::at_terminal(args) {
        return done;
    }
    let (what, rest) = args
        .split_first()
        .context("what to measure? `git`, `gateway`, `replicas` or `captured`")?;
    match what.as_str() {
        "git" => git::run(&Options::parse(rest)?),
        "gateway" => gateway::run(&gateway::Options::parse(rest)?),
        "replicas" => replicas::run(&replicas::Options::parse(rest)?),
        "captured" => captured::run(&captured::Options::parse(rest)?),
        _ => bail!(
            "there is no benchmark `{what}`; there are `git`, `gateway`, `replicas` and `captured`"
        ),
    }
}
