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
/// Between two words of one's own; after longer the others could not say theirs either.
const STUMBLE: Duration = Duration::from_secs(3);
/// What was told is kept for that long, and so many batches of it at least.
const TOLD_FOR: Duration = Duration::from_secs(600);
const TOLD_LEAST: u64 = 10_000;
/// Acts without an outcome that are settled at once.
const INTENTS: u64 = 1_000;

/// Starts what a server does for the others; it ends with the plane.
pub(crate) fn start(plane: &Plane) {
    let (beating, stopping) = (plane.clone(), plane.inner().stopping.clone());
    plane.spawn(async move {
        let mut steady = None;
        while stopping.run_until_cancelled(tokio::time::sleep(BEAT)).await.is_some() {
            match beat(&beating, steady).await {
                Ok(until_now) => steady = Some(until_now),
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

/// Since when this server has said without a gap that it is there, by the database's clock. Only
/// in that time can another have been silent by its own fault: while the database was away, or
/// when its clock jumps, all of them are.
#[derive(Clone, Copy)]
struct Steady {
    since: Timestamp,
    last: Timestamp,
}

impl Steady {
    fn until(now: Timestamp, before: Option<Self>) -> Self {
        let goes_on = |before: &Self| now >= before.last && now.since(before.last) <= STUMBLE;
        let since = before.filter(goes_on).map_or(now, |before| before.since);
        Self { since, last: now }
    }

    /// Whether a server that was last heard then is missing.
    fn misses(self, seen: Timestamp) -> bool {
        // What was said in a future that the database's clock has left again counts for nothing.
        let seen = if seen > self.last { self.since } else { seen.max(self.since) };
        self.last.since(seen) > MISSING
    }
}

async fn beat(plane: &Plane, before: Option<Steady>) -> Result<Steady, Failure> {
    plane
        .sequencer()
        .submit(Durability::Read, move |step| {
            let (replica, now) = (step.replica.to_owned(), step.now);
            let steady = Steady::until(now, before);
            step.tx.beat(&replica, now)?;
            let last = step.tx.last_told()?;
            step.tx.forget_told(last.saturating_sub(TOLD_LEAST), ago(now, TOLD_FOR))?;
            for other in step.tx.replicas()? {
                if other.name != replica && steady.misses(other.seen) {
                    step.tx.dismiss(&other.name)?;
                    let taken = take_up(step, Some(&other.name))?;
                    close_behind(step, Some(&other.name), &taken, Runs::Close)?;
                }
            }
            Ok(steady)
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

/// What becomes of the open runs of a server that is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runs {
    /// All of them are closed, but for those that no server holds.
    Close,
    /// All there are.
    CloseAll,
    /// Those whose launchers may come back are left for them.
    LeaveReturning,
}

/// Tells what was taken up as unknown, and closes the runs that such a server held.
pub(crate) fn close_behind(
    step: &mut Step<'_, '_>,
    replica: Option<&str>,
    taken: &[Intent],
    runs: Runs,
) -> Result<(), Failure> {
    for intent in taken {
        let tier = step.world.runs.get(intent.run).map(|run| run.fact.tier);
        step.append(Event::Outcome {
            decision: intent.decision,
            run: intent.run,
            tier,
            result: Outcome::Unknown,
            sent_bytes: 0,
            received_bytes: 0,
            redacted: 0,
            git: None,
        })?;
    }
    for run in held_by(step, replica) {
        let is_left = runs == Runs::LeaveReturning && step.world.may_return(run);
        // A run that no server holds is not lost with one.
        let is_detached = step.world.runs.get(run).is_some_and(|run| run.fact.is_detached());
        if is_left || (is_detached && runs != Runs::CloseAll) {
            continue;
        }
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

#[cfg(test)]
mod tests {
    use marque_domain::Timestamp;

    use super::Steady;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + secs * 1_000)
    }

    fn after(words: impl IntoIterator<Item = u64>) -> Steady {
        let steady =
            words.into_iter().fold(None, |before, secs| Some(Steady::until(at(secs), before)));
        steady.unwrap()
    }

    // threat 154
    #[test]
    fn only_what_was_missed_while_the_database_was_there_counts() {
        assert!(after(0..=11).misses(at(0)));
        assert!(!after(0..=11).misses(at(1)));
        assert!(!after([11]).misses(at(0)), "who starts has heard nobody yet");
        assert!(!after((0..=5).chain(30..=40)).misses(at(5)), "it was away from 5 to 30");
        assert!(after((0..=5).chain(30..=41)).misses(at(5)), "by then the others were back");
        assert!(!after((0..=20).chain(620..=630)).misses(at(20)), "its clock went ahead");
        assert!(!after((600..=620).chain(0..=10)).misses(at(0)), "its clock went back");
        assert!(!after((600..=620).chain(0..=10)).misses(at(620)), "for ten seconds");
        assert!(after((600..=620).chain(0..=11)).misses(at(620)), "and who is gone is gone");
    }
}
