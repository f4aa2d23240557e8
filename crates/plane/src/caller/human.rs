//! Humans: the factor that proves one, and the terminals they have unlocked for a while.
//!
//! A uid proves nothing here: an agent may run under the same one. What proves a human is the
//! passphrase, checked by a memory-hard function, few at a time and ever slower after failures.

use std::collections::{HashMap, HashSet};
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use marque_crypto::factor::{Cost, PassphraseHash};
use marque_crypto::machine::MachineSecret;
use marque_crypto::{Secret, SystemRandom};
use marque_domain::{Id, Run, Timestamp, User, UserName, UserRef};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::{Acting, Peer, TerminalSession, Who};
use crate::error::{AdminError, AdminKind};
use crate::world::World;

/// Passphrases checked at once; each takes 64 MiB for some tenths of a second.
const CHECKS: usize = 2;
/// Failures before waiting begins.
const FREE_FAILURES: u32 = 3;
/// The longest a human waits after failures.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// Terminals that may be unlocked at once.
const MAX_UNLOCKED: usize = 256;
/// Terminals that runs may sit at, those whose launcher died included.
const MAX_OCCUPIED: usize = 4_096;
/// Places whose failures are remembered before old ones are forgotten.
const MAX_PLACES: usize = 4_096;

/// A human's proof of presence.
pub struct Factor {
    /// Who they say they are; the only user there is, if not said.
    pub user: Option<UserName>,
    /// The passphrase.
    pub passphrase: Secret,
}

/// Who has unlocked which terminal, which ones runs sit at, and who must wait.
pub(crate) struct Humans {
    checks: Semaphore,
    state: Mutex<State>,
    decoy: Arc<Decoy>,
}

/// What is checked for a name nobody has, so that it takes as long as a wrong passphrase. Made
/// beside the start, not before it: it costs what a passphrase costs.
pub(crate) struct Decoy {
    cost: Cost,
    hash: OnceLock<Option<PassphraseHash>>,
}

impl Decoy {
    pub(crate) fn new(cost: Cost) -> Self {
        Self { cost, hash: OnceLock::new() }
    }

    /// Makes it now, unless it is made.
    pub(crate) fn prepare(&self) -> Option<&PassphraseHash> {
        let make = || {
            let secret = MachineSecret::generate(&SystemRandom).expose_text();
            let secret = Secret::from_vec(secret.as_bytes().to_vec());
            PassphraseHash::create(self.cost, &SystemRandom, &secret).ok()
        };
        self.hash.get_or_init(make).as_ref()
    }
}

/// Whose passphrase is tried, from where.
pub(crate) struct Tried {
    /// Who is meant; `None` for a name nobody has.
    pub(crate) user: Option<UserRef>,
    /// What their passphrase is checked against.
    pub(crate) hash: Option<PassphraseHash>,
    /// The terminal it comes from.
    pub(crate) session: Option<TerminalSession>,
}

/// Failures count by user and place.
type Place = (Option<Id<User>>, Option<TerminalSession>);

#[derive(Default)]
struct State {
    unlocked: HashMap<TerminalSession, Unlocked>,
    failures: HashMap<Place, Failures>,
    occupied: HashMap<TerminalSession, HashSet<Id<Run>>>,
}

#[derive(Clone)]
struct Unlocked {
    user: UserRef,
    until: Timestamp,
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    again_at: Timestamp,
}

impl Humans {
    /// Nobody has unlocked anything yet.
    pub(crate) fn new(decoy: Arc<Decoy>) -> Self {
        Self { checks: Semaphore::new(CHECKS), state: Mutex::default(), decoy }
    }

    /// Checks a passphrase. A wrong one counts against the user at that terminal, and against
    /// nobody elsewhere: whoever guesses in one place locks nobody out of another.
    pub(crate) async fn prove(
        &self,
        tried: Tried,
        passphrase: Secret,
        now: Timestamp,
        tasks: &TaskTracker,
    ) -> Result<UserRef, AdminError> {
        let _slot = self.checks.acquire().await.map_err(|_| AdminError::unavailable())?;
        let place = (tried.user.as_ref().map(|user| user.id), tried.session);
        // ORDER: after the slot. Whoever waited for it waited while others guessed wrong.
        self.must_not_wait(place, now)?;
        let decoy = Arc::clone(&self.decoy);
        let check = tasks.spawn_blocking(move || match &tried.hash {
            Some(hash) => hash.verify(&passphrase),
            None => decoy.prepare().is_some_and(|hash| hash.verify(&passphrase)),
        });
        let is_right = check.await.unwrap_or(false);
        match tried.user {
            Some(user) if is_right => {
                self.state().failures.remove(&place);
                Ok(user)
            }
            _ => {
                self.count_failure(place, now);
                Err(AdminError::bad_factor())
            }
        }
    }

    /// Opens a terminal for administrative verbs. Only a peer with a terminal has one to open.
    pub(crate) fn unlock(
        &self,
        peer: &Peer,
        user: UserRef,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), AdminError> {
        let session = peer.own_session().ok_or_else(AdminError::no_terminal)?;
        let mut state = self.state();
        state.unlocked.retain(|_, unlocked| now < unlocked.until);
        if state.unlocked.len() >= MAX_UNLOCKED && !state.unlocked.contains_key(&session) {
            return Err(AdminError::unavailable());
        }
        state.unlocked.insert(session, Unlocked { user, until });
        Ok(())
    }

    /// Whether a terminal is unlocked now.
    pub(crate) fn is_anybody_unlocked(&self, now: Timestamp) -> bool {
        self.state().unlocked.values().any(|unlocked| now < unlocked.until)
    }

    /// Closes a terminal again.
    pub(crate) fn lock(&self, session: TerminalSession) {
        self.state().unlocked.remove(&session);
    }

    /// Who has unlocked the peer's terminal, and until when.
    ///
    /// Nobody, while a run may sit there: a process that lost its launcher looks like any other
    /// of the terminal it was started from.
    pub(crate) fn at_terminal(&self, peer: &Peer, now: Timestamp) -> Option<(UserRef, Timestamp)> {
        let state = self.state();
        let session = peer.own_session()?;
        if state.occupied.contains_key(&session) {
            return None;
        }
        let unlocked = state.unlocked.get(&session)?;
        (now < unlocked.until).then(|| (unlocked.user.clone(), unlocked.until))
    }

    /// A run sits at the terminal from now on.
    pub(crate) fn occupy(&self, session: TerminalSession, run: Id<Run>) -> Result<(), AdminError> {
        let mut state = self.state();
        if state.occupied.len() >= MAX_OCCUPIED && !state.occupied.contains_key(&session) {
            return Err(AdminError::unavailable());
        }
        state.occupied.entry(session).or_default().insert(run);
        Ok(())
    }

    /// A run that an earlier server opened sits there still.
    pub(crate) fn occupy_again(&self, session: TerminalSession, run: Id<Run>) {
        // Bounded by the runs that are open.
        self.state().occupied.entry(session).or_default().insert(run);
    }

    /// The run's launcher says that no process of the run is left there. Without that word the
    /// terminal stays occupied for good.
    pub(crate) fn vacate(&self, session: TerminalSession, run: Id<Run>) {
        let mut state = self.state();
        if let Some(runs) = state.occupied.get_mut(&session) {
            runs.remove(&run);
            if runs.is_empty() {
                state.occupied.remove(&session);
            }
        }
    }

    /// A run that may sit at the terminal.
    pub(crate) fn occupant(&self, session: TerminalSession) -> Option<Id<Run>> {
        self.state().occupied.get(&session).and_then(|runs| runs.iter().min().copied())
    }

    fn must_not_wait(&self, place: Place, now: Timestamp) -> Result<(), AdminError> {
        let again_at = self.state().failures.get(&place).map(|failures| failures.again_at);
        match again_at {
            Some(again_at) if now < again_at => {
                let secs = again_at.since(now).as_secs().max(1);
                let message = format!("too many wrong passphrases: the next try is in {secs} s");
                Err(AdminError::new(AdminKind::Delayed, message)
                    .hint("nothing was checked; wait, or use another terminal"))
            }
            _ => Ok(()),
        }
    }

    fn count_failure(&self, place: Place, now: Timestamp) {
        let mut state = self.state();
        if state.failures.len() >= MAX_PLACES {
            state.failures.retain(|_, failures| now < failures.again_at.plus(LONGEST_WAIT));
        }
        let failures = state.failures.entry(place).or_insert(Failures { count: 0, again_at: now });
        failures.count = failures.count.saturating_add(1);
        let doublings = failures.count.saturating_sub(FREE_FAILURES).min(16);
        if doublings > 0 {
            failures.again_at = now.plus(Duration::from_secs(1 << doublings).min(LONGEST_WAIT));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whom a factor names: the only user there is, if it names none.
pub(crate) fn who_is_meant(world: &World, named: Option<&UserName>) -> Option<UserRef> {
    let found = match named {
        Some(name) => world.user_named(name),
        None => world.users.all().next().filter(|_| world.users.len() == 1),
    };
    found.filter(|user| user.fact.is_live()).map(|user| UserRef::from(&user.fact))
}

impl Acting<User> {
    /// A proven human. Callers are [`crate::Plane::identify`] and the claim.
    pub(crate) fn proven(user: UserRef, is_dry_run: bool) -> Self {
        Self { who: Who::User(user), is_dry_run, kind: PhantomData }
    }
}
