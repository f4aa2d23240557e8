//! Programs of others that a benchmark starts: each a process of its own that listens on loopback.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::clock::eventually;
use super::http::dial;
use super::places::{Held, Places};

/// How long one may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);
/// Where system programs lie, which `PATH` may leave out.
const PROGRAMS: [&str; 4] = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];

/// A running program and where it listens.
pub(super) struct Running {
    pub(super) held: Held,
    pub(super) address: SocketAddr,
}

/// Where that program is, if it is anywhere.
pub(super) fn installed(program: &str) -> Option<PathBuf> {
    PROGRAMS.iter().map(|folder| Path::new(folder).join(program)).find(|path| path.exists())
}

/// Starts a program and waits until it listens. What it says is in `FOLDER/said`.
pub(super) fn start(
    places: &Places,
    mut command: Command,
    (folder, address): (&str, SocketAddr),
) -> anyhow::Result<Running> {
    let said = places.at(folder).join("said");
    let out = fs::File::create(&said)?;
    command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
    let mut held = Held(command.spawn().with_context(|| format!("`{folder}` cannot be run"))?);
    let listens = eventually(PATIENCE, || {
        let is_over = held.0.try_wait()?.is_some();
        let why = || fs::read_to_string(&said).unwrap_or_default();
        ensure!(!is_over, "`{folder}` ended: {}", why());
        Ok(dial(address).is_ok().then_some(()))
    })?;
    listens.with_context(|| format!("`{folder}` does not listen"))?;
    Ok(Running { held, address })
}
