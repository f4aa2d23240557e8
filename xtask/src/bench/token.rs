//! `cargo xtask bench token`: tokens issued, exchanged, looked up and revoked by Marque, beside the
//! npm package `oidc-provider`.
//!
//! Each server has one core and the load has the other. Both speak HTTP/1.1 in TLS on connections
//! that stay open. Every request is signed before its span begins, and is made once. Rounds are
//! interleaved, and every second one runs backwards.

mod ask;
mod bars;
mod flow;
mod ground;
mod growth;
mod honest;
mod marque;
mod oidc_provider;
mod options;
mod prepare;
mod report;
mod side;
mod start;
mod throughput;

use anyhow::ensure;

use self::marque::Marque;
use self::oidc_provider::OidcProvider;
pub(super) use self::options::Options;
use self::prepare::Keys;
use self::report::Report;
use super::cores::Cores;
use super::places::Places;
use super::{binary, papers, process};

/// Measures, tells, and fails where a bar is missed.
pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    let report = if options.is_growth { growth::measure(options) } else { serve(options) }?;
    report.print(options.is_json)?;
    let missed = report.missed();
    ensure!(!options.has_bars || missed.is_empty(), "missed: {}", missed.join("; "));
    Ok(())
}

// Both servers, side by side.
fn serve(options: &Options) -> anyhow::Result<Report> {
    let binary = binary::to_measure(options.binary.as_deref())?;
    let cores = Cores::take()?;
    let places = Places::make(&binary, &[])?;
    papers::write(&places)?;
    let keys = Keys::make(&places)?;
    let machine = process::machine();
    let marque = Marque::set_up(&places, &keys, cores)?;
    let mut all = vec![start::measure(&keys, options.rounds, || marque.start())?];
    if !options.is_alone {
        let peer = OidcProvider::install(&places, &keys, cores)?;
        all.push(start::measure(&keys, options.rounds, || peer.start())?);
    }
    let (sides, starts): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    sides.iter().try_for_each(|side| honest::require(side, &keys))?;
    let (all, grounds) = throughput::measure(&sides, (&places, &keys), options)?;
    let mut tables = report::throughput(&all);
    tables.extend([report::grounds(&grounds), report::starts(&starts, &all)]);
    Ok(Report {
        machine,
        options: options.to_string(),
        sides: sides.iter().map(|side| side.about.clone()).collect(),
        tables,
        bars: bars::all(&all, (&grounds, &starts)),
    })
}
