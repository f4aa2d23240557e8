//! `cargo xtask bench <what>`: the numbers we hold, measured.
//!
//! Drives the release binary from outside, as a person would. Every figure stands beside the same
//! work without Marque, interleaved in one run. Nothing of it ships.

mod bars;
mod binary;
mod captured;
mod clock;
mod cores;
mod decision;
mod drive;
mod figures;
mod gateway;
mod git;
mod ground;
mod http;
mod kit;
mod link;
mod noise;
pub(crate) mod options;
mod papers;
mod places;
mod process;
mod program;
mod record;
mod replicas;
mod report;
mod run;
mod shell;
mod soak;
mod table;
mod token;

use anyhow::Context as _;

use self::options::Options;
use crate::Command;

pub(crate) const COMMAND: Command =
    Command { name: "bench", about: "measure what we promise; `bench` alone says what", run };

type Bench = fn(&[String]) -> anyhow::Result<()>;

const ALL: [(&str, Bench); 8] = [
    ("git", |words| git::run(&Options::parse(words)?)),
    ("decision", |words| decision::run(&decision::Options::parse(words)?)),
    ("record", |words| record::run(&record::Options::parse(words)?)),
    ("gateway", |words| gateway::run(&gateway::Options::parse(words)?)),
    ("replicas", |words| replicas::run(&replicas::Options::parse(words)?)),
    ("token", |words| token::run(&token::Options::parse(words)?)),
    ("captured", |words| captured::run(&captured::Options::parse(words)?)),
    ("soak", |words| soak::run(&soak::Options::parse(words)?)),
];

fn run(args: &[String]) -> anyhow::Result<()> {
    if let Some(done) = captured::at_terminal(args) {
        return done;
    }
    let names = ALL.map(|(name, _)| format!("`{name}`")).join(", ");
    let (what, rest) =
        args.split_first().with_context(|| format!("what to measure? There are {names}"))?;
    let bench = ALL.iter().find(|(name, _)| name == what);
    let (_, bench) =
        bench.with_context(|| format!("there is no benchmark `{what}`; there are {names}"))?;
    bench(rest)
}
