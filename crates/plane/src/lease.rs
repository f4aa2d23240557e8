//! Leases: one use of a credential, and the entry that says how it went.

use std::sync::Arc;

use marque_domain::{Decision, Event, Id, Outcome};

use crate::failure::Failure;
use crate::live::LiveRun;
use crate::plane::Plane;
use crate::sequence::Durability;

/// One use of one credential. Whoever holds it watches [`Lease::cancelled`] and, when the act is
/// over, says how it went. Dropped without a word, it counts as abandoned, or cut.
pub struct Lease {
    plane: Plane,
    live: Arc<LiveRun>,
    decision: Id<Decision>,
    is_finished: bool,
}

impl Lease {
    pub(crate) fn new(plane: Plane, live: Arc<LiveRun>, decision: Id<Decision>) -> Self {
        Self { plane, live, decision, is_finished: false }
    }

    /// The decision that allowed the act.
    pub fn decision(&self) -> Id<Decision> {
        self.decision
    }

    /// Whether the run was cut: nothing more may pass.
    pub fn is_cancelled(&self) -> bool {
        self.live.is_cancelled()
    }

    /// Resolves once the run is cut.
    pub async fn cancelled(&self) {
        self.live.cancelled().await;
    }

    /// The living run the act belongs to, to watch it from elsewhere.
    pub fn live(&self) -> &Arc<LiveRun> {
        &self.live
    }

    /// Records how the act went. Does not wait for it.
    pub fn finish(mut self, result: Outcome, sent_bytes: u64, received_bytes: u64) {
        self.settle(result, sent_bytes, received_bytes);
    }

    fn settle(&mut self, result: Outcome, sent_bytes: u64, received_bytes: u64) {
        if std::mem::replace(&mut self.is_finished, true) {
            return;
        }
        let (decision, run) = (self.decision, self.live.run);
        let plane = self.plane.clone();
        self.plane.spawn(async move {
            let event = Event::Outcome { decision, run, result, sent_bytes, received_bytes };
            if let Err(failure) = plane.settle(decision, event).await {
                // The intent stays open; a restart marks it unknown.
                tracing::error!(%decision, %failure, "an outcome could not be recorded");
            }
        });
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let result = if self.live.is_cancelled() { Outcome::Cut } else { Outcome::Abandoned };
        self.settle(result, 0, 0);
    }
}

impl Plane {
    // Closes an intent with its outcome, once; a second outcome of one decision is dropped.
    async fn settle(&self, decision: Id<Decision>, event: Event) -> Result<(), Failure> {
        self.sequencer()
            .submit_patiently(Durability::Read, move |step| {
                if step.tx.settle_intent(decision)? {
                    step.append(event.clone())?;
                }
                Ok::<_, Failure>(())
            })
            .await
    }
}
