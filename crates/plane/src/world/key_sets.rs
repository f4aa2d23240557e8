//! Keys of other issuers, each set read once: those that a human gave, and those that an issuer
//! publishes.
//!
//! A published set is one, however many clients rely on it.

use std::sync::Arc;
use std::time::Duration;

use marque_crypto::hash::sha256;
use marque_crypto::public_key::Algorithm;
use marque_domain::client::ClientKeys;
use marque_domain::{Client, Digest, Id, IssuerKeys, KeySource, Timestamp, TrustedIssuer};
use marque_wire::jose::JwkSet;
use rpds::HashTrieMapSync;

/// How long keys count that could not be fetched again: long enough for an issuer that is down over
/// a night, too short for a key that was taken back to live on behind a broken line.
pub(crate) const STALE_AFTER: Duration = Duration::from_secs(48 * 3_600);
/// How far the clock of the server that fetched them may have been ahead.
const AHEAD_MAX: Duration = Duration::from_secs(3_600);
/// Most sources of one issuer that a token makes anybody ask.
const ASKED_MAX: usize = 4;

/// Whose keys, and where they are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyPlace {
    pub(crate) issuer: String,
    pub(crate) source: KeySource,
}

impl KeyPlace {
    /// Names it.
    pub(crate) fn digest(&self) -> Digest {
        let KeySource { jwks_uri, authority_pem, private } = &self.source;
        let parts = (&self.issuer, jwks_uri, authority_pem, private);
        // Texts and a truth value: JSON has a form for each.
        sha256(serde_json::json!(parts).to_string().as_bytes())
    }
}

/// A set as its issuer published it.
pub(crate) struct Published {
    pub(crate) id: Id<IssuerKeys>,
    pub(crate) place: KeyPlace,
    pub(crate) from: String,
    pub(crate) keys: Arc<JwkSet>,
    pub(crate) digest: Digest,
    pub(crate) fetched_at: Timestamp,
}

impl Published {
    /// Whether it is known well enough to be believed.
    pub(crate) fn is_fresh(&self, now: Timestamp) -> bool {
        now.since(self.fetched_at) <= STALE_AFTER && self.fetched_at <= now.plus(AHEAD_MAX)
    }
}

/// See above.
#[derive(Clone, Default)]
pub(crate) struct KeySets {
    given: HashTrieMapSync<Id<TrustedIssuer>, Arc<JwkSet>>,
    places_of_issuers: HashTrieMapSync<Id<TrustedIssuer>, Digest>,
    places_of_clients: HashTrieMapSync<Id<Client>, Digest>,
    published: HashTrieMapSync<Digest, Arc<Published>>,
    by_issuer: HashTrieMapSync<String, Arc<[Digest]>>,
}

impl KeySets {
    /// Where a client's issuer publishes its keys, if it does.
    pub(crate) fn place_of_client(&self, client: Id<Client>) -> Option<Digest> {
        self.places_of_clients.get(&client).copied()
    }

    /// The keys at that place, unless they are too old.
    pub(crate) fn fresh(&self, place: Digest, now: Timestamp) -> Option<&Arc<JwkSet>> {
        self.at(place).filter(|published| published.is_fresh(now)).map(|published| &published.keys)
    }

    /// The keys of an issuer, unless they are too old.
    pub(crate) fn of_issuer(
        &self,
        issuer: Id<TrustedIssuer>,
        now: Timestamp,
    ) -> Option<&Arc<JwkSet>> {
        match self.places_of_issuers.get(&issuer) {
            Some(place) => self.fresh(*place, now),
            None => self.given.get(&issuer),
        }
    }

    /// The set of that place, however old.
    pub(crate) fn at(&self, place: Digest) -> Option<&Arc<Published>> {
        self.published.get(&place)
    }

    /// Every set that was ever published to this plane.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&Digest, &Arc<Published>)> {
        self.published.iter()
    }

    /// The places where the key that a token names may be, because what is known of them lacks it
    /// or is too old.
    pub(crate) fn lacking(
        &self,
        issuer: &str,
        (key_id, algorithm): (Option<&str>, Algorithm),
        now: Timestamp,
    ) -> Vec<Digest> {
        let places = self.by_issuer.get(issuer).map_or(&[][..], |places| places);
        let lacks = |place: &&Digest| {
            self.fresh(**place, now).is_none_or(|keys| keys.find(key_id, algorithm).is_none())
        };
        places.iter().filter(lacks).take(ASKED_MAX).copied().collect()
    }

    pub(super) fn know_issuer(&mut self, issuer: &TrustedIssuer) {
        self.given.remove_mut(&issuer.id);
        self.places_of_issuers.remove_mut(&issuer.id);
        if issuer.is_removed {
            return;
        }
        match &issuer.source {
            Some(source) => {
                let place = KeyPlace { issuer: issuer.issuer.clone(), source: source.clone() };
                self.places_of_issuers.insert_mut(issuer.id, place.digest());
            }
            None => {
                if let Ok(keys) = JwkSet::parse(issuer.jwks.as_bytes()) {
                    self.given.insert_mut(issuer.id, Arc::new(keys));
                }
            }
        }
    }

    pub(super) fn know_client(&mut self, client: &Client) {
        if let ClientKeys::Issuer { issuer, source: Some(source), .. } = &client.proof {
            let place = KeyPlace { issuer: issuer.clone(), source: source.clone() };
            self.places_of_clients.insert_mut(client.id, place.digest());
        }
    }

    pub(super) fn know_published(&mut self, kept: &IssuerKeys) {
        // What another release wrote and this one does not read counts as nothing.
        let keys = JwkSet::parse(kept.jwks.as_bytes()).unwrap_or_default();
        let place = KeyPlace { issuer: kept.issuer.clone(), source: kept.source.clone() };
        let named = place.digest();
        let known = self.by_issuer.get(&kept.issuer).map_or(&[][..], |places| places);
        if !known.contains(&named) {
            let places = known.iter().copied().chain([named]).collect();
            self.by_issuer.insert_mut(kept.issuer.clone(), places);
        }
        let published = Published {
            id: kept.id,
            place,
            from: kept.from.clone(),
            keys: Arc::new(keys),
            digest: sha256(kept.jwks.as_bytes()),
            fetched_at: kept.fetched_at,
        };
        self.published.insert_mut(named, Arc::new(published));
    }
}
