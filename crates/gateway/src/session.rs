//! One client connection: the run it belongs to, and what is under way on it.
//!
//! A connection serves one run for all its life, so that cutting the run cuts the connection and
//! nothing an earlier run left on it is ever used by another. At the reverse door each request
//! proves itself, and clients keep connections longer than runs: there a connection carries
//! requests of several, and each of them is a session of its own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use marque_domain::{AccessToken, Id};
use marque_plane::LiveRun;
use tokio::sync::SetOnce;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::gateway::Shared;
use crate::places::{RunPlace, StrangerPlace};
use crate::refuse::Notice;
use crate::tally::Door;

/// How often it is looked whether a token was taken back.
const LOOK_PAUSE: Duration = Duration::from_millis(500);

/// What is known of one client connection.
pub(crate) struct Session {
    pub(crate) shared: Arc<Shared>,
    /// The door it came in through.
    pub(crate) door: Door,
    run: SetOnce<Member>,
    /// Held until the run is known.
    stranger: Mutex<Option<StrangerPlace>>,
    crowded_out: CancellationToken,
    /// Requests and acts of the connection.
    in_flight: Arc<AtomicUsize>,
    /// Whether each request on it proves whose it is.
    is_carrier: bool,
    /// Tokens that what is done here rests on.
    rests_on: Vec<Id<AccessToken>>,
}

impl Session {
    /// A connection at the proxy that belongs to nobody yet.
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let stranger = shared.places.of_stranger();
        Self {
            shared,
            door: Door::Proxy,
            run: SetOnce::new(),
            crowded_out: stranger.lost(),
            stranger: Mutex::new(Some(stranger)),
            in_flight: Arc::default(),
            is_carrier: false,
            rests_on: Vec::new(),
        }
    }

    /// A connection at the reverse door, which carries requests of whoever proves to be a run.
    pub(crate) fn carrier(shared: Arc<Shared>) -> Self {
        Self { door: Door::Reverse, is_carrier: true, ..Self::new(shared) }
    }

    /// One request on this connection, which is that run's and rests on these tokens.
    ///
    /// # Errors
    /// What the client is told where the run has no place left, for it or for the connection.
    pub(crate) fn carry(
        &self,
        live: &Arc<LiveRun>,
        rests_on: Vec<Id<AccessToken>>,
    ) -> Result<Self, Notice> {
        self.belong_to(live)?;
        let place = self.shared.places.of_request_in(live.root);
        let place = place.inspect_err(|_| self.shared.tally.ended(self.door, "crowded"))?;
        self.shared.attend(live);
        Ok(Self {
            shared: Arc::clone(&self.shared),
            door: self.door,
            run: SetOnce::new_with(Some(Member { live: Arc::clone(live), place })),
            stranger: Mutex::new(None),
            crowded_out: CancellationToken::new(),
            in_flight: Arc::clone(&self.in_flight),
            is_carrier: false,
            rests_on,
        })
    }

    /// A connection that is that run's from the beginning, because a door of the run proves it.
    ///
    /// # Errors
    /// As for [`Session::belong_to`].
    pub(crate) fn of_run(shared: Arc<Shared>, live: &Arc<LiveRun>) -> Result<Self, Notice> {
        let door = Door::Captured;
        let place = place_in(&shared, door, live)?;
        Ok(Self {
            shared,
            door,
            run: SetOnce::new_with(Some(Member { live: Arc::clone(live), place })),
            stranger: Mutex::new(None),
            crowded_out: CancellationToken::new(),
            in_flight: Arc::default(),
            is_carrier: false,
            rests_on: Vec::new(),
        })
    }

    /// Makes the connection that run's; says so where it is another's already, or where the run
    /// has no place left for it. One that carries requests of several takes its place from the
    /// first.
    pub(crate) fn belong_to(&self, live: &Arc<LiveRun>) -> Result<(), Notice> {
        if !self.run.initialized() {
            let place = place_in(&self.shared, self.door, live)?;
            // Losing this race to another request of the same run is fine.
            let _first = self.run.set(Member { live: Arc::clone(live), place });
            *self.stranger.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        match self.run.get() {
            Some(owner) if self.is_carrier || owner.live.run == live.run => Ok(()),
            _ => Err(Notice::malformed(
                "caller",
                "this connection belongs to another run",
                "open a connection of its own for each run",
            )),
        }
    }

    /// The place of a connection that belongs to a run.
    pub(crate) fn place(&self) -> Option<&RunPlace> {
        self.run.get().map(|member| &member.place)
    }

    /// Resolves once nothing more may pass: the run was cut, nobody knows in time which run it
    /// is, or the gateway was cut.
    pub(crate) async fn cut(&self) {
        tokio::select! {
            () = self.run_cut() => {}
            () = self.shared.cut.cancelled() => {}
        }
    }

    async fn run_cut(&self) {
        tokio::select! {
            biased;
            member = self.run.wait() => if self.is_carrier {
                std::future::pending::<()>().await;
            } else {
                member.live.cancelled().await;
            },
            () = self.crowded_out.cancelled() => {}
            () = sleep(self.shared.settings.proof) => {}
        }
    }

    /// Whether each request on it proves whose it is, and takes a place of its own.
    pub(crate) fn is_carrier(&self) -> bool {
        self.is_carrier
    }

    /// Resolves once a token is taken back that what is done here rests on. Does not borrow.
    pub(crate) fn taken_back(&self) -> impl Future<Output = ()> + Send + use<> {
        let (plane, rests_on) = (self.shared.plane.clone(), self.rests_on.clone());
        async move {
            if rests_on.is_empty() {
                return std::future::pending().await;
            }
            while !plane.were_taken_back(&rests_on) {
                sleep(LOOK_PAUSE).await;
            }
        }
    }

    /// Whether an answer is under way.
    pub(crate) fn is_answering(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) > 0
    }
}

fn place_in(shared: &Arc<Shared>, door: Door, live: &Arc<LiveRun>) -> Result<RunPlace, Notice> {
    let place = shared.places.of_tree(live.root);
    let place = place.inspect_err(|_| shared.tally.ended(door, "crowded"))?;
    shared.attend(live);
    Ok(place)
}

struct Member {
    live: Arc<LiveRun>,
    place: RunPlace,
}

/// Counts as under way for as long as it lives.
pub(crate) struct InFlight(Arc<Session>);

impl InFlight {
    /// One more request of that connection.
    pub(crate) fn new(session: &Arc<Session>) -> Self {
        // A request and its act overlap; they are one request.
        if session.in_flight.fetch_add(1, Ordering::Relaxed) == 0 {
            session.shared.tally.entered();
        }
        Self(Arc::clone(session))
    }

    /// The connection it came over.
    pub(crate) fn session(&self) -> &Session {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.shared.tally.left();
        }
    }
}
