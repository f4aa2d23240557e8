//! What the token service knows beside the facts: its keys, what was taken back, what was used.
//!
//! Proofs and assertions are good once. Which were used lies beside the facts in the store, so that
//! neither a restart nor another server forgets one before its time is up (threat 56); when there
//! is no room for one more, it is refused (threat 63).

use std::sync::Arc;
use std::time::Duration;

use marque_domain::{
    AccessToken, Client, Connection, Digest, Id, IssuerKeys, Run, RunState, Timestamp, TokenTarget,
    TrustedIssuer, client::ClientKeys,
};
use marque_wire::jose::JwkSet;
use rpds::{HashTrieMapSync, RedBlackTreeSetSync};

use super::key_sets::KeySets;
use super::listed::Places;
use crate::oauth::TokenKeys;

/// Most uses that are remembered at once.
const USED_MAX: usize = if cfg!(test) { 1_000 } else { 1_000_000 };
/// How long a token that was taken back is remembered once it is over.
const REMEMBERED: Duration = Duration::from_secs(3_600);
/// Uses whose time is up that one more use clears away.
const CLEARED: usize = 4;

/// See above.
#[derive(Clone, Default)]
pub(crate) struct Tokens {
    /// Which token has which place in which status list.
    pub(crate) listed: Places,
    keys: Option<Arc<TokenKeys>>,
    revoked: HashTrieMapSync<Id<AccessToken>, Timestamp>,
    used: HashTrieMapSync<Digest, Timestamp>,
    // The same by when they may be forgotten.
    due: RedBlackTreeSetSync<(Timestamp, Digest)>,
    issuer_keys: KeySets,
    client_keys: HashTrieMapSync<Id<Client>, Arc<JwkSet>>,
    // Of each other issuer, the clients its tokens may prove.
    clients_of: HashTrieMapSync<String, RedBlackTreeSetSync<Id<Client>>>,
    run_keys: HashTrieMapSync<Id<Run>, Arc<JwkSet>>,
    resource_keys: HashTrieMapSync<Id<Connection>, Arc<JwkSet>>,
    targets: HashTrieMapSync<String, Id<Connection>>,
    runs_of: HashTrieMapSync<(Id<Client>, Option<Digest>), Id<Run>>,
    // How many of these each client has.
    open_of: HashTrieMapSync<Id<Client>, usize>,
    // The latest moment at which anything was used: a clock that steps back forgets nothing.
    latest: Option<Timestamp>,
}

/// Why something cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// It was used before.
    Again,
    /// There is no room to remember it.
    Full,
}

impl Tokens {
    /// The keys that sign tokens; none before the service ran for the first time.
    pub(crate) fn keys(&self) -> Option<&Arc<TokenKeys>> {
        self.keys.as_ref()
    }

    pub(crate) fn set_keys(&mut self, keys: Arc<TokenKeys>) {
        self.keys = Some(keys);
    }

    /// Until when a token that was taken back would have been good.
    pub(crate) fn revoked_until(&self, token: Id<AccessToken>) -> Option<Timestamp> {
        self.revoked.get(&token).copied()
    }

    pub(crate) fn revoke(&mut self, token: Id<AccessToken>, until: Timestamp) {
        self.revoked.insert_mut(token, until);
    }

    pub(crate) fn forget_revoked(&mut self, token: Id<AccessToken>) {
        self.revoked.remove_mut(&token);
    }

    /// Tokens that were taken back and would be over by now, at most so many.
    pub(crate) fn revoked_in_vain(&self, now: Timestamp, most: usize) -> Vec<Id<AccessToken>> {
        // Later than they are over: a clock that steps back must not make one good again.
        let over = self.revoked.iter().filter(|(_, until)| now >= until.plus(REMEMBERED));
        let mut over: Vec<_> = over.map(|(token, _)| *token).take(most).collect();
        over.sort_unstable();
        over
    }

    /// Until when a use must be remembered.
    pub(crate) fn used_until(&self, digest: Digest) -> Option<Timestamp> {
        self.used.get(&digest).copied()
    }

    /// That moment, or the latest one that was seen, if that is later.
    pub(crate) fn steady(&self, now: Timestamp) -> Timestamp {
        self.latest.map_or(now, |latest| latest.max(now))
    }

    pub(crate) fn saw(&mut self, now: Timestamp) {
        self.latest = Some(self.steady(now));
    }

    /// Whether it can be used now.
    pub(crate) fn must_be_new(&self, digest: Digest, now: Timestamp) -> Result<(), Unusable> {
        let now = self.steady(now);
        if self.used_until(digest).is_some_and(|until| now < until) {
            return Err(Unusable::Again);
        }
        let has_room = self.used.size() < USED_MAX || !self.used_up(now).is_empty();
        if has_room { Ok(()) } else { Err(Unusable::Full) }
    }

    /// Uses whose time is up, the oldest few.
    pub(crate) fn used_up(&self, now: Timestamp) -> Vec<Digest> {
        let over = self.due.iter().take_while(|(until, _)| now >= *until);
        over.take(CLEARED).map(|(_, digest)| *digest).collect()
    }

    pub(crate) fn put_used(&mut self, digest: Digest, until: Timestamp) {
        self.forget_used(digest);
        self.used.insert_mut(digest, until);
        self.due.insert_mut((until, digest));
    }

    pub(crate) fn forget_used(&mut self, digest: Digest) {
        if let Some(until) = self.used_until(digest) {
            self.due.remove_mut(&(until, digest));
            self.used.remove_mut(&digest);
        }
    }

    /// Keys of other issuers.
    pub(crate) fn issuer_keys(&self) -> &KeySets {
        &self.issuer_keys
    }

    /// What the issuer of a client's tokens signs with, as far as that is known well enough.
    pub(crate) fn issuer_keys_of_client(
        &self,
        client: Id<Client>,
        now: Timestamp,
    ) -> Option<&Arc<JwkSet>> {
        match self.issuer_keys.place_of_client(client) {
            Some(place) => self.issuer_keys.fresh(place, self.steady(now)),
            None => self.keys_of_client(client),
        }
    }

    /// What an issuer that names people signs with, as far as that is known well enough.
    pub(crate) fn keys_of_issuer(
        &self,
        issuer: Id<TrustedIssuer>,
        now: Timestamp,
    ) -> Option<&Arc<JwkSet>> {
        self.issuer_keys.of_issuer(issuer, self.steady(now))
    }

    pub(crate) fn know_issuer(&mut self, issuer: &TrustedIssuer) {
        self.issuer_keys.know_issuer(issuer);
    }

    pub(crate) fn know_published(&mut self, keys: &IssuerKeys) {
        self.issuer_keys.know_published(keys);
    }

    /// What a client signs its assertions with, or the issuer of its tokens.
    pub(crate) fn keys_of_client(&self, client: Id<Client>) -> Option<&Arc<JwkSet>> {
        self.client_keys.get(&client)
    }

    /// The clients that tokens of another issuer may prove, retired ones among them.
    pub(crate) fn clients_of(&self, issuer: &str) -> impl Iterator<Item = Id<Client>> {
        self.clients_of.get(issuer).into_iter().flat_map(RedBlackTreeSetSync::iter).copied()
    }

    /// What a run signs its assertions with.
    pub(crate) fn keys_of_run(&self, run: Id<Run>) -> Option<&Arc<JwkSet>> {
        self.run_keys.get(&run)
    }

    /// What a resource server signs its assertions with.
    pub(crate) fn keys_of_resource(&self, connection: Id<Connection>) -> Option<&Arc<JwkSet>> {
        self.resource_keys.get(&connection)
    }

    /// The connection that tokens for that resource are for, as far as it has an address of its
    /// own.
    pub(crate) fn target(&self, resource: &str) -> Option<Id<Connection>> {
        self.targets.get(resource).copied()
    }

    /// The open run of a client for that instance.
    pub(crate) fn run_of(&self, client: Id<Client>, instance: Option<Digest>) -> Option<Id<Run>> {
        self.runs_of.get(&(client, instance)).copied()
    }

    /// How many runs a client has open; its hops are not among them.
    pub(crate) fn open_of(&self, client: Id<Client>) -> usize {
        self.open_of.get(&client).copied().unwrap_or(0)
    }

    pub(crate) fn know_client(&mut self, client: &Client) {
        if let ClientKeys::Issuer { issuer, .. } = &client.proof {
            // It never changes.
            let mut clients = self.clients_of.get(issuer).cloned().unwrap_or_default();
            clients.insert_mut(client.id);
            self.clients_of.insert_mut(issuer.clone(), clients);
        }
        self.issuer_keys.know_client(client);
        let jwks = match &client.proof {
            ClientKeys::Keys { jwks } | ClientKeys::Issuer { jwks, source: None, .. } => Some(jwks),
            ClientKeys::Issuer { .. }
            | ClientKeys::Certificate { .. }
            | ClientKeys::CertificateOf { .. } => None,
        };
        match jwks.and_then(|jwks| JwkSet::parse(jwks.as_bytes()).ok()) {
            Some(keys) => self.client_keys.insert_mut(client.id, Arc::new(keys)),
            None => {
                self.client_keys.remove_mut(&client.id);
            }
        }
    }

    pub(crate) fn know_target(&mut self, connection: &Connection) {
        let Some(target) = &connection.tokens else { return };
        if !connection.is_live() {
            return self.forget_target(connection.id, target);
        }
        if let Some(audience) = &target.audience {
            self.targets.insert_mut(audience.clone(), connection.id);
        }
        let keys = target.keys.as_ref().and_then(|keys| JwkSet::parse(keys.as_bytes()).ok());
        match keys {
            Some(keys) => self.resource_keys.insert_mut(connection.id, Arc::new(keys)),
            None => {
                self.resource_keys.remove_mut(&connection.id);
            }
        }
    }

    // What a removed connection was for may be registered again.
    fn forget_target(&mut self, connection: Id<Connection>, target: &TokenTarget) {
        self.resource_keys.remove_mut(&connection);
        let audience = target.audience.as_ref();
        if let Some(own) = audience.filter(|own| self.target(own) == Some(connection)) {
            self.targets.remove_mut(own);
        }
    }

    pub(crate) fn know_run(&mut self, run: &Run) {
        let Some(oauth) = &run.oauth else { return };
        if run.state != RunState::Open {
            return self.forget_run(run);
        }
        let keys = oauth.keys.as_ref().and_then(|keys| JwkSet::parse(keys.as_bytes()).ok());
        if let Some(keys) = keys {
            self.run_keys.insert_mut(run.id, Arc::new(keys));
        }
        if let Some(client) = oauth.client.filter(|_| oauth.presenter.is_none()) {
            let key = (client, oauth.instance);
            if !self.runs_of.contains_key(&key) {
                self.open_of.insert_mut(client, self.open_of(client) + 1);
            }
            self.runs_of.insert_mut(key, run.id);
        }
    }

    pub(crate) fn forget_run(&mut self, run: &Run) {
        self.run_keys.remove_mut(&run.id);
        let Some(oauth) = &run.oauth else { return };
        let Some(client) = oauth.client else { return };
        let key = (client, oauth.instance);
        if self.runs_of.get(&key) == Some(&run.id) {
            self.runs_of.remove_mut(&key);
            match self.open_of(client) {
                0 | 1 => {
                    self.open_of.remove_mut(&client);
                }
                more => self.open_of.insert_mut(client, more - 1),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use marque_crypto::hash::sha256;
    use marque_domain::Timestamp;

    use super::{Tokens, USED_MAX, Unusable};

    // threat 63
    #[test]
    fn a_full_memory_of_uses_refuses_and_forgets_none_before_its_time() {
        let digest = |number: usize| sha256(number.to_string().as_bytes());
        let (now, until) = (Timestamp::from_millis(1_000), Timestamp::from_millis(2_000));
        let mut tokens = Tokens::default();
        for number in 0..USED_MAX {
            assert_eq!(tokens.must_be_new(digest(number), now), Ok(()));
            tokens.put_used(digest(number), until);
        }
        assert_eq!(tokens.must_be_new(digest(USED_MAX), now), Err(Unusable::Full));
        let is_known = |one| tokens.must_be_new(digest(one), now) == Err(Unusable::Again);
        assert!((0..USED_MAX).all(is_known));
        assert_eq!(tokens.must_be_new(digest(USED_MAX), until), Ok(()), "their time is up");
        for over in tokens.used_up(until) {
            tokens.forget_used(over);
        }
        assert!(tokens.used.size() < USED_MAX && tokens.used.size() == tokens.due.size());
    }
}
