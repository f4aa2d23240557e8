//! What decisions allocate, and how much memory agents and policies hold.
//!
//! Counted by a program of its own, because an allocator that counts costs time.

use anyhow::Context as _;
use futures_util::FutureExt as _;
use serde_json::json;
use tempfile::TempDir;
use tokio::task::unconstrained;

use super::scene::{Asked, RUNS, Scene, policies};
use super::timed::database_of;
use super::{CASES, Case, crowd, scoped};
use crate::figures::real;
use crate::ground::{self, Alice};
use crate::lines::tell;

/// What was allocated while something ran.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    /// How often.
    pub times: u64,
    /// Bytes, all in all.
    pub bytes: u64,
    /// Bytes that were still held at its end.
    pub held_bytes: i64,
}

/// One line for each case, and one each for the memory of agents and policies. `measure` says what
/// this thread allocates while it runs what it is given.
pub async fn count(measure: &dyn Fn(&mut dyn FnMut()) -> Counted) -> anyhow::Result<()> {
    let directory = tempfile::Builder::new().prefix("marque-bench-").tempdir()?;
    for (number, case) in CASES.into_iter().enumerate() {
        let database = database_of(&directory, case, number).await?;
        let scene = Scene::lay(case, &database, policies(case)?).await?;
        scene.first()?;
        for (what, asked) in
            [("allocations", Asked::Again), ("never_asked_allocations", Asked::Never)]
        {
            let mut room = Vec::new();
            let questions = scene.questions(asked, &mut room);
            let mut passed = true;
            let counted = measure(&mut || {
                passed = questions.iter().all(|ask| scene.answers(ask));
            });
            anyhow::ensure!(passed, "an answer changed");
            let Case { agents, policies, is_scoped } = case;
            tell(&json!({
                "what": what, "agents": agents, "policies": policies, "is_scoped": is_scoped,
                "allocations": real(counted.times) / real(RUNS),
                "bytes": real(counted.bytes) / real(RUNS),
            }))?;
        }
    }
    // Each agent with its version and its grant, as the crowd has them.
    let (few, many) = (scoped(100, 10), scoped(100_000, 10));
    let mut held = Vec::new();
    for (number, case) in [few, many].into_iter().enumerate() {
        let database = database_of(&directory, case, CASES.len() + number).await?;
        let set = ground::no_policies()?;
        let mut plane = None;
        let counted = measure(&mut || plane = Some(ground::start_inline(&database, set.clone())));
        plane.transpose()?;
        held.push(real(counted.held_bytes));
    }
    let more = real(many.agents - few.agents);
    let bytes = held.iter().rev().copied().reduce(|many, few| many - few).unwrap_or(f64::NAN);
    tell(&json!({ "what": "agent_bytes", "bytes": bytes / more }))?;
    heap_of_runs(measure, &directory).await?;
    let mut set = None;
    let counted = measure(&mut || set = Some(policies(scoped(100, 10_000))));
    set.transpose()?;
    tell(&json!({ "what": "policy_bytes", "bytes": real(counted.held_bytes) / 10_000.0 }))
}

// Without what C libraries hold and what blocks are rounded up to, which `time` measures as well.
async fn heap_of_runs(
    measure: &dyn Fn(&mut dyn FnMut()) -> Counted,
    directory: &TempDir,
) -> anyhow::Result<()> {
    let database = database_of(directory, scoped(100, 10), usize::MAX).await?;
    let plane = ground::start_inline(&database, ground::no_policies()?)?;
    let alice = Alice::of(&plane).await?;
    let mut opened = Ok(());
    let counted = measure(&mut || {
        opened = (0..RUNS).try_for_each(|number| {
            let agent = crowd::name(number % 100);
            // A runtime makes a task that went on for long wait for others.
            let opening = unconstrained(alice.opens(&plane, &agent)).now_or_never();
            opening.context("opening a run waits for nothing")?.map(drop)
        });
    });
    opened?;
    tell(&json!({ "what": "run_heap_bytes", "bytes": real(counted.held_bytes) / real(RUNS) }))
}
