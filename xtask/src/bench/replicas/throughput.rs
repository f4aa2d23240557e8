//! How much is decided and recorded in a second, by how many servers on which store, and what a
//! call costs.

use std::thread::sleep;
use std::time::Duration;

use super::load::{Load, Mix, Sample};
use super::site::{Plane, SERVERS, Site};
use crate::bench::figures::{permille, real};
use crate::bench::process::Watched;

/// Before it is measured.
const WARM_UP: Duration = Duration::from_millis(700);

/// So many servers on one of the stores.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Setup {
    pub(super) is_postgres: bool,
    pub(super) servers: usize,
}

/// What is compared, first the one the others are compared with.
pub(super) const SETUPS: [Setup; SERVERS + 1] = [
    Setup { is_postgres: false, servers: 1 },
    Setup { is_postgres: true, servers: 1 },
    Setup { is_postgres: true, servers: 2 },
    Setup { is_postgres: true, servers: 3 },
];

/// What was measured of one setup in one round.
pub(super) struct Span {
    pub(super) seconds: f64,
    /// Answered calls.
    pub(super) calls: f64,
    /// Others.
    pub(super) failed: f64,
    pub(super) entries: f64,
    /// Batches that were committed; not a number where nobody is told of them.
    pub(super) batches: f64,
    pub(super) half_ms: f64,
    pub(super) most_ms: f64,
    /// CPU seconds of all servers, of the database, and of the load with its upstream.
    pub(super) servers_cpu: f64,
    pub(super) database_cpu: f64,
    pub(super) load_cpu: f64,
}

/// How long servers are watched doing nothing.
const REST: Duration = Duration::from_secs(2);

/// What an entry and a server take, over all rounds.
#[derive(Default)]
pub(super) struct Sizes {
    pub(super) sqlite_bytes_per_entry: f64,
    pub(super) postgres_bytes_per_entry: f64,
    /// PostgreSQL's write-ahead log.
    pub(super) wal_bytes_per_entry: f64,
    /// What the feed keeps of each batch.
    pub(super) feed_bytes_per_batch: f64,
    pub(super) connections_per_server: f64,
    /// Parts of a core that one server of three, and the database, use while nobody calls.
    pub(super) rest_cpu: [f64; 2],
    pub(super) sqlite_rest_kib: u64,
    pub(super) postgres_rest_kib: u64,
    pub(super) sqlite_loaded_kib: u64,
    pub(super) postgres_loaded_kib: u64,
}

/// A setup and what its servers do, measured for so long.
pub(super) fn measure(site: &Site, setup: Setup, mix: Mix, span: Duration) -> anyhow::Result<Span> {
    let plane = plane(site, setup);
    let load = Load::start(site, plane, setup.servers, mix);
    sleep(WARM_UP);
    let before = Mark::take(site, setup)?;
    sleep(span);
    let after = Mark::take(site, setup)?;
    let samples = load.end()?;
    let within = |sample: &&Sample| (before.at..after.at).contains(&sample.at);
    let (answered, failed): (Vec<_>, Vec<_>) =
        samples.iter().filter(within).partition(|sample| sample.is_answered());
    let millis = |sample: &&Sample| sample.took.as_secs_f64() * 1e3;
    let mut took: Vec<f64> = answered.iter().map(millis).collect();
    Ok(Span {
        seconds: after.at.saturating_sub(before.at).as_secs_f64(),
        calls: real(answered.len() as u64),
        failed: real(failed.len() as u64),
        entries: real(after.entries - before.entries),
        batches: after.batches - before.batches,
        half_ms: permille(&mut took, 500),
        most_ms: permille(&mut took, 990),
        servers_cpu: after.servers_cpu - before.servers_cpu,
        database_cpu: after.database_cpu - before.database_cpu,
        load_cpu: after.load_cpu - before.load_cpu,
    })
}

fn plane(site: &Site, setup: Setup) -> &Plane {
    if setup.is_postgres { &site.postgres } else { &site.sqlite }
}

/// How everything stood at one moment.
struct Mark {
    at: Duration,
    entries: u64,
    batches: f64,
    servers_cpu: f64,
    database_cpu: f64,
    load_cpu: f64,
}

impl Mark {
    fn take(site: &Site, setup: Setup) -> anyhow::Result<Self> {
        let plane = plane(site, setup);
        let batches = if setup.is_postgres { real(batches(site)?) } else { f64::NAN };
        Ok(Self {
            batches,
            at: site.clock.now(),
            entries: plane.entries(&site.places)?,
            servers_cpu: plane.cpu_seconds()?,
            database_cpu: site.database.process()?.family_cpu_seconds()?,
            load_cpu: Watched(std::process::id()).cpu_seconds()?,
        })
    }
}

/// Batches that were told to other servers so far.
fn batches(site: &Site) -> anyhow::Result<u64> {
    site.database.count("SELECT coalesce(max(seq), 0) FROM feed")
}

/// How large everything was before the rounds.
pub(super) struct Stock {
    entries: [u64; 2],
    sqlite_bytes: u64,
    postgres_bytes: u64,
    wal_bytes: u64,
    rest_kib: [u64; 2],
    rest_cpu: [f64; 2],
}

/// Parts of a core that one server of three, and the database, use while nobody calls.
pub(super) fn rest(site: &Site) -> anyhow::Result<[f64; 2]> {
    let used = || -> anyhow::Result<[f64; 2]> {
        let servers = site.postgres.cpu_seconds()? / real(SERVERS as u64);
        Ok([servers, site.database.process()?.family_cpu_seconds()?])
    };
    let before = used()?;
    sleep(REST);
    let [servers, database] = used()?;
    let [servers_before, database_before] = before;
    let part = |now: f64, then: f64| (now - then) / REST.as_secs_f64();
    Ok([part(servers, servers_before), part(database, database_before)])
}

impl Stock {
    /// With what was used [at rest](rest), before anything was asked of the database.
    pub(super) fn take(site: &Site, rest_cpu: [f64; 2]) -> anyhow::Result<Self> {
        Ok(Self {
            rest_cpu,
            entries: [site.sqlite.entries(&site.places)?, site.postgres.entries(&site.places)?],
            sqlite_bytes: site.sqlite_bytes()?,
            // What is trimmed after ten minutes is told apart.
            postgres_bytes: site.database.count(
                "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class \
                 WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace \
                 AND relname <> 'feed'",
            )?,
            wal_bytes: site
                .database
                .count("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint")?,
            rest_kib: [site.sqlite.resident_kib()?, site.postgres.resident_kib()?],
        })
    }

    /// What there is more now, by the entry.
    pub(super) fn sizes(&self, site: &Site) -> anyhow::Result<Sizes> {
        let now = Self::take(site, self.rest_cpu)?;
        let [sqlite, postgres] = [0, 1].map(|at| grown(now.entries.get(at), self.entries.get(at)));
        let sessions = site
            .database
            .count("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'marque'")?;
        let feed = site
            .database
            .count("SELECT pg_total_relation_size('feed') / greatest(count(*), 1) FROM feed")?;
        let part = |now: u64, then: u64, of: f64| real(now.saturating_sub(then) / 64) * 64.0 / of;
        let [sqlite_rest_kib, postgres_rest_kib] = self.rest_kib;
        let [sqlite_loaded_kib, postgres_loaded_kib] = now.rest_kib;
        Ok(Sizes {
            sqlite_bytes_per_entry: part(now.sqlite_bytes, self.sqlite_bytes, sqlite),
            postgres_bytes_per_entry: part(now.postgres_bytes, self.postgres_bytes, postgres),
            wal_bytes_per_entry: part(now.wal_bytes, self.wal_bytes, postgres),
            feed_bytes_per_batch: real(feed),
            connections_per_server: real(sessions) / real(SERVERS as u64),
            rest_cpu: self.rest_cpu,
            sqlite_rest_kib,
            postgres_rest_kib,
            sqlite_loaded_kib,
            postgres_loaded_kib,
        })
    }
}

fn grown(now: Option<&u64>, then: Option<&u64>) -> f64 {
    now.zip(then).map_or(f64::NAN, |(now, then)| real(now.saturating_sub(*then)))
}
