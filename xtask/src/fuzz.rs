//! `cargo xtask fuzz`: the targets of `fuzz/` under libFuzzer, one after the other.
//!
//! Needs a nightly compiler and cargo-fuzz; what CI runs instead, the tests of `fuzzkit`, needs
//! neither. Inputs that reach new code are kept under `fuzz/target`, never in the kept corpus.

mod options;
mod outcome;

use std::fs;
use std::io::{Write as _, stdout};
use std::path::Path;
use std::process::{Command as Process, Stdio};

use anyhow::{Context as _, bail, ensure};
use toml::{Table, Value};

use crate::Command;
use options::Options;
use outcome::Outcome;

pub(crate) const COMMAND: Command =
    Command { name: "fuzz", about: "run the fuzz targets for a while each", run };

const MANIFEST: &str = "fuzz/Cargo.toml";
/// Longest input: what parsers keep of a line or a frame is reached within it.
const INPUT_MAX_BYTES: u32 = 4_096;
/// After so long one input hangs.
const HANG_SECS: u32 = 20;

fn run(args: &[String]) -> anyhow::Result<()> {
    let options = Options::parse(args)?;
    let known = targets()?;
    let mut out = stdout().lock();
    if options.is_list {
        known.iter().try_for_each(|name| writeln!(out, "{name}"))?;
        return Ok(());
    }
    let chosen: Vec<&String> = match &options.target {
        Some(name) => {
            let found = known.iter().find(|known| *known == name);
            vec![found.with_context(|| format!("no target `{name}`; there are {known:?}"))?]
        }
        None => known.iter().collect(),
    };
    writeln!(out, "{}", Outcome::HEADINGS)?;
    let mut crashes = Vec::new();
    for name in chosen {
        let outcome = fuzz(name, options.seconds)?;
        writeln!(out, "{name:<10}{outcome}")?;
        crashes.extend(outcome.crash.map(|place| format!("{name}: {place}")));
    }
    match crashes.len() {
        0 => Ok(()),
        _ => bail!("a promise was broken; the inputs are\n{}", crashes.join("\n")),
    }
}

/// The binaries of the fuzz crate, by name.
fn targets() -> anyhow::Result<Vec<String>> {
    let text = fs::read_to_string(MANIFEST)
        .with_context(|| format!("cannot read `{MANIFEST}`: run this at the root"))?;
    let manifest: Table = text.parse().context("the manifest of the fuzz crate does not parse")?;
    let binaries = manifest.get("bin").and_then(Value::as_array).into_iter().flatten();
    let names = binaries.filter_map(|binary| binary.get("name")?.as_str().map(str::to_owned));
    let mut names: Vec<String> = names.collect();
    names.sort();
    ensure!(!names.is_empty(), "`{MANIFEST}` lists no target");
    Ok(names)
}

fn fuzz(name: &str, seconds: u32) -> anyhow::Result<Outcome> {
    let found = format!("fuzz/target/found/{name}");
    fs::create_dir_all(&found).with_context(|| format!("cannot make `{found}`"))?;
    let kept = format!("fuzz/corpus/{name}");
    let mut fuzzer = Process::new("rustup");
    fuzzer.args(["run", "nightly", "cargo", "fuzz", "run", name, &found, &kept, "--"]);
    fuzzer.arg(format!("-max_total_time={seconds}"));
    fuzzer.args([format!("-max_len={INPUT_MAX_BYTES}"), format!("-timeout={HANG_SECS}")]);
    fuzzer.arg("-print_final_stats=1");
    // SQLite defines the same name in several of the files that it is made of.
    fuzzer.env("ASAN_OPTIONS", "detect_odr_violation=0");
    let dictionary = format!("fuzz/dictionaries/{name}.dict");
    if Path::new(&dictionary).exists() {
        fuzzer.arg(format!("-dict={dictionary}"));
    }
    let ran = fuzzer.stdin(Stdio::null()).output().context(
        "cannot run rustup; fuzzing needs it, `rustup toolchain install nightly` and \
         `cargo install cargo-fuzz`",
    )?;
    let told = String::from_utf8_lossy(&ran.stderr);
    match Outcome::read(&told) {
        Some(outcome) if ran.status.success() || outcome.crash.is_some() => Ok(outcome),
        _ => bail!("`{name}` did not run: {}", outcome::last_lines(&told)),
    }
}
