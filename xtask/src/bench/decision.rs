//! `cargo xtask bench decision`: what a decision takes and allocates, with few and many agents and
//! policies, beside Cedar alone; and how much memory agents, policies and open runs hold.

mod options;
mod report;

use anyhow::ensure;

pub(super) use self::options::Options;
use super::kit::{ALLOCATIONS, Kit, TIMES};
use super::{bars, process};

/// Measures, tells, and fails where a bar is missed.
pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    let kit = Kit::build()?;
    let counted = kit.run(ALLOCATIONS, &[])?;
    let (rounds, decisions) = (options.rounds.to_string(), options.decisions.to_string());
    let words = ["decision", "--rounds", &rounds, "--decisions", &decisions];
    let timed = kit.run(TIMES, &words.map(str::to_owned))?;
    eprintln!("measured, load {}", process::load());
    let lines = counted.with(timed);
    report::print(&lines, options)?;
    let missed = bars::missed(&report::bars(&lines));
    ensure!(!options.has_bars || missed.is_empty(), "missed: {}", missed.join("; "));
    Ok(())
}
