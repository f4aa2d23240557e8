//! Which binary is measured.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

/// The one that was named, or the release binary, built first.
pub(super) fn to_measure(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    let binary = named.map_or_else(build, |named| Ok(named.to_owned()))?;
    binary.canonicalize().with_context(|| format!("the binary `{}`", binary.display()))
}

/// Builds it; where it is.
fn build() -> anyhow::Result<PathBuf> {
    let output = Command::new("cargo")
        .args(["build", "--release", "--locked", "--package", "marque"])
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "the release binary does not build");
    let lines = String::from_utf8(output.stdout)?;
    let mut executables = lines.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message.get("executable")?.as_str()?))
    });
    executables.next_back().context("cargo names no executable")
}
