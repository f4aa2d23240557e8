//! `cargo xtask bench record`: how much goes into the log in a second and how long an answer waits,
//! on SQLite and on PostgreSQL, beside what each commits alone; and a large log beside a small one.

mod options;
mod report;

use anyhow::ensure;

pub(super) use self::options::Options;
use super::kit::{Kit, TIMES};
use super::{bars, process};

/// Measures, tells, and fails where a bar is missed.
pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    let kit = Kit::build()?;
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let (rounds, millis) = (options.rounds.to_string(), options.millis.to_string());
    let recorded = words(&["record", "--rounds", &rounds, "--millis", &millis]);
    let recorded = kit.run(TIMES, &recorded)?;
    eprintln!("recorded, load {}", process::load());
    let entries = options.entries.to_string();
    let large = kit.run(TIMES, &words(&["log", "--rounds", &rounds, "--entries", &entries]))?;
    eprintln!("verified and proved, load {}", process::load());
    let lines = recorded.with(large);
    report::print(&lines, options)?;
    let missed = bars::missed(&report::bars(&lines, options));
    ensure!(!options.has_bars || missed.is_empty(), "missed: {}", missed.join("; "));
    Ok(())
}
