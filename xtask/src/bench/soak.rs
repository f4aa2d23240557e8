//! `cargo xtask bench soak`: one server under mixed load for an hour, looked at every minute.
//!
//! Nothing may grow: memory, descriptors, threads, latency beside the same calls without Marque.
//! Nothing may fail, nothing a human killed may act, and in the end the log must verify and have
//! every call. Every minute is a line of JSON in a file of its own, kept for whoever doubts.

mod flows;
mod options;
mod people;
mod report;
mod watch;

use std::fs::{self, File};
use std::io::{Write as _, stderr};
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

pub(super) use self::options::Options;
use self::report::{Flows, Lap, Report};
use super::gateway::{Site, Target};
use super::{binary, process};

/// What flows for so long is one line of the results.
const LAP: Duration = Duration::from_secs(60);

/// Measures, tells, and fails where something grew or broke.
pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    let binary = binary::to_measure(options.binary.as_deref())?;
    let site = Site::lay(&binary)?;
    let [direct, plain] = site.plain();
    let [_, tls] = site.tls()?;
    let mut raw = raw(&options.raw)?;
    let mut laps = Vec::new();
    for minute in 1..=options.minutes {
        let lap = lap(&site, [&direct, &plain, &tls], minute)?;
        let line = lap.json();
        writeln!(raw, "{line}")?;
        if !options.is_json {
            writeln!(stderr(), "{}", lap.line())?;
        }
        laps.push(lap);
    }
    let verified = watch::verify(&site)?;
    let report = Report::of(process::machine(), laps, verified);
    writeln!(raw, "{}", report.json())?;
    report.print(options.is_json)?;
    let missed = report.missed();
    ensure!(!options.has_bars || missed.is_empty(), "missed: {}", missed.join("; "));
    Ok(())
}

/// Everything at once for a minute.
fn lap(site: &Site, [direct, plain, tls]: [&Target; 3], minute: u32) -> anyhow::Result<Lap> {
    let (flows, people) = thread::scope(|scope| {
        let flows = [
            scope.spawn(|| flows::calls(direct, flows::DIRECT, LAP)),
            scope.spawn(|| flows::calls(plain, flows::PLAIN, LAP)),
            scope.spawn(|| flows::calls(tls, flows::TLS, LAP)),
        ];
        let opened = scope.spawn(|| flows::new_connections(tls, LAP));
        let bodies = scope.spawn(|| flows::bodies(plain, LAP));
        let people = people::at_work(site, plain, LAP)?;
        let [direct, plain, tls] = flows.map(joined);
        let (direct, plain, tls) = (direct?, plain?, tls?);
        let flows = Flows { direct, plain, tls, opened: joined(opened)?, bodies: joined(bodies)? };
        anyhow::Ok((flows, people))
    })?;
    Ok(Lap { minute, flows, people, seen: watch::look(site)? })
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, anyhow::Result<T>>) -> anyhow::Result<T> {
    match thread.join() {
        Ok(done) => done,
        Err(_) => bail!("a part of the load panicked"),
    }
}

fn raw(path: &Path) -> anyhow::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    File::create(path).with_context(|| format!("cannot write `{}`", path.display()))
}
