//! Places: how many connections and whole bodies anybody may take at once.
//!
//! A connection is a stranger's until it proves which run it is of. Strangers take no place from a
//! run, and no run takes more than its share, so that whoever takes all it can starves nobody
//! else (threats 93 and 164).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use marque_domain::{Id, Run};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::gateway::GatewaySettings;
use crate::refuse::Notice;

/// Most bodies held in memory at once, so 32 MiB in all.
const BODIES_MAX: usize = 32;
/// Most of them that are one tree's.
const RUN_BODIES_MAX: usize = 4;
/// Most WebSockets open at once: in each of them a message of 1 MiB may wait each way, twice.
const SOCKETS_MAX: usize = 128;
/// Most of them that are one tree's.
const RUN_SOCKETS_MAX: usize = 16;
/// How long a body waits for a place.
const BODY_WAIT: Duration = Duration::from_secs(30);

/// The places of one gateway.
pub(crate) struct Places {
    strangers: Arc<Mutex<Strangers>>,
    strangers_max: usize,
    connections: Arc<Semaphore>,
    /// Of requests that share a connection with others.
    requests: Arc<Semaphore>,
    run_connections_max: usize,
    bodies: Arc<Semaphore>,
    sockets: Arc<Semaphore>,
    shares: Mutex<HashMap<Id<Run>, Weak<Share>>>,
}

/// The places of one tree of runs.
struct Share {
    connections: Arc<Semaphore>,
    requests: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
    sockets: Arc<Semaphore>,
}

impl Places {
    /// As many as the settings say, all free.
    pub(crate) fn new(settings: &GatewaySettings) -> Self {
        Self {
            strangers: Arc::default(),
            strangers_max: settings.strangers_max,
            connections: Arc::new(Semaphore::new(settings.connections_max)),
            requests: Arc::new(Semaphore::new(settings.connections_max)),
            run_connections_max: settings.run_connections_max,
            bodies: Arc::new(Semaphore::new(BODIES_MAX)),
            sockets: Arc::new(Semaphore::new(SOCKETS_MAX)),
            shares: Mutex::default(),
        }
    }

    /// A place for a connection nobody knows yet. Where all are taken, the oldest stranger loses
    /// its own: whoever means to prove something does so at once.
    pub(crate) fn of_stranger(&self) -> StrangerPlace {
        let lost = CancellationToken::new();
        let mut strangers = lock(&self.strangers);
        if strangers.lost.len() >= self.strangers_max
            && let Some((_, oldest)) = strangers.lost.pop_first()
        {
            tracing::debug!("a connection is cut that has not said whose it is: too many wait");
            oldest.cancel();
        }
        strangers.came += 1;
        let number = strangers.came;
        strangers.lost.insert(number, lost.clone());
        StrangerPlace { number, lost, strangers: Arc::clone(&self.strangers) }
    }

    /// A place for a connection of a run in that tree: opening children buys nothing.
    ///
    /// # Errors
    /// What the client is told where the run has its share, or all runs have everything.
    pub(crate) fn of_tree(&self, root: Id<Run>) -> Result<RunPlace, Notice> {
        let share = self.share(root);
        let of_share = Arc::clone(&share.connections).try_acquire_owned().map_err(|_| {
            Notice::crowded("this run has too many connections open", "close some, and try again")
        })?;
        let of_all = Arc::clone(&self.connections)
            .try_acquire_owned()
            .map_err(|_| Notice::crowded("too many connections are open", "try again"))?;
        let (requests, bodies) = (Arc::clone(&self.requests), Arc::clone(&self.bodies));
        let sockets = Arc::clone(&self.sockets);
        Ok(RunPlace { share, requests, bodies, sockets, _places: [of_share, of_all] })
    }

    /// A place for a request of a run in that tree, on a connection that carries those of several.
    ///
    /// # Errors
    /// As for [`RunPlace::of_request`].
    pub(crate) fn of_request_in(&self, root: Id<Run>) -> Result<RunPlace, Notice> {
        let share = self.share(root);
        let places = take_request(&share, &self.requests)?;
        let (requests, bodies) = (Arc::clone(&self.requests), Arc::clone(&self.bodies));
        let sockets = Arc::clone(&self.sockets);
        Ok(RunPlace { share, requests, bodies, sockets, _places: places })
    }

    // A share lives as long as a place of it, so there are never more than connections.
    fn share(&self, root: Id<Run>) -> Arc<Share> {
        let mut shares = lock(&self.shares);
        if let Some(share) = shares.get(&root).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Share {
            connections: Arc::new(Semaphore::new(self.run_connections_max)),
            requests: Arc::new(Semaphore::new(self.run_connections_max)),
            bodies: Arc::new(Semaphore::new(RUN_BODIES_MAX)),
            sockets: Arc::new(Semaphore::new(RUN_SOCKETS_MAX)),
        });
        shares.insert(root, Arc::downgrade(&share));
        share
    }
}

/// Who waits to be known, the oldest first.
#[derive(Default)]
struct Strangers {
    came: u64,
    lost: BTreeMap<u64, CancellationToken>,
}

/// A stranger's place, until it is dropped or lost.
pub(crate) struct StrangerPlace {
    number: u64,
    lost: CancellationToken,
    strangers: Arc<Mutex<Strangers>>,
}

impl StrangerPlace {
    /// Cancelled once the place is lost to a newcomer.
    pub(crate) fn lost(&self) -> CancellationToken {
        self.lost.clone()
    }
}

impl Drop for StrangerPlace {
    fn drop(&mut self) {
        lock(&self.strangers).lost.remove(&self.number);
    }
}

/// The place of one connection of a run, or of one request where connections are nobody's.
pub(crate) struct RunPlace {
    share: Arc<Share>,
    requests: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
    sockets: Arc<Semaphore>,
    _places: [OwnedSemaphorePermit; 2],
}

impl RunPlace {
    /// A place for one of many requests on a connection: there are as many as connections, so that
    /// a run gains nothing by sharing one.
    ///
    /// # Errors
    /// What the client is told where the run has its share, or all runs have everything.
    pub(crate) fn of_request(&self) -> Result<RequestPlace, Notice> {
        Ok(RequestPlace { _places: take_request(&self.share, &self.requests)? })
    }

    /// A place for one WebSocket.
    ///
    /// # Errors
    /// As for [`RunPlace::of_request`].
    pub(crate) fn of_socket(&self) -> Result<SocketPlace, Notice> {
        let of_share = Arc::clone(&self.share.sockets).try_acquire_owned().map_err(|_| {
            Notice::crowded("this run has too many WebSockets open", "close some, and try again")
        })?;
        let of_all = Arc::clone(&self.sockets)
            .try_acquire_owned()
            .map_err(|_| Notice::crowded("too many WebSockets are open", "try again"))?;
        Ok(SocketPlace { _places: [of_share, of_all] })
    }

    /// Waits for room for one body that is read whole.
    ///
    /// # Errors
    /// What the client is told where there is none for long.
    pub(crate) async fn of_body(&self) -> Result<BodyPlace, Notice> {
        let waiting = async {
            // ORDER: the tree's own share first, so that its queue is not everybody's.
            let of_share = Arc::clone(&self.share.bodies).acquire_owned().await.ok()?;
            let of_all = Arc::clone(&self.bodies).acquire_owned().await.ok()?;
            Some(BodyPlace { _places: [of_share, of_all] })
        };
        let place = timeout(BODY_WAIT, waiting).await.ok().flatten();
        place.ok_or_else(|| Notice::crowded("too many bodies are being read", "try again"))
    }
}

/// The place of one request among many on a connection.
pub(crate) struct RequestPlace {
    _places: [OwnedSemaphorePermit; 2],
}

/// The place of one open WebSocket.
pub(crate) struct SocketPlace {
    _places: [OwnedSemaphorePermit; 2],
}

/// The place of one body in memory.
pub(crate) struct BodyPlace {
    _places: [OwnedSemaphorePermit; 2],
}

fn take_request(
    share: &Share,
    requests: &Arc<Semaphore>,
) -> Result<[OwnedSemaphorePermit; 2], Notice> {
    let of_share = Arc::clone(&share.requests).try_acquire_owned().map_err(|_| {
        Notice::crowded("this run has too many requests under way", "wait for some to end")
    })?;
    let of_all = Arc::clone(requests)
        .try_acquire_owned()
        .map_err(|_| Notice::crowded("too many requests are under way", "try again"))?;
    Ok([of_share, of_all])
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
