//! The claim, and the factor behind every human act after it.

use std::time::Duration;

use marque_crypto::factor::PassphraseHash;
use marque_domain::user::UserState;
use marque_domain::{Event, Id, User, UserName, UserRef, Verb};

use super::{Detailed, changed};
use crate::caller::{Acting, Factor, Peer, Presented};
use crate::error::{AdminError, AdminKind};
use crate::failure::Failure;
use crate::plane::Plane;
use crate::sequence::Durability;
use crate::step::Step;
use crate::view::{ClaimView, UnlockView, WhoamiView};
use crate::world::MeterKey;

/// The longest a terminal stays unlocked.
const MAX_UNLOCK_SECS: u64 = 8 * 3_600;

impl Plane {
    /// Makes the caller the first administrator. Possible once; it is log entry 0.
    pub async fn claim(&self, peer: &Peer, factor: Factor) -> Result<ClaimView, AdminError> {
        self.must_be_outside(peer)?;
        if !self.world().users.is_empty() {
            return Err(already_claimed());
        }
        let name = factor.user.ok_or_else(|| {
            AdminError::new(AdminKind::Invalid, "a claim needs the name of who claims")
                .hint("say who you are: `marque claim --name alice`")
        })?;
        let check = self.hash_passphrase(factor.passphrase).await?;
        let log_key = self.signer().digest();
        self.sequencer()
            .submit(Durability::Disk, move |step| {
                if step.head.size() > 0 {
                    return Err(already_claimed());
                }
                let user = User {
                    id: step.id(),
                    name: name.clone(),
                    is_admin: true,
                    added_at: step.now,
                    state: UserState::Live,
                };
                let by = UserRef::from(&user);
                step.tx.put_factor(user.id, &check)?;
                step.save(user)?;
                step.append(Event::Claimed { by, log_key })?;
                step.set_log_key(log_key);
                record_start(step, 0)?;
                Ok(())
            })
            .await?;
        self.claimed().ok_or_else(AdminError::unavailable)
    }

    /// Opens the peer's terminal for administrative verbs, for a while.
    pub async fn unlock(
        &self,
        peer: &Peer,
        factor: Factor,
        ttl_secs: u64,
    ) -> Result<UnlockView, AdminError> {
        if !(1..=MAX_UNLOCK_SECS).contains(&ttl_secs) {
            let message =
                format!("a terminal can be unlocked for 1 s to {} h", MAX_UNLOCK_SECS / 3_600);
            return Err(AdminError::new(AdminKind::Invalid, message));
        }
        let tty = peer.own_session().ok_or_else(AdminError::no_terminal)?.tty;
        self.must_be_free(peer)?;
        let user = self.prove_human(peer, factor).await?;
        let now = self.now();
        let until = now.plus(Duration::from_secs(ttl_secs));
        let by = user.clone();
        self.sequencer()
            .submit(Durability::Disk, move |step| {
                let change = changed(Verb::TerminalUnlocked, &by, None, format!("tty {tty}"));
                step.append(change.detail("until", until).event())?;
                Ok::<_, Failure>(())
            })
            .await?;
        self.inner().humans.unlock(peer, user.clone(), until, now)?;
        Ok(UnlockView { user: user.name, until })
    }

    /// Whether a terminal is unlocked: a promise that would end with the server.
    pub fn is_anybody_unlocked(&self) -> bool {
        self.inner().humans.is_anybody_unlocked(self.now())
    }

    /// Closes the peer's terminal again.
    pub fn lock(&self, peer: &Peer) {
        if let Some(session) = peer.session {
            self.inner().humans.lock(session);
        }
    }

    /// Who asks.
    pub fn whoami(&self, peer: &Peer, presented: &Presented) -> WhoamiView {
        let world = self.world();
        let proven = self.identify_run(presented).ok().map(|acting| acting.run());
        let run = proven.or_else(|| self.run_of(peer));
        if let Some(run) = run.and_then(|run| world.runs.get(run)) {
            return WhoamiView::Run(Box::new(self.show(&world).run(&run.fact)));
        }
        match self.inner().humans.at_terminal(peer, self.now()) {
            Some((user, until)) => {
                WhoamiView::User { user: user.name, id: user.id, until: Some(until) }
            }
            None => WhoamiView::Nobody,
        }
    }

    /// Who claimed the plane.
    pub(crate) fn claimed(&self) -> Option<ClaimView> {
        let world = self.world();
        let first = world.users.all().min_by_key(|user| user.fact.added_at)?;
        Some(ClaimView {
            by: first.fact.name.clone(),
            at: first.fact.added_at,
            log_key: self.verifier_key().to_string(),
        })
    }

    pub(crate) async fn stored_factor(
        &self,
        user: Id<User>,
    ) -> Result<Option<PassphraseHash>, AdminError> {
        let store = self.inner().store.clone();
        let read = self.blocking(move || store.read("factor", |tx| tx.factor(user)));
        Ok(read.await??.and_then(|stored| PassphraseHash::from_phc(&stored).ok()))
    }

    /// Records that a wrong passphrase was given for a user there is; a name nobody has is only
    /// counted, because an entry names a human.
    pub(crate) async fn record_failed_factor(&self, tried: Option<UserRef>) {
        metrics::counter!("marque_factors_failed_total").increment(1);
        let Some(tried) = tried else { return };
        let recorded = self.sequencer().submit(Durability::Read, move |step| {
            if !step.may_record(MeterKey::Factors) {
                return Ok(());
            }
            let label = "a wrong passphrase was given";
            step.append(changed(Verb::FactorFailed, &tried, None, label).event())?;
            Ok::<_, Failure>(())
        });
        if let Err(failure) = recorded.await {
            tracing::error!(%failure, "a failed factor could not be recorded");
        }
    }

    async fn hash_passphrase(
        &self,
        passphrase: marque_crypto::Secret,
    ) -> Result<String, AdminError> {
        let cost = self.inner().parts.factor_cost;
        let random = std::sync::Arc::clone(&self.inner().parts.random);
        self.blocking(move || {
            PassphraseHash::create(cost, &*random, &passphrase)
                .map(|hash| hash.to_phc())
                .map_err(|error| AdminError::invalid(&error))
        })
        .await?
    }

    /// The name of whoever acts, as a reference for entries.
    pub(crate) fn by(who: &Acting<User>) -> UserRef {
        who.user().clone()
    }

    /// A user by name.
    pub(crate) fn user_named(&self, name: &UserName) -> Result<Id<User>, AdminError> {
        let world = self.world();
        let found = world.user_named(name).filter(|user| user.fact.is_live());
        found.map(|user| user.fact.id).ok_or_else(|| {
            AdminError::new(AdminKind::NotFound, format!("there is no user `{name}`"))
                .hint("the only user so far is the one who claimed the plane")
        })
    }
}

fn already_claimed() -> AdminError {
    AdminError::new(AdminKind::AlreadyClaimed, "this plane is already claimed")
        .hint("see who did with `marque log show 0`")
}

/// Records that a server started under the policies in force.
pub(crate) fn record_start(step: &mut Step<'_, '_>, unknown_outcomes: u64) -> Result<(), Failure> {
    let policies = std::sync::Arc::clone(&step.world.policies);
    step.tx.put_policy_text(&policies.digest, policies.set.canonical_text())?;
    step.append(Event::Started {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        policy_digest: policies.digest,
        unknown_outcomes,
    })?;
    Ok(())
}
