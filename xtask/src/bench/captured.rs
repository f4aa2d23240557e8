//! `cargo xtask bench captured`: what a captured run costs to start, its doors against the proxy
//! door, and the memory of its run in the server.
//!
//! Rounds are interleaved, and every second one runs backwards.

mod doors;
mod memory;
mod options;
mod report;
mod site;
mod start;

use anyhow::ensure;

pub(super) use self::options::Options;
use self::report::Report;
use self::site::Site;
pub(super) use self::start::at_terminal;
use super::{binary, process};

/// Measures, tells, and fails where a bar is missed.
pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    let binary = binary::to_measure(options.binary.as_deref())?;
    let site = Site::lay(&binary)?;
    let mut report = Report { machine: process::machine(), ..Report::default() };
    if options.starts > 0 {
        report.starts = start::measure(&site, options)?;
        eprintln!("started, load {}", process::load());
    }
    if options.calls > 0 {
        report.doors = doors::measure(&site, options)?;
    }
    if options.runs > 0 {
        report.memory = Some(memory::measure(&site, options.runs)?);
        eprintln!("held, load {}", process::load());
    }
    report::print(&report, options.is_json)?;
    let missed = report.missed();
    ensure!(!options.has_bars || missed.is_empty(), "missed: {}", missed.join("; "));
    Ok(())
}
