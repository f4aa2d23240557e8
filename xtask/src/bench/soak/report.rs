//! What was seen, minute by minute, and whether anything grew.

use std::io::{Write as _, stdout};

use serde_json::{Value, json};

use super::flows::Flow;
use super::people::People;
use super::watch::{Seen, Verified};
use crate::bench::figures::{median, real};

/// How much more there may be in the last quarter than in the second: the first one fills caches.
const MEMORY_GROWS: f64 = 1.10;
const LATENCY_GROWS: f64 = 1.25;
/// Descriptors come and go with connections.
const DESCRIPTORS_MORE: f64 = 8.0;

/// What flowed at the same time.
pub(super) struct Flows {
    /// Without Marque.
    pub(super) direct: Flow,
    pub(super) plain: Flow,
    pub(super) tls: Flow,
    /// New connections in TLS.
    pub(super) opened: Flow,
    pub(super) bodies: Flow,
}

impl Flows {
    fn all(&self) -> [&Flow; 5] {
        [&self.direct, &self.plain, &self.tls, &self.opened, &self.bodies]
    }

    fn through_marque(&self) -> u64 {
        self.all().iter().skip(1).map(|flow| flow.answered).sum()
    }
}

/// A minute.
pub(super) struct Lap {
    pub(super) minute: u32,
    pub(super) flows: Flows,
    pub(super) people: People,
    pub(super) seen: Seen,
}

impl Lap {
    /// As a line of the raw results.
    pub(super) fn json(&self) -> Value {
        let flow = |flow: &Flow| {
            json!({
                "name": flow.name, "answered": flow.answered, "failed": flow.failed,
                "last_failure": flow.last_failure, "p50_ms": flow.p50, "p99_ms": flow.p99,
            })
        };
        let Seen { resident_kib, own_kib, descriptors, threads, disk_bytes, cpu_seconds } =
            &self.seen;
        let People { killed, after_death, slowest_kill } = &self.people;
        json!({
            "minute": self.minute, "flows": self.flows.all().map(flow),
            "killed": killed, "calls_after_death": after_death, "slowest_kill_ms": slowest_kill,
            "resident_kib": resident_kib, "own_kib": own_kib, "descriptors": descriptors,
            "threads": threads, "disk_bytes": disk_bytes, "cpu_seconds": cpu_seconds,
        })
    }

    /// For whoever waits.
    pub(super) fn line(&self) -> String {
        let Flows { direct, plain, tls, .. } = &self.flows;
        format!(
            "{:>4} min  {:.1} MiB ({:.1} own)  {} descriptors  p50/p99 ms: direct {:.2}/{:.1}, \
             plain {:.2}/{:.1}, TLS {:.2}/{:.1}  {} failed",
            self.minute,
            mib(self.seen.resident_kib),
            mib(self.seen.own_kib),
            self.seen.descriptors,
            direct.p50,
            direct.p99,
            plain.p50,
            plain.p99,
            tls.p50,
            tls.p99,
            self.failed(),
        )
    }

    fn failed(&self) -> u64 {
        self.flows.all().iter().map(|flow| flow.failed).sum()
    }
}

/// All of them.
pub(super) struct Report {
    machine: String,
    laps: Vec<Lap>,
    verified: Verified,
}

/// One thing that must not grow: what it was in the second quarter, and in the last.
struct Trend {
    what: &'static str,
    early: f64,
    late: f64,
    limit: f64,
}

impl Report {
    pub(super) fn of(machine: String, laps: Vec<Lap>, verified: Verified) -> Self {
        Self { machine, laps, verified }
    }

    /// What grew or broke.
    pub(super) fn missed(&self) -> Vec<String> {
        let mut missed = Vec::new();
        for Trend { what, early, late, limit } in self.trends() {
            if late.is_nan() || late > limit {
                missed.push(format!("{what}: {early:.2} became {late:.2}, {limit:.2} at most"));
            }
        }
        let sum = |of: fn(&Lap) -> u64| self.laps.iter().map(of).sum::<u64>();
        let (failed, dead) = (sum(Lap::failed), sum(|lap| lap.people.after_death));
        if failed > 0 {
            missed.push(format!("{failed} calls failed"));
        }
        if dead > 0 {
            missed.push(format!("{dead} calls of killed runs went through"));
        }
        if !self.verified.holds {
            missed.push("the log does not verify".to_owned());
        }
        // An intent and an outcome for each call.
        let due = 2 * self.calls();
        if self.verified.entries < due {
            missed.push(format!("{} entries, {due} at least", self.verified.entries));
        }
        missed
    }

    /// Calls through Marque that were answered.
    fn calls(&self) -> u64 {
        self.laps.iter().map(|lap| lap.flows.through_marque() + lap.people.killed).sum()
    }

    fn trends(&self) -> Vec<Trend> {
        let quarter = self.laps.len() / 4;
        let second = self.laps.get(quarter..2 * quarter).unwrap_or_default();
        let last = self.laps.get(self.laps.len() - quarter..).unwrap_or_default();
        let trend = |what, of: fn(&Lap) -> f64, limit: fn(f64) -> f64| {
            let of = |laps: &[Lap]| median(laps.iter().map(of).collect());
            let (early, late) = (of(second), of(last));
            Trend { what, early, late, limit: limit(early) }
        };
        let (memory, few) = (|early| early * MEMORY_GROWS, |early| early + DESCRIPTORS_MORE);
        let latency = |early| early * LATENCY_GROWS;
        vec![
            trend("MiB, resident", |lap| mib(lap.seen.resident_kib), memory),
            trend("MiB, its own", |lap| mib(lap.seen.own_kib), memory),
            trend("descriptors", |lap| real(lap.seen.descriptors), few),
            trend("threads", |lap| real(lap.seen.threads), few),
            trend("plain, p50 to direct", |lap| ratio(&lap.flows.plain, lap), latency),
            trend("TLS, p50 to direct", |lap| ratio(&lap.flows.tls, lap), latency),
            trend("new in TLS, p50 ms", |lap| lap.flows.opened.p50, latency),
            trend("16 MiB up, p50 ms", |lap| lap.flows.bodies.p50, latency),
        ]
    }

    pub(super) fn json(&self) -> Value {
        let trend = |trend: Trend| {
            json!({
                "what": trend.what, "second_quarter": trend.early, "last_quarter": trend.late,
                "limit": trend.limit,
            })
        };
        json!({
            "machine": self.machine, "minutes": self.laps.len(), "calls": self.calls(),
            "trends": self.trends().into_iter().map(trend).collect::<Vec<_>>(),
            "log_verifies": self.verified.holds, "entries": self.verified.entries,
            "missed": self.missed(),
        })
    }

    pub(super) fn print(&self, is_json: bool) -> anyhow::Result<()> {
        let mut out = stdout().lock();
        if is_json {
            writeln!(out, "{:#}", self.json())?;
            return Ok(());
        }
        let minutes = self.laps.len();
        writeln!(
            out,
            "{minutes} minutes, {} calls through Marque; {}",
            self.calls(),
            self.machine
        )?;
        writeln!(out, "\n{:36}{:>12}{:>12}{:>12}", "medians", "2nd quarter", "last", "at most")?;
        for Trend { what, early, late, limit } in self.trends() {
            writeln!(out, "{what:36}{early:>12.2}{late:>12.2}{limit:>12.2}")?;
        }
        let holds = if self.verified.holds { "verifies" } else { "does not verify" };
        writeln!(out, "\nthe log {holds}: {} entries", self.verified.entries)?;
        self.missed().iter().try_for_each(|missed| writeln!(out, "missed: {missed}"))?;
        Ok(())
    }
}

fn ratio(flow: &Flow, lap: &Lap) -> f64 {
    flow.p50 / lap.flows.direct.p50
}

fn mib(kib: u64) -> f64 {
    real(kib) / 1024.0
}
