//! `cargo xtask bench <what>`: the numbers we hold, measured.
//!
//! Drives the release binary from outside, as a person would. Every figure stands beside the same
//! work without Marque, interleaved in one run. Nothing of it ships.

mod bars;
mod binary;
mod captured;
mod clock;
mod decision;
mod figures;
mod git;
mod ground;
mod kit;
mod link;
mod noise;
mod options;
mod places;
mod process;
mod record;
mod replicas;
mod report;
mod shell;

use anyhow::{Context as _, bail};

use self::options::Options;
use crate::Command;

pub(crate) const COMMAND: Command = Command {
    name: "bench",
    about: "measure what we promise: `bench git`, `replicas`, `captured`, `decision`, `record`",
    run,
};

/// What there is to measure.
const KNOWN: &str = "`git`, `replicas`, `captured`, `decision` and `record`";

fn run(args: &[String]) -> anyhow::Result<()> {
    if let Some(done) = captured::at_terminal(args) {
        return done;
    }
    let (what, rest) =
        args.split_first().with_context(|| format!("what to measure? there are {KNOWN}"))?;
    match what.as_str() {
        "git" => git::run(&Options::parse(rest)?),
        "replicas" => replicas::run(&replicas::Options::parse(rest)?),
        "captured" => captured::run(&captured::Options::parse(rest)?),
        "decision" => decision::run(&decision::Options::parse(rest)?),
        "record" => record::run(&record::Options::parse(rest)?),
        _ => bail!("there is no benchmark `{what}`; there are {KNOWN}"),
    }
}
