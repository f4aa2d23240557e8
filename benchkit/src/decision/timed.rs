//! How long decisions take, and how much memory open runs hold.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::cedar::Floor;
use super::scene::{Asked, RUNS, Scene, policies};
use super::{CASES, Case, crowd};
use crate::clock::{computed, moment};
use crate::figures::{Sorted, micros, real};
use crate::ground::{self, Alice};
use crate::lines::{Words, tell};

/// Runs opened before their memory is measured, so that caches have their size.
const RUNS_BEFORE: usize = 2_000;
/// Runs whose memory is measured.
const RUNS_MEASURED: usize = 6_000;

/// `decision --rounds N --decisions N`: for each case one line for its first questions, and in each
/// round one for what is asked again and one for what never was; one for the floor in each round,
/// and one for the memory of open runs.
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
        let first = scene.first()?;
        tell(&named(
            case,
            &json!({
                "what": "first", "p50_us": first.permille(500), "p99_us": first.permille(990),
            }),
        ))?;
        scenes.push(scene);
    }
    let floor = Floor::lay()?;
    for round in 0..rounds {
        let turns: Box<dyn Iterator<Item = &Scene>> =
            if round % 2 == 0 { Box::new(scenes.iter()) } else { Box::new(scenes.iter().rev()) };
        for scene in turns {
            let once = decisions.min(if scene.case.is_scoped { decisions } else { 1_000 });
            for (what, asked) in [("decision", Asked::Again), ("never_asked", Asked::Never)] {
                let taken = ask(scene, asked, once)?;
                tell(&named(scene.case, &taken.told(what, round)))?;
            }
        }
        let mut taken = Taken::default();
        // Once before, as above.
        ensure!((0..RUNS).all(|_| floor.allows()), "an answer changed");
        taken.add((0..decisions).map(|_| floor.allows()))?;
        tell(&taken.told("cedar", round))?;
    }
    Ok(())
}

fn named(case: Case, line: &Value) -> Value {
    let Case { agents, policies, is_scoped } = case;
    let mut named = json!({ "agents": agents, "policies": policies, "is_scoped": is_scoped });
    if let (Some(all), Some(line)) = (named.as_object_mut(), line.as_object()) {
        all.extend(line.clone());
    }
    named
}

/// Lets every run ask once, and then so often, in turn.
fn ask(scene: &Scene, asked: Asked, times: usize) -> anyhow::Result<Taken> {
    let mut room = Vec::new();
    let once = scene.questions(asked, &mut room);
    ensure!(once.iter().all(|ask| scene.answers(ask)), "an answer changed");
    let mut taken = Taken::default();
    while taken.spans.len() < times {
        // What is asked is made before it is timed.
        let questions = scene.questions(asked, &mut room);
        taken
            .add(questions.iter().take(times - taken.spans.len()).map(|ask| scene.answers(ask)))?;
    }
    Ok(taken)
}

#[derive(Default)]
struct Taken {
    spans: Vec<Duration>,
    cpu: Duration,
}

impl Taken {
    /// Takes the time of each answer, which is made as it is taken.
    fn add(&mut self, mut answers: impl ExactSizeIterator<Item = bool>) -> anyhow::Result<()> {
        self.spans.reserve(answers.len());
        let mut passed = true;
        let before = computed();
        loop {
            let begun = moment();
            let Some(answer) = answers.next() else { break };
            self.spans.push(moment().saturating_sub(begun));
            passed &= answer;
        }
        self.cpu += computed().saturating_sub(before);
        ensure!(passed, "an answer changed");
        Ok(())
    }

    fn told(self, what: &str, round: usize) -> Value {
        let cpu = micros(self.cpu) / real(self.spans.len());
        let spans = Sorted::of(self.spans);
        json!({
            "what": what, "round": round, "p50_us": spans.permille(500),
            "p99_us": spans.permille(990), "cpu_us": cpu,
        })
    }
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
