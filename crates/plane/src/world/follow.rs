//! Following: what another server of the plane changed, done to this server's world.
//!
//! Reads the facts that were named, never judges them: whoever committed them did.

use std::sync::Arc;

use marque_crypto::seal::Sealed;
use marque_domain::{
    Agent, AgentVersion, Approval, Client, Connection, Credential, Fact, FactRef, Grant, Id,
    IssuerKeys, Named as _, Run, RunState, TrustedIssuer, User,
};
use marque_store::{StoreError, Tx};

use super::{Shelved, World};
use crate::live::{Kin, LiveRun};
use crate::oauth::TokenKeys;
use crate::told::{Kept, Told};

/// What facts there are, by the beginnings of their ids.
const KINDS: [&str; 11] = [
    User::PREFIX,
    Agent::PREFIX,
    AgentVersion::PREFIX,
    Connection::PREFIX,
    Credential::PREFIX,
    Grant::PREFIX,
    Run::PREFIX,
    Approval::PREFIX,
    Client::PREFIX,
    TrustedIssuer::PREFIX,
    IssuerKeys::PREFIX,
];

impl World {
    /// What is kept of something beside the facts; `None` if there is nothing any more.
    pub(crate) fn kept(&self, kept: Kept) -> Option<String> {
        let json = match kept {
            Kept::Meter(key) => serde_json::to_string(self.meters.get(&key)?),
            Kept::Held(decision) => serde_json::to_string(&**self.held(decision)?),
            Kept::Refusals(run) => serde_json::to_string(self.refusals.get(&run)?),
            Kept::Live(run) => return self.live(run)?.kept(self.given(run)),
            Kept::TokenKeys => return self.tokens.keys().map(|keys| keys.text().to_owned()),
            Kept::Listed(place) => serde_json::to_string(self.tokens.listed.get(place)?),
            Kept::Revoked(token) => serde_json::to_string(&self.tokens.revoked_until(token)?),
            Kept::Once(until, digest) => {
                let is_known = self.tokens.used_until(digest) == Some(until);
                return is_known.then(String::new);
            }
            Kept::Deferral(code) => serde_json::to_string(&**self.deferrals.get(code)?),
        };
        json.ok()
    }

    /// Does what another server did. Adds the runs it closed to `cuts`.
    pub(crate) fn follow(
        &mut self,
        tx: &mut Tx<'_>,
        told: &Told,
        (kin, cuts): (&Kin, &mut Vec<Arc<LiveRun>>),
    ) -> Result<(), StoreError> {
        for fact in &told.facts {
            self.fetch(tx, fact)?;
            if let Some(live) = fact.id.parse::<Id<Run>>().ok().and_then(|run| self.closed(run)) {
                cuts.push(live);
            }
        }
        for credential in &told.sealed {
            self.fetch_sealed(tx, *credential)?;
        }
        self.log_key = told.log_key.or(self.log_key);
        told.kept.iter().try_for_each(|(key, body)| self.keep(key, body.as_deref(), kin))
    }

    /// Puts what was kept under a key into the world, or takes it out.
    pub(crate) fn keep(
        &mut self,
        key: &str,
        body: Option<&str>,
        kin: &Kin,
    ) -> Result<(), StoreError> {
        let damaged =
            |error: String| StoreError::Corrupt(format!("what is kept as `{key}`: {error}"));
        let unread = |error: serde_json::Error| damaged(error.to_string());
        let kept =
            key.parse::<Kept>().map_err(|unknown| StoreError::TooOld(unknown.to_string()))?;
        match (kept, body) {
            (Kept::Meter(key), Some(body)) => {
                self.set_meter(key, serde_json::from_str(body).map_err(unread)?);
            }
            (Kept::Meter(key), None) => {
                self.meters.remove_mut(&key);
            }
            (Kept::Held(decision), Some(body)) => {
                self.hold(decision, Arc::new(serde_json::from_str(body).map_err(unread)?));
            }
            (Kept::Held(decision), None) => {
                self.release(decision);
            }
            (Kept::Refusals(run), Some(body)) => {
                self.refusals.insert_mut(run, serde_json::from_str(body).map_err(unread)?);
            }
            (Kept::Refusals(run), None) => {
                self.refusals.remove_mut(&run);
            }
            (Kept::Live(run), Some(body)) if self.live(run).is_none() => {
                let live = LiveRun::of_kin(run, body, kin).map_err(damaged)?;
                if self.runs.get(run).is_some_and(|run| run.fact.state != RunState::Open) {
                    live.cut();
                }
                self.set_given(run, Arc::clone(live.given_before()));
                self.enliven(Arc::new(live));
            }
            // This server knew it before anybody told it, or what it was given since: only the
            // server that opened it gives it anything.
            (Kept::Live(_), Some(_)) | (Kept::TokenKeys, None) => {}
            (Kept::TokenKeys, Some(body)) => {
                let keys = TokenKeys::open(body, &*kin.key_manager);
                let keys = keys.map_err(|error| damaged(error.to_string()))?;
                self.tokens.set_keys(Arc::new(keys));
            }
            (Kept::Listed(place), Some(body)) => {
                self.tokens.listed.put(place, serde_json::from_str(body).map_err(unread)?);
            }
            (Kept::Listed(place), None) => self.tokens.listed.forget(place),
            (Kept::Revoked(token), Some(body)) => {
                self.tokens.revoke(token, serde_json::from_str(body).map_err(unread)?);
            }
            (Kept::Revoked(token), None) => self.tokens.forget_revoked(token),
            (Kept::Once(until, digest), Some(_)) => self.tokens.put_used(digest, until),
            (Kept::Once(until, digest), None) => {
                if self.tokens.used_until(digest) == Some(until) {
                    self.tokens.forget_used(digest);
                }
            }
            (Kept::Deferral(code), Some(body)) => {
                self.deferrals.put(code, Arc::new(serde_json::from_str(body).map_err(unread)?));
            }
            (Kept::Deferral(code), None) => self.deferrals.forget(code),
            (Kept::Live(run), None) => self.bury(run),
        }
        Ok(())
    }

    fn closed(&self, run: Id<Run>) -> Option<Arc<LiveRun>> {
        let is_closed = matches!(self.runs.get(run)?.fact.state, RunState::Closed { .. });
        self.live(run).filter(|_| is_closed).cloned()
    }

    fn fetch(&mut self, tx: &mut Tx<'_>, fact: &FactRef) -> Result<(), StoreError> {
        let found = self.fetch_as::<User>(tx, fact)?
            || self.fetch_as::<Agent>(tx, fact)?
            || self.fetch_as::<AgentVersion>(tx, fact)?
            || self.fetch_as::<Connection>(tx, fact)?
            || self.fetch_as::<Credential>(tx, fact)?
            || self.fetch_as::<Grant>(tx, fact)?
            || self.fetch_as::<Run>(tx, fact)?
            || self.fetch_as::<Approval>(tx, fact)?
            || self.fetch_as::<Client>(tx, fact)?
            || self.fetch_as::<TrustedIssuer>(tx, fact)?
            || self.fetch_as::<IssuerKeys>(tx, fact)?;
        if found {
            return Ok(());
        }
        let is_known = |prefix: &str| fact.id.starts_with(&format!("{prefix}_"));
        Err(if KINDS.into_iter().any(is_known) {
            StoreError::Corrupt(format!("a fact that was told of is not there: {fact}"))
        } else {
            StoreError::TooOld(format!("`{fact}` was told of, of a kind it does not know"))
        })
    }

    // Whether it is a fact of that kind, and there.
    fn fetch_as<T: Shelved + Fact>(
        &mut self,
        tx: &mut Tx<'_>,
        fact: &FactRef,
    ) -> Result<bool, StoreError> {
        let Ok(id) = fact.id.parse::<Id<T>>() else { return Ok(false) };
        let Some(revised) = tx.get_revision(id, fact.revision)? else { return Ok(false) };
        T::place(self, Arc::new(revised));
        Ok(true)
    }

    fn fetch_sealed(
        &mut self,
        tx: &mut Tx<'_>,
        credential: Id<Credential>,
    ) -> Result<(), StoreError> {
        match tx.sealed(credential, self.credentials.revision(credential))? {
            Some(bytes) => {
                let sealed = Sealed::from_bytes(&bytes)
                    .map_err(|error| StoreError::Corrupt(format!("{credential}: {error}")))?;
                self.seal(credential, Arc::new(sealed));
            }
            None => self.unseal_never(credential),
        }
        Ok(())
    }
}
