//! `cargo xtask bench replicas`: one to three servers on PostgreSQL against one on SQLite, kills
//! across servers, and servers that are lost.
//!
//! Everything runs on this machine: the servers, the database, the load and the upstream share its
//! cores. Rounds are interleaved, and every second one runs backwards.

mod database;
mod kill;
mod load;
mod options;
mod relay;
mod report;
mod site;
mod stream;
mod takeover;
mod throughput;
pub(super) mod upstream;

use std::time::Duration;

use anyhow::ensure;

use self::kill::Kill;
use self::load::{Load, Mix};
pub(super) use self::options::Options;
use self::report::{Compared, Floor, Report};
use self::site::{SERVERS, Site};
use self::throughput::{SETUPS, Stock};
use super::{binary, process};

/// The name the upstream is reached by.
const HOST: &str = "plain.test";
/// How long what the engine itself commits is measured.
const FLOOR_SECONDS: u32 = 2;

/// Measures, tells, and fails where a bar is missed.
pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    let binary = binary::to_measure(options.binary.as_deref())?;
    let mut site = Site::lay(&binary, options)?;
    let mut report = Report {
        machine: process::machine(),
        database: site.database.version()?,
        options: options.to_string(),
        floor: Floor::default(),
        compared: Vec::new(),
        sizes: throughput::Sizes::default(),
        kills: Vec::new(),
        killed: Vec::new(),
        stopped: Vec::new(),
        dismissal: None,
    };
    throughput(&site, options, &mut report)?;
    if options.kills > 0 {
        kills(&site, options, &mut report)?;
    }
    if options.losses > 0 {
        losses(&mut site, options, &mut report)?;
    }
    site.verify()?;
    report::print(&report, options.is_json)?;
    let missed = report.missed();
    ensure!(!options.has_bars || missed.is_empty(), "missed: {}", missed.join("; "));
    Ok(())
}

fn throughput(site: &Site, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let rest = throughput::rest(site)?;
    report.floor = Floor {
        one: site.database.commits_per_second(1, FLOOR_SECONDS)?,
        sixteen: site.database.commits_per_second(16, FLOOR_SECONDS)?,
    };
    let span = Duration::from_secs(options.seconds);
    let all: Vec<_> = [Mix::Reads, Mix::Writes]
        .into_iter()
        .flat_map(|mix| SETUPS.map(|setup| (mix, setup)))
        .collect();
    report.compared = all
        .iter()
        .map(|(mix, setup)| Compared { mix: *mix, setup: *setup, spans: Vec::new() })
        .collect();
    let stock = Stock::take(site, rest)?;
    for round in 0..options.rounds {
        let mut order: Vec<_> = report.compared.iter_mut().collect();
        if !round.is_multiple_of(2) {
            order.reverse();
        }
        for compared in order {
            let measured = throughput::measure(site, compared.setup, compared.mix, span)?;
            compared.spans.push(measured);
        }
        eprintln!("round {} of {}, load {}", round + 1, options.rounds, process::load());
    }
    report.sizes = stock.sizes(site)?;
    Ok(())
}

// First all without a load, then all under it.
fn kills(site: &Site, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let idle = options.kills / 2;
    for number in 0..idle {
        report.kills.push(Kill::watch(site, number, false)?);
    }
    let load = Load::start(site, &site.postgres, SERVERS, Mix::Both);
    for number in idle..options.kills {
        report.kills.push(Kill::watch(site, number, true)?);
    }
    load.end()?;
    eprintln!("{} kills, load {}", options.kills, process::load());
    Ok(())
}

fn losses(site: &mut Site, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    for _ in 0..options.losses {
        report.killed.push(takeover::kill(site)?);
        report.stopped.push(takeover::pause(site)?);
        takeover::require_all(site)?;
    }
    report.dismissal = Some(takeover::dismiss(site)?);
    eprintln!("{} servers lost, load {}", 2 * options.losses, process::load());
    takeover::require_all(site)
}
