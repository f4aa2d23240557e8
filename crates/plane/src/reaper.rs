//! The reaper: closes runs whose time is up, and forgets those closed a while ago.
//!
//! Decisions do not wait for it: stage 2 looks at the expiry itself. It is what cuts the streams
//! that an expired run still has open.

use std::time::Duration;

use marque_domain::{Closing, Id, Run, RunState, Timestamp};

use crate::failure::Failure;
use crate::plane::Plane;
use crate::sequence::Durability;
use crate::verbs::runs::close_tree;
use crate::world::World;

/// How often it looks.
const EVERY: Duration = Duration::from_millis(250);
/// How long a closed run still tells its callers why they are refused.
const REMEMBERED: Duration = Duration::from_secs(600);
/// Closed runs remembered at most.
const MOST_REMEMBERED: usize = 10_000;

/// Starts it; it ends with the plane.
pub(crate) fn start(plane: &Plane) {
    let (reaped, stopping) = (plane.clone(), plane.inner().stopping.clone());
    plane.spawn(async move {
        while stopping.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            if let Err(failure) = reap(&reaped).await {
                tracing::warn!(%failure, "expired runs could not be closed; they are refused");
            }
        }
    });
}

async fn reap(plane: &Plane) -> Result<(), Failure> {
    let due = due(&plane.world(), plane.clock().now());
    if due.expired.is_empty() && due.forgotten.is_empty() {
        return Ok(());
    }
    plane
        .sequencer()
        .submit(Durability::Read, move |step| {
            for run in &due.expired {
                close_tree(step, *run, Closing::Expired, None)?;
            }
            for run in &due.forgotten {
                step.world.bury(*run);
            }
            Ok(())
        })
        .await
}

struct Due {
    expired: Vec<Id<Run>>,
    forgotten: Vec<Id<Run>>,
}

fn due(world: &World, now: Timestamp) -> Due {
    let mut due = Due { expired: Vec::new(), forgotten: Vec::new() };
    let mut closed = Vec::new();
    for run in world.runs.all() {
        match run.fact.state {
            RunState::Open if now >= run.fact.expires_at => due.expired.push(run.fact.id),
            RunState::Open => {}
            RunState::Closed { at, .. } if now.since(at) > REMEMBERED => {
                due.forgotten.push(run.fact.id);
            }
            RunState::Closed { at, .. } => closed.push((at, run.fact.id)),
        }
    }
    if closed.len() > MOST_REMEMBERED {
        closed.sort_unstable();
        let surplus = closed.len() - MOST_REMEMBERED;
        due.forgotten.extend(closed.into_iter().take(surplus).map(|(_, run)| run));
    }
    due.expired.sort_unstable();
    due
}
