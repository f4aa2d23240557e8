//! One plane of a case, with open runs that ask.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use anyhow::ensure;
use marque_crypto::random::{SystemRandom, bytes};
use marque_plane::{Ask, Plane, Preview};
use marque_policy::PolicySet;
use marque_testkit::get;

use super::{Case, crowd, rules};
use crate::clock::moment;
use crate::figures::Sorted;
use crate::ground::{self, Alice, Proof};

/// Runs that ask in turn, so that no decision finds everything of the last one at hand.
pub(super) const RUNS: usize = 1_000;

/// A plane, and questions to it.
pub(super) struct Scene {
    pub(super) case: Case,
    plane: Plane,
    proofs: Vec<Proof>,
    asks: Vec<Ask>,
    /// How many paths were asked for.
    paths: Cell<usize>,
}

/// What runs ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Each the same path as before.
    Again,
    /// Paths that nobody asked for before, where a policy asks about paths.
    Never,
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
        let mut proofs = Vec::with_capacity(RUNS);
        for number in 0..RUNS {
            proofs.push(alice.opens(&plane, &crowd::name(number % case.agents)).await?);
        }
        shuffle(&mut proofs);
        let scene = Self { case, plane, proofs, asks: Vec::new(), paths: Cell::new(0) };
        Ok(Self { asks: scene.never_asked(), ..scene })
    }

    /// How long the first questions took, which no slice of policies was ready for either.
    pub(super) fn first(&self) -> anyhow::Result<Sorted> {
        let mut spans = Vec::with_capacity(RUNS);
        for ask in &self.asks {
            let begun = moment();
            let answer = self.plane.preview(ask);
            spans.push(moment().saturating_sub(begun));
            // What was refused would be cheap.
            ensure!(answer == Preview::WouldPass, "{:?} answers {answer:?}", self.case);
        }
        Ok(Sorted::of(spans))
    }

    /// A question of each run. `room` is for new ones.
    pub(super) fn questions<'a>(&'a self, asked: Asked, room: &'a mut Vec<Ask>) -> &'a [Ask] {
        match asked {
            Asked::Again => &self.asks,
            Asked::Never => {
                *room = self.never_asked();
                room
            }
        }
    }

    fn never_asked(&self) -> Vec<Ask> {
        let asks = self.proofs.iter().map(|proof| {
            let number = self.paths.replace(self.paths.get() + 1);
            proof.asks(&get(&format!("/v1/items/{number}")))
        });
        asks.collect()
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
