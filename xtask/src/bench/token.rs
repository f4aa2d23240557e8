//! `cargo xtask bench token`: tokens issued, looked up and revoked, beside the npm package
//! `oidc-provider`.
//!
//! Each server has one core and the load has the other. Both speak HTTP/1.1 in TLS on connections
//! that stay open. Every request is signed before its span begins, and is made once. Rounds are
//! interleaved, and every second one runs backwards.

mod ask;
mod bars;
mod flow;
mod honest;
mod oidc_provider;
mod options;
mod prepare;
mod report;
mod side;
mod start;
mod throughput;

use anyhow::{Context as _, ensure};

use self::oidc_provider::OidcProvider;
pub(super) use self::options::Options;
use self::prepare::Keys;
use self::report::Report;
use super::cores::Cores;
use super::places::Places;
use super::{papers, process};

/// Why nothing of Marque is measured, and so no bar judged.
const NO_MARQUE: &str = "Marque is not measured: this bench does not start it yet";

/// Measures, tells, and fails where a bar is missed or cannot be judged.
pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    let cores = Cores::take()?;
    let itself = std::env::current_exe().context("the path of this program")?;
    let places = Places::make(&itself, &[])?;
    papers::write(&places)?;
    let keys = Keys::make(&places)?;
    let machine = process::machine();
    let peer = OidcProvider::install(&places, &keys, cores)?;
    let (peer, started) = start::measure(&keys, options.rounds, || peer.start())?;
    let sides = [peer];
    sides.iter().try_for_each(|side| honest::require(side, &keys))?;
    let all = throughput::measure(&sides, &keys, options)?;
    let mut tables = report::throughput(&all);
    tables.push(report::starts(&[started], &all));
    let report = Report {
        machine,
        options: options.to_string(),
        sides: sides.iter().map(|side| side.about.clone()).collect(),
        absent: vec![NO_MARQUE],
        tables,
        bars: bars::all(&all),
    };
    report.print(options.is_json)?;
    let missed = report.missed();
    ensure!(!options.has_bars || missed.is_empty(), "missed: {}", missed.join("; "));
    Ok(())
}
