//! The reaper: closes runs whose time is up, and forgets those closed a while ago.
//!
//! Decisions do not wait for it: stage 2 looks at the expiry itself. It is what cuts the streams
//! that an expired run still has open.

use std::time::Duration;

use marque_domain::{AccessToken, Approval, Closing, Id, Run, RunState, Timestamp};

use crate::failure::Failure;
use crate::plane::Plane;
use crate::returning;
use crate::sequence::Durability;
use crate::step::Step;
use crate::verbs::clients;
use crate::verbs::runs::close_tree;
use crate::world::World;

/// How often it looks.
const EVERY: Duration = Duration::from_millis(250);
/// How long a closed run still tells its callers why they are refused.
const REMEMBERED: Duration = Duration::from_secs(600);
/// Revocations forgotten at once.
const REVOKED_AT_ONCE: usize = 1_000;
/// How long the keys of tokens are left alone after they could not be moved on.
const REST_MIN: Duration = Duration::from_secs(1);
const REST_MAX: Duration = Duration::from_secs(300);
/// Places in status lists given back at once.
const UNLISTED_AT_ONCE: usize = 1_000;
/// Closed runs remembered at most.
const MOST_REMEMBERED: usize = 10_000;

/// Starts it; it ends with the plane.
pub(crate) fn start(plane: &Plane) {
    let (reaped, stopping) = (plane.clone(), plane.inner().stopping.clone());
    plane.spawn(async move {
        let mut keys = Rest::default();
        while stopping.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            tend_keys(&reaped, &mut keys).await;
            if let Err(error) = reaped.record_kills().await {
                tracing::warn!(%error, "a kill is not on record yet; what it stopped is stopped");
            }
            if let Err(failure) = reap(&reaped).await {
                tracing::warn!(%failure, "expired runs could not be closed; they are refused");
            }
        }
    });
}

/// How long something that failed is left alone: each time twice as long.
#[derive(Default)]
struct Rest {
    until: Duration,
    lasts: Duration,
}

impl Rest {
    fn begin(&mut self, now: Duration) {
        self.lasts = (self.lasts * 2).clamp(REST_MIN, REST_MAX);
        self.until = now.saturating_add(self.lasts);
    }
}

// A key costs up to a second of a processor, so whatever fails is not tried at every look.
async fn tend_keys(plane: &Plane, rest: &mut Rest) {
    let now = plane.clock().elapsed();
    if now < rest.until {
        return;
    }
    match plane.tend_token_keys().await {
        Ok(()) => *rest = Rest::default(),
        Err(error) => {
            rest.begin(now);
            let again_in = rest.lasts.as_secs();
            tracing::warn!(%error, again_in, "the keys of tokens could not be moved on");
        }
    }
}

async fn reap(plane: &Plane) -> Result<(), Failure> {
    let due = Due { lost: returning::lost(plane), ..due(&plane.world(), plane.now()) };
    if due.is_empty() {
        return Ok(());
    }
    let over: Vec<_> = due.expired.iter().chain(&due.lost).copied().collect();
    let reaped = plane.sequencer().submit(Durability::Read, move |step| settle(step, &due)).await;
    if reaped.is_err() {
        // Their time is up whether the log can say so or not.
        let world = plane.world();
        over.iter().filter_map(|run| world.live(*run)).for_each(|live| live.cut());
    }
    reaped
}

fn settle(step: &mut Step<'_, '_>, due: &Due) -> Result<(), Failure> {
    for run in &due.expired {
        close_tree(step, *run, Closing::Expired, None)?;
    }
    for run in &due.lost {
        // Its launcher may have come in the meantime.
        if step.world.live(*run).is_some_and(|live| !live.was_held()) {
            close_tree(step, *run, Closing::Orphaned, None)?;
        }
    }
    for run in &due.cut {
        let cut = step.world.runs.get(*run).map(|run| run.fact.clone());
        if let Some(cut) = cut {
            clients::stop_behind(step, &cut)?;
        }
        close_tree(step, *run, Closing::Killed, None)?;
    }
    for approval in &due.lapsed {
        let open = step.world.approvals.get(*approval).map(|approval| approval.fact.clone());
        if let Some(Ok(lapsed)) = open.map(|approval| approval.lapse(step.now)) {
            step.save(lapsed)?;
        }
    }
    for run in &due.forgotten {
        step.bury(*run);
    }
    due.revoked.iter().for_each(|token| step.forget_revoked(*token));
    step.unlist(due.unlisted);
    Ok(())
}

#[derive(Default)]
struct Due {
    expired: Vec<Id<Run>>,
    // Left open by an earlier server, and nobody came for them.
    lost: Vec<Id<Run>>,
    // Cut by a kill that could not be recorded.
    cut: Vec<Id<Run>>,
    lapsed: Vec<Id<Approval>>,
    forgotten: Vec<Id<Run>>,
    // Tokens that were taken back and are over by now.
    revoked: Vec<Id<AccessToken>>,
    // How many places in status lists are free again.
    unlisted: usize,
}

impl Due {
    fn is_empty(&self) -> bool {
        self.expired.is_empty()
            && self.lost.is_empty()
            && self.cut.is_empty()
            && self.lapsed.is_empty()
            && self.forgotten.is_empty()
            && self.revoked.is_empty()
            && self.unlisted == 0
    }
}

fn due(world: &World, now: Timestamp) -> Due {
    let mut due = Due::default();
    let mut closed = Vec::new();
    for run in world.runs.all() {
        let id = run.fact.id;
        match run.fact.state {
            RunState::Open if now >= run.fact.expires_at => due.expired.push(id),
            RunState::Open if world.live(id).is_some_and(|live| live.is_cancelled()) => {
                due.cut.push(id);
            }
            RunState::Open => {}
            RunState::Closed { at, .. } if now.since(at) > REMEMBERED => due.forgotten.push(id),
            RunState::Closed { at, .. } => closed.push((at, id)),
        }
    }
    let over = world.approvals.all().filter(|approval| now >= approval.fact.until);
    due.lapsed.extend(over.map(|approval| approval.fact.id));
    due.revoked = world.tokens.revoked_in_vain(now, REVOKED_AT_ONCE);
    due.unlisted = world.tokens.listed.over(now, UNLISTED_AT_ONCE).len();
    if closed.len() > MOST_REMEMBERED {
        closed.sort_unstable();
        let surplus = closed.len() - MOST_REMEMBERED;
        due.forgotten.extend(closed.into_iter().take(surplus).map(|(_, run)| run));
    }
    // The order of ids, so that a seed replays.
    due.expired.sort_unstable();
    due.cut.sort_unstable();
    due.lapsed.sort_unstable();
    due
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{REST_MAX, Rest};

    #[test]
    fn what_keeps_failing_is_tried_less_and_less_often() {
        let mut rest = Rest::default();
        let mut now = Duration::from_secs(100);
        let tries = (0..20).map(|_| {
            rest.begin(now);
            now = rest.until;
            rest.lasts.as_secs()
        });
        let tries: Vec<u64> = tries.collect();
        assert_eq!(tries[..4], [1, 2, 4, 8]);
        assert_eq!(tries[19], REST_MAX.as_secs());
    }
}
