//! A slower way to the git host: its traffic passes a link of a given rate, everything else does
//! not.
//!
//! The benchmark runs in a network namespace of its own, so that the machine's own loopback stays
//! as it is. Needs root, or a kernel that lets everybody make namespaces, and tc with HTB and u32.

use std::process::Command;

use anyhow::{Context as _, ensure};

/// Says to the benchmark that it runs in the namespace already.
const INSIDE: &str = "MARQUE_BENCH_INSIDE";

/// Whether this process is in the namespace.
#[expect(clippy::disallowed_methods, reason = "it says to itself that it is inside")]
pub(super) fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs the same program with the same words in a new namespace, to its end.
pub(super) fn enter() -> anyhow::Result<()> {
    let itself = std::env::current_exe().context("the path of this program")?;
    let mut inside = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        inside.args(["--user", "--map-root-user"]);
    }
    inside.arg("--net").arg(itself).args(std::env::args_os().skip(1)).env(INSIDE, "yes");
    let status = inside.status().context("`unshare` cannot be run")?;
    ensure!(status.success(), "the benchmark in a namespace of its own failed");
    Ok(())
}

/// Brings the namespace's loopback up.
pub(super) fn lay() -> anyhow::Result<()> {
    told("ip", "link set lo up")
}

/// Sends what goes to or from a port through a link of that rate. The other bytes of loopback pass
/// as fast as they come.
pub(super) fn shape(port: &str, megabits: usize) -> anyhow::Result<()> {
    told("tc", "qdisc add dev lo root handle 1: htb")?;
    for (class, side) in [(10, "sport"), (20, "dport")] {
        let rate = format!("rate {megabits}mbit burst 256k cburst 256k quantum 60000");
        told("tc", &format!("class add dev lo parent 1: classid 1:{class} htb {rate}"))?;
        let filter = "filter add dev lo parent 1: protocol ip u32 match ip";
        told("tc", &format!("{filter} {side} {port} 0xffff flowid 1:{class}"))?;
    }
    Ok(())
}

fn told(program: &str, words: &str) -> anyhow::Result<()> {
    let output = Command::new(program).args(words.split(' ')).output();
    let output = output.with_context(|| format!("`{program}` cannot be run"))?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{program} {words}` failed: {error}");
    Ok(())
}
