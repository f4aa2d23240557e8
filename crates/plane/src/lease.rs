//! Leases: one use of a credential, and the entry that says how it went.

use std::sync::Arc;
use std::time::Duration;

use marque_domain::git::PushLook;
use marque_domain::{Decision, Event, Id, Outcome};
use tokio::runtime::Handle;
use tokio::time::sleep;

use crate::allowance::Allowance;
use crate::failure::Failure;
use crate::live::LiveRun;
use crate::plane::Plane;
use crate::sequence::{COMPANY, Durability};
use crate::spending;
use crate::step::Step;

/// When an outcome that could not be recorded is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// One use of one credential. Whoever holds it watches [`Lease::cancelled`] and, when the act is
/// over, says how it went. Dropped without a word, it counts as abandoned, or cut.
pub struct Lease {
    plane: Plane,
    live: Arc<LiveRun>,
    decision: Id<Decision>,
    allowance: Option<Arc<Allowance>>,
    pushed: Option<Box<PushLook>>,
    /// Whether its intent may still wait to be recorded.
    is_in_doubt: bool,
    is_finished: bool,
}

/// What passed for one act.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Crossed {
    /// Bytes of the request's body that were sent on.
    pub sent_bytes: u64,
    /// Bytes of the answer's body that came back.
    pub received_bytes: u64,
    /// Credentials found in the answer.
    pub redacted: u64,
}

impl Lease {
    pub(crate) fn new(
        plane: Plane,
        live: Arc<LiveRun>,
        decision: Id<Decision>,
        allowance: Option<Allowance>,
    ) -> Self {
        let allowance = allowance.map(Arc::new);
        let (pushed, is_in_doubt, is_finished) = (None, false, false);
        Self { plane, live, decision, allowance, pushed, is_in_doubt, is_finished }
    }

    /// A lease whose intent may be on record or not, now or later. Nothing will come of it.
    pub(crate) fn in_doubt(plane: Plane, live: Arc<LiveRun>, decision: Id<Decision>) -> Self {
        let mut lease = Self::new(plane, live, decision, None);
        lease.is_in_doubt = true;
        lease
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

    /// What bounds the bytes of the act, where a limit of bytes binds it: every byte of a body is
    /// taken from it before it moves.
    pub fn allowance(&self) -> Option<Arc<Allowance>> {
        self.allowance.clone()
    }

    /// What was seen of a push, to be recorded with how it went.
    pub fn saw_push(&mut self, look: PushLook) {
        self.pushed = Some(Box::new(look));
    }

    /// Records how the act went, and gives back what was reserved in vain. Does not wait for it.
    pub fn finish(mut self, result: Outcome, crossed: Crossed) {
        let spent_bytes = crossed.sent_bytes.saturating_add(crossed.received_bytes);
        self.settle(result, crossed, spent_bytes);
    }

    fn settle(&mut self, result: Outcome, crossed: Crossed, spent_bytes: u64) {
        if std::mem::replace(&mut self.is_finished, true) {
            return;
        }
        if let Some(allowance) = &self.allowance {
            allowance.close();
        }
        let (decision, run) = (self.decision, self.live.run);
        let Crossed { sent_bytes, received_bytes, redacted } = crossed;
        let tier = self.plane.world().runs.get(run).map(|run| run.fact.tier);
        let git = self.pushed.take();
        if git.as_ref().is_some_and(|look| !look.findings.is_empty()) {
            metrics::counter!("marque_git_flagged_pushes_total").increment(1);
        }
        // What the run's next call is judged by is not left lying.
        let is_urgent = git.is_some() || self.allowance.is_some();
        let event = Event::Outcome {
            decision,
            run,
            tier,
            result,
            sent_bytes,
            received_bytes,
            redacted,
            git,
        };
        let settling = Arc::new(Settling { decision, event, spent_bytes });
        // ORDER: what lies aside may overtake what is queued, as its own intent may be.
        if self.is_in_doubt || is_urgent {
            self.plane.spawn(self.plane.clone().settle_in_turn(settling, None));
        } else {
            self.plane.settle(settling);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let result = if self.live.is_cancelled() { Outcome::Cut } else { Outcome::Abandoned };
        // Nobody says how much moved, so what was taken in order to move counts.
        let spent_bytes = self.allowance.as_ref().map_or(0, |allowance| allowance.taken());
        self.settle(result, Crossed::default(), spent_bytes);
    }
}

/// An intent that is being closed.
struct Settling {
    decision: Id<Decision>,
    event: Event,
    spent_bytes: u64,
}

impl Settling {
    // Closes an intent with its outcome, once; a second outcome of one decision is dropped.
    fn record(&self, step: &mut Step<'_, '_>) -> Result<(), Failure> {
        if step.tx.settle_intent(self.decision)? {
            count_findings(step, &self.event);
            step.append(&self.event)?;
            spending::settle(step, self.decision, self.spent_bytes)?;
        }
        Ok(())
    }
}

impl Plane {
    // With the next batch: nobody waits for it.
    fn settle(&self, settling: Arc<Settling>) {
        let (plane, inside, runtime) = (self.clone(), Arc::clone(&settling), Handle::current());
        self.leave(
            move |step| inside.record(step),
            move |failure| {
                // Where too much lay there already, nothing has failed yet.
                let failed = (!matches!(failure, Failure::Overloaded)).then_some(failure);
                let later = plane.clone().settle_in_turn(settling, failed);
                plane.inner().tasks.spawn_on(later, &runtime);
            },
        );
    }

    /// Leaves what nobody waits for to the next batch, or has one made for it in a moment;
    /// `otherwise` hears why it failed.
    pub(crate) fn leave(
        &self,
        body: impl FnMut(&mut Step<'_, '_>) -> Result<(), Failure> + Send + 'static,
        otherwise: impl FnOnce(Failure) + Send + 'static,
    ) {
        if self.sequencer().leave(body, otherwise) {
            let plane = self.clone();
            self.spawn(async move {
                sleep(COMPANY).await;
                plane.sequencer().nudge();
            });
        }
    }

    // What cannot be recorded now can be later: while the log cannot be written nothing new is
    // allowed, so that few wait.
    async fn settle_in_turn(self, settling: Arc<Settling>, mut failed: Option<Failure>) {
        let stopping = &self.inner().stopping;
        let failure = loop {
            if let Some(failure) = failed
                && (!passes(&failure) || stopping.run_until_cancelled(sleep(AGAIN)).await.is_none())
            {
                break failure;
            }
            let inside = Arc::clone(&settling);
            let record = move |step: &mut Step<'_, '_>| inside.record(step);
            match self.sequencer().submit_patiently(Durability::Read, record).await {
                Ok(()) => return,
                Err(failure) => failed = Some(failure),
            }
        };
        // The intent stays open; a restart marks it unknown.
        let decision = settling.decision;
        tracing::error!(%decision, %failure, "an outcome could not be recorded");
    }
}

fn passes(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::Store(_) | Failure::InDoubt | Failure::Rewound(_) | Failure::Overloaded
    )
}

// A push that was flagged counts as one refusal of the run, and of those above it.
fn count_findings(step: &mut Step<'_, '_>, event: &Event) {
    let Event::Outcome { run, git: Some(look), .. } = event else { return };
    if look.findings.is_empty() {
        return;
    }
    let Some(run) = step.world.runs.get(*run).map(Arc::clone) else { return };
    run.fact.chain.actors.iter().for_each(|one| step.count_refusal(one.run));
}
