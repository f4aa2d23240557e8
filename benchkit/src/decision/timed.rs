//! How long decisions take, and how much memory open runs hold.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::json;
use tempfile::TempDir;

use super::cedar::Floor;
use super::scene::{RUNS, Scene, policies};
use super::{CASES, Case, crowd};
use crate::clock::{computed, moment};
use crate::figures::{Sorted, micros, real};
use crate::ground::{self, Alice};
use crate::lines::{Words, tell};

/// Runs opened before their memory is measured, so that caches have their size.
const RUNS_BEFORE: usize = 2_000;
/// Runs whose memory is measured.
const RUNS_MEASURED: usize = 6_000;

/// `decision --rounds N --decisions N`: one line for each case in each round, one for the floor in
/// each round, and one for the memory of open runs.
pub async fn time(words: &Words) -> anyhow::Result<()> {
    let (rounds, decisions) = (words.number("--rounds", 5)?, words.number("--decisions", 20_000)?);
    let directory = tempfile::Builder::new().prefix("marque-bench-").tempdir()?;
    memory_of_runs(directory.path()).await?;
    let mut scenes = Vec::new();
    for (number, case) in CASES.into_iter().enumerate() {
        let database = database_of(&directory, case, number).await?;
        let begun = moment();
        let scene = Scene::lay(case, &database, policies(case)?).await?;
        let took = moment().saturating_sub(begun).as_secs_f64();
        eprintln!("{} agents, {} policies: ready in {took:.1} s", case.agents, case.policies);
        scenes.push(scene);
    }
    let floor = Floor::lay()?;
    for round in 0..rounds {
        let turns: Box<dyn Iterator<Item = &Scene>> =
            if round % 2 == 0 { Box::new(scenes.iter()) } else { Box::new(scenes.iter().rev()) };
        for scene in turns {
            let once = decisions.min(if scene.case.is_scoped { decisions } else { 1_000 });
            let mut asks = scene.questions();
            let mut ask = || asks.next().is_some_and(|ask| scene.answers(ask));
            let Taken { spans, cpu } = take(&mut ask, once)?;
            let Case { agents, policies, is_scoped } = scene.case;
            tell(&json!({
                "what": "decision", "round": round, "agents": agents, "policies": policies,
                "is_scoped": is_scoped, "p50_us": spans.permille(500),
                "p99_us": spans.permille(990), "cpu_us": micros(cpu) / real(once),
            }))?;
        }
        let Taken { spans, cpu } = take(&mut || floor.allows(), decisions)?;
        tell(&json!({
            "what": "cedar", "round": round, "p50_us": spans.permille(500),
            "p99_us": spans.permille(990), "cpu_us": micros(cpu) / real(decisions),
        }))?;
    }
    Ok(())
}

struct Taken {
    spans: Sorted,
    cpu: Duration,
}

/// Asks so often, after it was asked once by every run.
fn take(ask: &mut dyn FnMut() -> bool, times: usize) -> anyhow::Result<Taken> {
    for _ in 0..RUNS.min(times) {
        ensure!(ask(), "an answer changed");
    }
    let mut spans = Vec::with_capacity(times);
    let mut passed = true;
    let before = computed();
    for _ in 0..times {
        let begun = moment();
        passed &= ask();
        spans.push(moment().saturating_sub(begun));
    }
    let cpu = computed().saturating_sub(before);
    ensure!(passed, "an answer changed");
    Ok(Taken { spans: Sorted::of(spans), cpu })
}

/// A file with the case's agents that is the case's own; made once for each number of agents, and
/// copied.
pub(super) async fn database_of(
    directory: &TempDir,
    case: Case,
    number: usize,
) -> anyhow::Result<PathBuf> {
    let original = directory.path().join(format!("agents-{}.db", case.agents));
    if !original.exists() {
        crowd::settle(&original, case.agents).await?;
    }
    let copy = directory.path().join(format!("case-{number}.db"));
    fs::copy(&original, &copy)?;
    Ok(copy)
}

// The anonymous memory of this process, for not all that a run brings is on Rust's heap.
async fn memory_of_runs(directory: &Path) -> anyhow::Result<()> {
    let database = directory.join("runs.db");
    crowd::settle(&database, 100).await?;
    let plane = ground::start_inline(&database, ground::no_policies()?)?;
    let alice = Alice::of(&plane).await?;
    for number in 0..RUNS_BEFORE {
        alice.opens(&plane, &crowd::name(number % 100)).await?;
    }
    let before = resident_kib()?;
    for number in 0..RUNS_MEASURED {
        alice.opens(&plane, &crowd::name(number % 100)).await?;
    }
    let after = resident_kib()?;
    let each = (after - before) * 1024.0 / real(RUNS_MEASURED);
    tell(&json!({ "what": "run_bytes", "runs": RUNS_MEASURED, "bytes": each }))
}

fn resident_kib() -> anyhow::Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.context("`RssAnon` of this process")?.parse()?)
}
