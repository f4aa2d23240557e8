//! What the server has and what its log says, seen from outside.

use std::fs;

use anyhow::Context as _;
use serde_json::Value;

use crate::bench::gateway::Site;

/// A server at the end of a lap.
pub(super) struct Seen {
    pub(super) resident_kib: u64,
    /// Of it what is its own and no file's.
    pub(super) own_kib: u64,
    pub(super) descriptors: u64,
    pub(super) threads: u64,
    /// Of the data directory.
    pub(super) disk_bytes: u64,
    pub(super) cpu_seconds: f64,
}

/// What `marque log verify` says in the end.
pub(super) struct Verified {
    pub(super) holds: bool,
    pub(super) entries: u64,
}

pub(super) fn look(site: &Site) -> anyhow::Result<Seen> {
    let server = site.server();
    Ok(Seen {
        resident_kib: server.resident_kib()?,
        own_kib: server.status("RssAnon:")?,
        descriptors: fs::read_dir(format!("/proc/{}/fd", server.0))?.count() as u64,
        threads: server.status("Threads:")?,
        disk_bytes: site.disk_bytes()?,
        cpu_seconds: server.cpu_seconds()?,
    })
}

pub(super) fn verify(site: &Site) -> anyhow::Result<Verified> {
    let said = site.told(&["log", "verify", "--json"])?;
    let said: Value = serde_json::from_str(&said).context("`marque log verify --json`")?;
    let holds = said.get("ok").and_then(Value::as_bool).context("`ok` of the log")?;
    let entries = said.get("size").and_then(Value::as_u64).context("`size` of the log")?;
    Ok(Verified { holds, entries })
}
