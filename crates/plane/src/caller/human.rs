//! Humans: the factor that proves one, and the terminals they have unlocked for a while.
//!
//! A uid proves nothing here: an agent may run under the same one. What proves a human is the
//! passphrase, checked by a memory-hard function, few at a time and ever slower after failures.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use marque_crypto::Secret;
use marque_crypto::factor::PassphraseHash;
use marque_domain::{Id, Timestamp, User, UserName, UserRef};
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

/// A human's proof of presence.
pub struct Factor {
    /// Who they say they are; the only user there is, if not said.
    pub user: Option<UserName>,
    /// The passphrase.
    pub passphrase: Secret,
}

/// Who has unlocked which terminal, and who must wait.
pub(crate) struct Humans {
    checks: Semaphore,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    unlocked: HashMap<TerminalSession, Unlocked>,
    failures: HashMap<Id<User>, Failures>,
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

impl Default for Humans {
    fn default() -> Self {
        Self { checks: Semaphore::new(CHECKS), state: Mutex::default() }
    }
}

impl Humans {
    /// Checks a factor. `Err` with [`AdminKind::BadFactor`] counts against the user.
    pub(crate) async fn prove(
        &self,
        world: &World,
        stored: impl Fn(Id<User>) -> Option<PassphraseHash>,
        (factor, now): (Factor, Timestamp),
        tasks: &TaskTracker,
    ) -> Result<UserRef, AdminError> {
        let user = who_is_meant(world, factor.user.as_ref())?;
        self.must_not_wait(user.id, now)?;
        let hash = stored(user.id).ok_or_else(AdminError::bad_factor)?;
        let _slot = self.checks.acquire().await.map_err(|_| AdminError::unavailable())?;
        let passphrase = factor.passphrase;
        let check = tasks.spawn_blocking(move || hash.verify(&passphrase));
        if check.await.unwrap_or(false) {
            self.state().failures.remove(&user.id);
            return Ok(user);
        }
        self.count_failure(user.id, now);
        Err(AdminError::bad_factor())
    }

    /// Opens a terminal for administrative verbs. Only a peer with a terminal has one to open.
    pub(crate) fn unlock(
        &self,
        peer: &Peer,
        user: UserRef,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), AdminError> {
        let session = peer.session.ok_or_else(|| {
            AdminError::new(AdminKind::Invalid, "there is no terminal to unlock")
                .hint("give the passphrase with each command: `--passphrase-file FILE`")
        })?;
        let mut state = self.state();
        state.unlocked.retain(|_, unlocked| now < unlocked.until);
        if state.unlocked.len() >= MAX_UNLOCKED {
            return Err(AdminError::unavailable());
        }
        state.unlocked.insert(session, Unlocked { user, until });
        Ok(())
    }

    /// Closes a terminal again.
    pub(crate) fn lock(&self, session: TerminalSession) {
        self.state().unlocked.remove(&session);
    }

    /// Who has unlocked the peer's terminal, and until when.
    pub(crate) fn at_terminal(&self, peer: &Peer, now: Timestamp) -> Option<(UserRef, Timestamp)> {
        let state = self.state();
        let unlocked = peer.session.and_then(|session| state.unlocked.get(&session))?;
        (now < unlocked.until).then(|| (unlocked.user.clone(), unlocked.until))
    }

    fn must_not_wait(&self, user: Id<User>, now: Timestamp) -> Result<(), AdminError> {
        let again_at = self.state().failures.get(&user).map(|failures| failures.again_at);
        match again_at {
            Some(again_at) if now < again_at => {
                let secs = again_at.since(now).as_secs().max(1);
                let message = format!("too many wrong passphrases: the next try is in {secs} s");
                Err(AdminError::new(AdminKind::BadFactor, message))
            }
            _ => Ok(()),
        }
    }

    fn count_failure(&self, user: Id<User>, now: Timestamp) {
        let mut state = self.state();
        let failures = state.failures.entry(user).or_insert(Failures { count: 0, again_at: now });
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

fn who_is_meant(world: &World, named: Option<&UserName>) -> Result<UserRef, AdminError> {
    let found = match named {
        Some(name) => world.user_named(name),
        None => world.users.all().next().filter(|_| world.users.len() == 1),
    };
    // An unknown user is answered like a wrong passphrase: names are not for the guessing.
    let found = found.filter(|user| user.fact.is_live()).ok_or_else(AdminError::bad_factor)?;
    Ok(UserRef::from(&found.fact))
}

impl Acting<User> {
    /// A proven human. Callers are [`crate::Plane::identify`] and the claim.
    pub(crate) fn proven(user: UserRef, is_dry_run: bool) -> Self {
        Self { who: Who::User(user), is_dry_run, kind: PhantomData }
    }
}
