//! Replicas: the servers that share a store, and what becomes of one that is gone.
//!
//! Each says that it is there; one that has not for a while is dismissed by whoever notices, and
//! can commit nothing from then on. Its runs are closed, and its acts without a known outcome are
//! marked unknown. No server talks to another: all of this goes through the store.

use std::time::Duration;

use marque_domain::{Closing, Event, Id, Outcome, Run, RunState, Timestamp};
use marque_store::Intent;

use crate::failure::Failure;
use crate::plane::Plane;
use crate::sequence::{Durability, LOST};
use crate::start::StartError;
use crate::step::Step;
use crate::told::SPEAKS;
use crate::verbs::runs::close_tree;

/// How often a server says that it is there.
const BEAT: Duration = Duration::from_secs(1);
/// How often it asks itself whether it still hears the others.
const LISTEN: Duration = Duration::from_millis(50);
/// After that long without a word a server is dismissed.
const MISSING: Duration = Duration::from_secs(10);
/// What was told is kept for that long, and so many batches of it at least.
const TOLD_FOR: Duration = Duration::from_secs(600);
const TOLD_LEAST: u64 = 10_000;
/// Acts without an outcome that are settled at once.
const INTENTS: u64 = 1_000;

/// Starts what a server does for the others; it ends with the plane.
pub(crate) fn start(plane: &Plane) {
    let (beating, stopping) = (plane.clone(), plane.inner().stopping.clone());
    plane.spawn(async move {
        while stopping.run_until_cancelled(tokio::time::sleep(BEAT)).await.is_some() {
            match beat(&beating).await {
                Ok(()) => {}
                Err(Failure::Deposed(why)) => {
                    tracing::error!(why, "this server serves nobody any more");
                    beating.inner().deposed.cancel();
                    return;
                }
                Err(failure) => tracing::warn!(%failure, "the shared store was not told"),
            }
        }
    });
    let (listening, stopping) = (plane.clone(), plane.inner().stopping.clone());
    plane.spawn(async move {
        while stopping.run_until_cancelled(tokio::time::sleep(LISTEN)).await.is_some() {
            let is_lost = listening.behind() > LOST;
            let was_lost = listening.inner().is_lost.send_replace(is_lost);
            if is_lost && !was_lost {
                tracing::warn!("the other servers are not heard: what is under way is cut");
            }
        }
    });
}

/// Says to the others what this server is. Fails if one of them that lives is more than one format
/// of the feed away: what either tells, the other might not understand.
pub(crate) fn introduce(step: &mut Step<'_, '_>) -> Result<(), StartError> {
    let (replica, now) = (step.replica.to_owned(), step.now);
    for other in step.tx.replicas()? {
        let is_there = other.name != replica && now.since(other.seen) <= MISSING;
        if is_there && other.speaks > 0 && other.speaks.abs_diff(SPEAKS) > 1 {
            return Err(StartError::TooFarApart {
                name: other.name,
                release: other.release,
                speaks: other.speaks,
            });
        }
    }
    let policies = step.world.policies.digest.to_string();
    step.tx.introduce(&replica, (SPEAKS, env!("CARGO_PKG_VERSION")), &policies)?;
    Ok(())
}

async fn beat(plane: &Plane) -> Result<(), Failure> {
    plane
        .sequencer()
        .submit(Durability::Read, |step| {
            let (replica, now) = (step.replica.to_owned(), step.now);
            step.tx.beat(&replica, now)?;
            let last = step.tx.last_told()?;
            step.tx.forget_told(last.saturating_sub(TOLD_LEAST), ago(now, TOLD_FOR))?;
            for other in step.tx.replicas()? {
                if other.name != replica && now.since(other.seen) > MISSING {
                    step.tx.dismiss(&other.name)?;
                    let taken = take_up(step, Some(&other.name))?;
                    close_behind(step, Some(&other.name), &taken)?;
                }
            }
            Ok(())
        })
        .await
}

/// Takes up the acts without a known outcome of a server that is no more; of every server if none
/// is named. They are settled, and to be told as unknown with [`close_behind`].
pub(crate) fn take_up(
    step: &mut Step<'_, '_>,
    replica: Option<&str>,
) -> Result<Vec<Intent>, Failure> {
    let mut taken = Vec::new();
    loop {
        let some = step.tx.unsettled_intents(replica, INTENTS)?;
        if some.is_empty() {
            return Ok(taken);
        }
        for intent in some {
            step.tx.settle_intent(intent.decision)?;
            // What it had reserved stays spent: nobody guesses in its favour.
            step.release(intent.decision);
            taken.push(intent);
        }
    }
}

/// Tells what was taken up as unknown, and closes the runs that such a server held.
pub(crate) fn close_behind(
    step: &mut Step<'_, '_>,
    replica: Option<&str>,
    taken: &[Intent],
) -> Result<(), Failure> {
    for intent in taken {
        step.append(Event::Outcome {
            decision: intent.decision,
            run: intent.run,
            result: Outcome::Unknown,
            sent_bytes: 0,
            received_bytes: 0,
            redacted: 0,
        })?;
    }
    for run in held_by(step, replica) {
        close_tree(step, run, Closing::Orphaned, None)?;
        // Nobody asks a server that has just started about runs it never knew.
        if replica.is_none_or(|replica| replica == step.replica) {
            step.bury(run);
        }
    }
    Ok(())
}

// In the order of ids, so that a seed replays.
fn held_by(step: &Step<'_, '_>, replica: Option<&str>) -> Vec<Id<Run>> {
    let world = &step.world;
    let is_held = |run: &Run| match (replica, world.live(run.id)) {
        (Some(replica), Some(live)) => &*live.home == replica,
        _ => true,
    };
    let open =
        world.runs.all().filter(|run| run.fact.state == RunState::Open && is_held(&run.fact));
    let mut open: Vec<_> = open.map(|run| run.fact.id).collect();
    open.sort_unstable();
    open
}

fn ago(now: Timestamp, span: Duration) -> Timestamp {
    let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_sub(millis))
}
