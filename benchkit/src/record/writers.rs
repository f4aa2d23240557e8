//! The whole road with its record: runs that decide at once, each the next when the last is
//! answered. Each act leaves two entries: the decision before it, the outcome after.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use marque_domain::Outcome;
use marque_plane::{Crossed, Plane, Settings, broker};
use marque_policy::PolicySet;
use marque_store::Store;
use marque_testkit::{Call, get, post};
use serde_json::json;
use tokio_util::task::TaskTracker;

use super::disk::Pages;
use crate::clock::moment;
use crate::figures::{Sorted, real};
use crate::ground::{self, Alice, Proof};
use crate::lines::tell;

/// Runs there are, as many as write at once at most.
const RUNS: usize = 256;
const WARM_UP: Duration = Duration::from_millis(200);
/// Decisions of one writer that are held against as many syncs, and what lies between: the outcome
/// is committed meanwhile.
const ALONE: usize = 200;
const PAUSE: Duration = Duration::from_millis(2);

/// A durability class, by a call that has it.
#[derive(Clone, Copy)]
pub(super) struct Class {
    word: &'static str,
    call: fn() -> Call,
}

/// Both.
pub(super) const CLASSES: [Class; 2] = [
    Class { word: "read", call: || get("/v1/items/7") },
    Class { word: "disk", call: || post("/v1/items") },
];

/// A plane whose runs may do both.
pub(super) struct Writers {
    plane: Plane,
    proofs: Arc<[Proof]>,
}

impl Writers {
    pub(super) async fn start(store: Store, policies: &Arc<PolicySet>) -> anyhow::Result<Self> {
        let parts = ground::parts(Arc::clone(policies))?;
        let plane = Plane::start(store, parts, Settings::default())?;
        plane.set_proxy_address(([127, 0, 0, 1], 9).into());
        let alice = Alice::of(&plane).await?;
        alice.connects(&plane).await?;
        alice.registers(&plane, "bot", &["api:GET /v1/**", "api:POST /v1/items"]).await?;
        let mut proofs = Vec::with_capacity(RUNS);
        for _ in 0..RUNS {
            proofs.push(alice.opens(&plane, "bot").await?);
        }
        Ok(Self { plane, proofs: proofs.into() })
    }

    /// One line for so many writers.
    pub(super) async fn measure(
        &self,
        (engine, round): (&str, usize),
        class: Class,
        writers: usize,
        span: Duration,
    ) -> anyhow::Result<()> {
        let (is_over, tasks) = (Arc::new(AtomicBool::new(false)), TaskTracker::new());
        let mut all = Vec::new();
        for number in 0..writers {
            let (plane, proofs) = (self.plane.clone(), Arc::clone(&self.proofs));
            let is_over = Arc::clone(&is_over);
            all.push(tasks.spawn(async move {
                let proof = proofs.get(number).context("there is a run for each writer")?;
                write(&plane, proof, class, &is_over).await
            }));
        }
        tokio::time::sleep(WARM_UP).await;
        let (begun, size) = (moment(), self.plane.seen().size);
        tokio::time::sleep(span).await;
        let (ended, grown) = (moment(), self.plane.seen().size);
        is_over.store(true, Ordering::Relaxed);
        let mut spans = Vec::new();
        for task in all {
            let timed = task.await??;
            spans.extend(timed.into_iter().filter(|(at, _)| (begun..ended).contains(at)));
        }
        let took = ended.saturating_sub(begun).as_secs_f64();
        let decisions = real(spans.len());
        let spans = Sorted::of(spans.into_iter().map(|(_, span)| span).collect());
        tell(&json!({
            "what": "writers", "engine": engine, "round": round, "class": class.word,
            "writers": writers, "entries_per_second": real(grown - size) / took,
            "decisions_per_second": decisions / took,
            "p50_us": spans.permille(500), "p99_us": spans.permille(990),
        }))
    }

    /// One line: one writer on disk, with a page written and synced by itself after each decision.
    pub(super) async fn alone(
        &self,
        (engine, round): (&str, usize),
        pages: &mut Pages,
    ) -> anyhow::Result<()> {
        let proof = self.proofs.first().context("there is a run for each writer")?;
        let (mut spans, mut floor) = (Vec::new(), Vec::new());
        for _ in 0..ALONE {
            let ask = proof.asks(&post("/v1/items"));
            let begun = moment();
            let permit = self.plane.decide(ask).await.map_err(|no| anyhow!("{no}"))?;
            spans.push(moment().saturating_sub(begun));
            let opened = broker::open(&self.plane, permit).map_err(|no| anyhow!("{no}"))?;
            opened.lease.finish(Outcome::Answered { status: 200 }, Crossed::default());
            tokio::time::sleep(PAUSE).await;
            floor.push(pages.sync()?);
        }
        let (spans, floor) = (Sorted::of(spans), Sorted::of(floor));
        tell(&json!({
            "what": "alone", "engine": engine, "round": round,
            "p50_us": spans.permille(500), "p99_us": spans.permille(990),
            "fsync_p50_us": floor.permille(500), "fsync_p99_us": floor.permille(990),
        }))
    }

    pub(super) async fn stop(self) {
        self.plane.stop().await;
    }
}

async fn write(
    plane: &Plane,
    proof: &Proof,
    class: Class,
    is_over: &AtomicBool,
) -> anyhow::Result<Vec<(Duration, Duration)>> {
    let mut spans = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let ask = proof.asks(&(class.call)());
        let begun = moment();
        let permit = plane.decide(ask).await.map_err(|refusal| anyhow!("{refusal}"))?;
        spans.push((begun, moment().saturating_sub(begun)));
        let opened = broker::open(plane, permit).map_err(|refusal| anyhow!("{refusal}"))?;
        opened.lease.finish(Outcome::Answered { status: 200 }, Crossed::default());
    }
    Ok(spans)
}
