//! `cargo xtask bench gateway`: the proxy door against no door, against reverse proxies and against
//! intercepting ones; what a new connection takes, and how much memory all of it needs.
//!
//! Everything runs on this machine and shares its cores: the load, who is measured, and the
//! upstream, which is the same for all. Rounds are interleaved, and every second one runs
//! backwards.

mod bars;
mod leaf;
mod memory;
mod options;
mod peers;
mod report;
mod site;
mod target;
mod throughput;

use anyhow::ensure;

pub(super) use self::memory::send;
pub(super) use self::options::Options;
use self::options::Part;
use self::peers::Peers;
use self::report::Report;
pub(super) use self::site::Site;
pub(super) use self::target::Target;
use super::{binary, process};

/// Idle connections that are tried in the clear, and in TLS.
const IDLE_PLAIN: usize = 10_000;
const IDLE_TLS: usize = 1_000;

/// Measures, tells, and fails where a bar is missed.
pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    let binary = binary::to_measure(options.binary.as_deref())?;
    let site = Site::lay(&binary)?;
    let (machine, words) = (process::machine(), options.to_string());
    let mut report = Report { machine, options: words, ..Report::default() };
    let peers = |of: fn(&Site) -> anyhow::Result<Peers>| {
        if options.is_alone { Ok(Peers::default()) } else { of(&site) }
    };
    let plain = |report: &mut Report| anyhow::Ok(with(site.plain(), peers(peers::plain)?, report));
    let tls =
        |report: &mut Report| anyhow::Ok(with(site.tls()?, peers(peers::intercepting)?, report));
    if options.has(Part::Plain) {
        let all = throughput::measure(&plain(&mut report)?, options)?;
        report.tables.extend(report::throughput("plain", &all));
        report.bars.extend(bars::plain(&all));
    }
    if options.has(Part::Tls) {
        let all = throughput::measure(&tls(&mut report)?, options)?;
        report.tables.extend(report::throughput("TLS", &all));
        report.bars.extend(bars::tls(&all));
    }
    if options.has(Part::Leaf) {
        let (all, signature) = leaf::measure(&site, &tls(&mut report)?, options)?;
        report.tables.push(report::leaves(&all, signature));
        report.bars.extend(bars::leaves(&all));
    }
    if options.has(Part::Memory) {
        let own = memory::own(&site)?;
        let of = |targets: Vec<Target>, connections| {
            let between = targets.iter().filter(|target| target.watched.is_some());
            let each = between.map(|target| memory::of(target, connections));
            each.collect::<anyhow::Result<Vec<_>>>()
        };
        let in_clear = of(plain(&mut report)?, IDLE_PLAIN)?;
        let in_tls = of(tls(&mut report)?, IDLE_TLS)?;
        let [rest, _] = site.rest;
        report.bars.extend(bars::memory(rest, &in_clear, &own));
        report.tables.push(report::own(site.rest, &own));
        report.tables.push(report::memory("plain", &in_clear));
        report.tables.push(report::memory("TLS", &in_tls));
    }
    report::print(&report, options.is_json)?;
    let missed = report.missed();
    ensure!(!options.has_bars || missed.is_empty(), "missed: {}", missed.join("; "));
    Ok(())
}

fn with(own: [Target; 2], (peers, absent): Peers, report: &mut Report) -> Vec<Target> {
    report.skipped.extend(absent);
    report.skipped.sort_unstable();
    report.skipped.dedup();
    own.into_iter().chain(peers).collect()
}
