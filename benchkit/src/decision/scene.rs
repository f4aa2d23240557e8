//! One plane of a case, with open runs that ask.

use std::path::Path;
use std::sync::Arc;

use anyhow::ensure;
use marque_crypto::random::{SystemRandom, bytes};
use marque_plane::{Ask, Plane, Preview};
use marque_policy::PolicySet;
use marque_testkit::get;

use super::{Case, crowd, rules};
use crate::ground::{self, Alice};

/// Runs that ask in turn, so that no decision finds everything of the last one at hand.
pub(super) const RUNS: usize = 1_000;

/// A plane, and questions to it.
pub(super) struct Scene {
    pub(super) case: Case,
    plane: Plane,
    asks: Vec<Ask>,
}

/// The policies of a case.
pub(super) fn policies(case: Case) -> anyhow::Result<Arc<PolicySet>> {
    let rules = if case.is_scoped { rules::scoped } else { rules::unscoped };
    ground::policies(&rules(case.policies))
}

impl Scene {
    /// Starts the plane on a file where the case's agents are, and opens the runs.
    pub(super) async fn lay(
        case: Case,
        database: &Path,
        policies: Arc<PolicySet>,
    ) -> anyhow::Result<Self> {
        let plane = ground::start_inline(database, policies)?;
        let alice = Alice::of(&plane).await?;
        let mut asks = Vec::with_capacity(RUNS);
        for number in 0..RUNS {
            let agent = crowd::name(number % case.agents);
            let proof = alice.opens(&plane, &agent).await?;
            asks.push(proof.asks(&get(&format!("/v1/items/{number}"))));
        }
        shuffle(&mut asks);
        let scene = Self { case, plane, asks };
        // What was refused would be cheap.
        for ask in &scene.asks {
            let answer = scene.plane.preview(ask);
            ensure!(answer == Preview::WouldPass, "{case:?} answers {answer:?}");
        }
        Ok(scene)
    }

    /// One question after the other, for ever.
    pub(super) fn questions(&self) -> impl Iterator<Item = &Ask> {
        self.asks.iter().cycle()
    }

    /// The road's answer to it.
    pub(super) fn answers(&self, ask: &Ask) -> bool {
        self.plane.preview(ask) == Preview::WouldPass
    }
}

fn shuffle<T>(items: &mut [T]) {
    for last in (1..items.len()).rev() {
        let drawn = u64::from_le_bytes(bytes(&SystemRandom));
        let other = usize::try_from(drawn % (last as u64 + 1)).unwrap_or(0);
        items.swap(last, other);
    }
}
