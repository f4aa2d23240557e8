//! Places: how many connections and requests there may be at once, apart for whoever asks.
//!
//! Nobody waits for a place; who finds none is sent away. What runs take they do not take from
//! humans, and no run takes more than its share from the others (threat 162).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use marque_domain::{Id, Run};
use marque_plane::{Peer, Plane};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Which side of a run a process is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    /// Outside every run: a human's process, or a launcher.
    Outside,
    /// Inside that run.
    Inside(Id<Run>),
    /// Nobody can tell, so it may be inside any.
    Unknown,
}

impl Side {
    /// Where a process is.
    pub(crate) fn of(plane: &Plane, peer: &Peer) -> Self {
        match plane.run_of(peer) {
            Some(run) => Self::Inside(run),
            None if cfg!(target_os = "linux") && peer.ancestors.is_empty() => Self::Unknown,
            None => Self::Outside,
        }
    }
}

/// How many places there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// For processes outside runs.
    pub(crate) outside: usize,
    /// For those inside.
    pub(crate) inside: usize,
    /// Of the latter, for one run.
    pub(crate) of_one_run: usize,
}

/// The places for one kind of thing.
pub(crate) struct Places {
    outside: Arc<Semaphore>,
    inside: Arc<Semaphore>,
    of_one_run: usize,
    shares: Mutex<HashMap<Side, Weak<Semaphore>>>,
}

/// A place, until it is dropped.
pub(crate) struct Place {
    _of_all: OwnedSemaphorePermit,
    _of_share: Option<OwnedSemaphorePermit>,
}

impl Places {
    /// As many as there is room for, all free.
    pub(crate) fn new(room: Room) -> Self {
        Self {
            outside: Arc::new(Semaphore::new(room.outside)),
            inside: Arc::new(Semaphore::new(room.inside)),
            of_one_run: room.of_one_run,
            shares: Mutex::default(),
        }
    }

    /// A place for a process of that side; none if its side has no more.
    pub(crate) fn take(&self, side: Side) -> Option<Place> {
        let (all, share) = match side {
            Side::Outside => (&self.outside, None),
            Side::Inside(_) | Side::Unknown => (&self.inside, Some(self.share(side))),
        };
        let of_share = share.map(Semaphore::try_acquire_owned).transpose().ok()?;
        let of_all = Arc::clone(all).try_acquire_owned().ok()?;
        Some(Place { _of_all: of_all, _of_share: of_share })
    }

    // A share lives as long as a place of it, so there are never more than places.
    fn share(&self, side: Side) -> Arc<Semaphore> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(&side).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Semaphore::new(self.of_one_run));
        shares.insert(side, Arc::downgrade(&share));
        share
    }
}

#[cfg(test)]
mod tests {
    use marque_domain::{Id, Timestamp};

    use super::{Places, Room, Side};

    // threat 162
    #[test]
    fn no_run_takes_a_place_from_a_human_or_more_than_its_share_from_another() {
        let places = Places::new(Room { outside: 1, inside: 5, of_one_run: 2 });
        let run = |byte| Side::Inside(Id::new(Timestamp::from_millis(1), [byte; 10]));
        let sides = [run(1), run(2), Side::Unknown, run(3)];
        let taken = sides.map(|side| [(); 3].map(|()| places.take(side)));
        let counts = taken.each_ref().map(|of_one| of_one.iter().flatten().count());
        assert_eq!(counts, [2, 2, 1, 0]);
        let human = places.take(Side::Outside);
        assert!(human.is_some() && places.take(Side::Outside).is_none());
        drop(taken);
        assert!(places.take(run(3)).is_some(), "a place that was left is free");
    }
}
