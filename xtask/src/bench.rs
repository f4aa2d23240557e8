//! `cargo xtask bench <what>`: the numbers we hold, measured.
//!
//! Drives the release binary from outside, as a person would. Every figure stands beside the same
//! work without Marque, interleaved in one run. Nothing of it ships.

mod clock;
mod git;
mod ground;
mod link;
mod noise;
mod options;
mod process;
mod report;
mod shell;

use anyhow::{Context as _, bail};

use self::options::Options;
use crate::Command;

pub(crate) const COMMAND: Command =
    Command { name: "bench", about: "measure what we promise: `bench git`", run };

fn run(args: &[String]) -> anyhow::Result<()> {
    let (what, rest) = args.split_first().context("what to measure? `cargo xtask bench git`")?;
    match what.as_str() {
        "git" => git::run(&Options::parse(rest)?),
        _ => bail!("there is no benchmark `{what}`; there is `git`"),
    }
}
