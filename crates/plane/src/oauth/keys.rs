//! The keys that sign tokens: which signs now, which will, which still verifies.
//!
//! They lie in the store, the private halves sealed, so that servers that share a store sign with
//! one key. A new key is published before it signs and an old one after it has, for longer than
//! anybody keeps a published set and anything it signed is good (RFC 7517 §5, OpenID Connect Core
//! 1.0 §10.1.1).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marque_crypto::key_ring::{KeyRing, KeyState};
use marque_crypto::seal::{self, Binding, KeyManager, Sealed};
use marque_crypto::token_key::{TokenAlgorithm, TokenKey, TokenPublicKey};
use marque_crypto::{CryptoError, Random};
use marque_domain::Timestamp;
use marque_wire::jose::{Jwk, JwkSet};
use serde::{Deserialize, Serialize};

/// What a sealed key is bound to.
const TABLE: &str = "token_key";
/// How long verifiers may keep the published set, in seconds: `max-age` of it.
pub const PUBLISHED_SECS: u64 = 300;
/// How long a key is published before it signs, and after: that long, the longest life of a token,
/// and what clocks may be off.
pub(crate) const OVERLAP: Duration = Duration::from_secs(PUBLISHED_SECS + 900 + 120);

/// One key.
pub(crate) struct SigningKey {
    pub(crate) public: TokenPublicKey,
    pub(crate) algorithm: TokenAlgorithm,
    private: Option<TokenKey>,
    kept: Kept,
}

/// One key as it is kept.
#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    algorithm: String,
    /// The public half, a JWK (RFC 7517 §4).
    jwk: serde_json::Value,
    /// The private half; none of a key that signs no more.
    sealed: Option<String>,
    state: State,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
enum State {
    Prepared { from: Timestamp },
    Active { since: Timestamp },
    Retired { until: Timestamp },
}

/// All of them.
pub(crate) struct TokenKeys {
    rings: BTreeMap<Ring, KeyRing<Arc<SigningKey>>>,
    text: String,
}

type Moved = Result<KeyRing<Arc<SigningKey>>, CryptoError>;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ring {
    Es256,
    Rs256,
}

impl From<TokenAlgorithm> for Ring {
    fn from(algorithm: TokenAlgorithm) -> Self {
        match algorithm {
            TokenAlgorithm::Es256 => Self::Es256,
            TokenAlgorithm::Rs256 => Self::Rs256,
        }
    }
}

impl SigningKey {
    /// A fresh key, sealed.
    pub(crate) fn generate(
        algorithm: TokenAlgorithm,
        (key_manager, random): (&dyn KeyManager, &dyn Random),
    ) -> Result<Arc<Self>, CryptoError> {
        let key = TokenKey::generate(algorithm)?;
        let public = key.public().clone();
        let binding = Binding { table: TABLE, row: public.kid(), revision: 1 };
        let sealed = seal::seal(key_manager, random, &binding, &key.to_pkcs8()?)?;
        let kept = Kept {
            algorithm: algorithm.to_string(),
            jwk: jwk(&public).to_json(),
            sealed: Some(STANDARD.encode(sealed.to_bytes())),
            state: State::Active { since: Timestamp::from_millis(0) },
        };
        Ok(Arc::new(Self { public, algorithm, private: Some(key), kept }))
    }

    #[expect(clippy::disallowed_methods, reason = "what it opens is a key of tokens")]
    fn open(kept: Kept, key_manager: &dyn KeyManager) -> Result<Self, CryptoError> {
        let bad = || CryptoError::BadKey("kept key of tokens");
        let algorithm: TokenAlgorithm = kept.algorithm.parse().map_err(|_| bad())?;
        let set = serde_json::json!({ "keys": [kept.jwk] }).to_string();
        let set = JwkSet::parse(set.as_bytes()).map_err(|_| bad())?;
        let [published] = set.keys() else { return Err(bad()) };
        let public = TokenPublicKey::new(published.key.clone())?;
        let private = match &kept.sealed {
            Some(sealed) => {
                let bytes = STANDARD.decode(sealed).map_err(|_| bad())?;
                let sealed = Sealed::from_bytes(&bytes)?;
                let binding = Binding { table: TABLE, row: public.kid(), revision: 1 };
                let pkcs8 = seal::open(key_manager, &binding, &sealed)?;
                let key = TokenKey::from_pkcs8(algorithm, &pkcs8)?;
                if *key.public() != public {
                    return Err(bad());
                }
                Some(key)
            }
            None => None,
        };
        Ok(Self { public, algorithm, private, kept })
    }

    /// The half that signs; none of a retired key.
    pub(crate) fn private(&self) -> Option<&TokenKey> {
        self.private.as_ref()
    }
}

impl TokenKeys {
    /// Keys whose first signs at once.
    pub(crate) fn first(key: Arc<SigningKey>, now: Timestamp) -> Self {
        let ring = (key.algorithm.into(), KeyRing::new(key, OVERLAP, now));
        Self::of(BTreeMap::from([ring]))
    }

    /// The keys of a text that [`TokenKeys::text`] gave.
    pub(crate) fn open(text: &str, key_manager: &dyn KeyManager) -> Result<Self, CryptoError> {
        let bad = |_| CryptoError::BadKey("kept keys of tokens");
        let list: Vec<Kept> = serde_json::from_str(text).map_err(bad)?;
        let mut keys: BTreeMap<Ring, Vec<_>> = BTreeMap::new();
        for kept in list {
            let state = kept.state.into();
            let key = SigningKey::open(kept, key_manager)?;
            keys.entry(key.algorithm.into()).or_default().push((Arc::new(key), state));
        }
        let restore = |(ring, keys)| Ok((ring, KeyRing::restore(keys, OVERLAP)?));
        Ok(Self::of(keys.into_iter().map(restore).collect::<Result<_, CryptoError>>()?))
    }

    fn of(rings: BTreeMap<Ring, KeyRing<Arc<SigningKey>>>) -> Self {
        let keep = |(key, state): (&Arc<SigningKey>, KeyState)| {
            let signs_no_more = matches!(state, KeyState::Retired { .. });
            let sealed = key.kept.sealed.clone().filter(|_| !signs_no_more);
            Kept { state: state.into(), sealed, ..key.kept.clone() }
        };
        let kept: Vec<Kept> = rings.values().flat_map(KeyRing::keys).map(keep).collect();
        let text = serde_json::to_string(&kept);
        let text = text.expect("INVARIANT: text and numbers have a form in JSON");
        Self { rings, text }
    }

    /// As it is kept.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The key that signs with that algorithm.
    pub(crate) fn signer(&self, algorithm: TokenAlgorithm) -> Option<&Arc<SigningKey>> {
        self.rings.get(&algorithm.into()).map(KeyRing::signer)
    }

    /// The key that a token names, if it still verifies anything.
    pub(crate) fn find(&self, kid: &str, now: Timestamp) -> Option<&TokenPublicKey> {
        let mut published = self.rings.values().flat_map(|ring| ring.published(now));
        published.find(|key| key.public.kid() == kid).map(|key| &key.public)
    }

    /// What verifiers must know.
    pub(crate) fn published(&self, now: Timestamp) -> JwkSet {
        let keys = self.rings.values().flat_map(|ring| ring.published(now));
        let set = JwkSet::new(keys.map(|key| jwk(&key.public)).collect());
        set.expect("INVARIANT: two rings hold at most 36 keys, each called after its thumbprint")
    }

    /// Every key with its state.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&Arc<SigningKey>, KeyState)> {
        self.rings.values().flat_map(KeyRing::keys)
    }

    /// Where that key stands in its life.
    pub(crate) fn state_of(&self, kid: &str) -> Option<KeyState> {
        self.all().find(|(key, _)| key.public.kid() == kid).map(|(_, state)| state)
    }

    /// The algorithm of that key, if it is the one that signs with it.
    pub(crate) fn signs_with(&self, kid: &str) -> Option<TokenAlgorithm> {
        let mut all = self.all();
        let found = all.find(|(key, _)| key.public.kid() == kid);
        let signs = found.filter(|(_, state)| matches!(state, KeyState::Active { .. }));
        signs.map(|(key, _)| key.algorithm)
    }

    /// Whether a next key of that algorithm is published.
    pub(crate) fn has_prepared(&self, algorithm: TokenAlgorithm) -> bool {
        let ring = self.rings.get(&algorithm.into());
        ring.is_some_and(|ring| {
            ring.keys().any(|(_, state)| matches!(state, KeyState::Prepared { .. }))
        })
    }

    /// The same without that key, which does not sign.
    pub(crate) fn without(&self, kid: &str) -> Self {
        let keep = |key: &Arc<SigningKey>| key.public.kid() != kid;
        let rings = self.rings.iter().map(|(ring, keys)| (*ring, keys.clone().retain(keep)));
        Self::of(rings.collect())
    }

    /// The same without the key that signs with the algorithm of `next`: the prepared one does from
    /// now on, or else `next`.
    pub(crate) fn with_other_signer(&self, next: Arc<SigningKey>, now: Timestamp) -> Self {
        let mut rings = self.rings.clone();
        let of = Ring::from(next.algorithm);
        if let Some(ring) = rings.remove(&of) {
            rings.insert(of, ring.replace_signer(|| next, now));
        }
        Self::of(rings)
    }

    /// The signers alone, as if nothing had been published before or prepared.
    pub(crate) fn signers_alone(&self) -> Self {
        let alone = |(ring, keys): (&Ring, &KeyRing<Arc<SigningKey>>)| {
            let signer = keys.keys().filter(|(_, state)| matches!(state, KeyState::Active { .. }));
            let signer = signer.map(|(key, state)| (Arc::clone(key), state));
            Some((*ring, KeyRing::restore(signer, OVERLAP).ok()?))
        };
        Self::of(self.rings.iter().filter_map(alone).collect())
    }

    /// Whether its signer has signed for so long, or the next one may take over.
    pub(crate) fn is_due(
        &self,
        algorithm: TokenAlgorithm,
        after: Duration,
        now: Timestamp,
    ) -> bool {
        let Some(ring) = self.rings.get(&algorithm.into()) else { return false };
        let prepared = ring.keys().find_map(|(_, state)| match state {
            KeyState::Prepared { from } => Some(from),
            KeyState::Active { .. } | KeyState::Retired { .. } => None,
        });
        let active = ring.keys().find_map(|(_, state)| match state {
            KeyState::Active { since } => Some(since),
            KeyState::Prepared { .. } | KeyState::Retired { .. } => None,
        });
        match (prepared, active) {
            (Some(from), _) => now >= from,
            // The next one is published early enough to take over on time.
            (None, Some(since)) => now.plus(OVERLAP) >= since.plus(after),
            (None, None) => false,
        }
    }

    /// Whether there is a key of that algorithm.
    pub(crate) fn has(&self, algorithm: TokenAlgorithm) -> bool {
        self.rings.contains_key(&algorithm.into())
    }

    /// The same with a first key of another algorithm, which signs at once: nobody has asked for a
    /// token by it yet.
    pub(crate) fn with_first(&self, key: Arc<SigningKey>, now: Timestamp) -> Self {
        let mut rings = self.rings.clone();
        rings.entry(key.algorithm.into()).or_insert_with(|| KeyRing::new(key, OVERLAP, now));
        Self::of(rings)
    }

    /// The same with a next key published.
    pub(crate) fn prepared(
        &self,
        next: Arc<SigningKey>,
        now: Timestamp,
    ) -> Result<Self, CryptoError> {
        let ring = Ring::from(next.algorithm);
        self.moved(ring, |keys| keys.prepare(next, now))
    }

    /// The same with the next key as the signer.
    pub(crate) fn rotated(
        &self,
        algorithm: TokenAlgorithm,
        now: Timestamp,
    ) -> Result<Self, CryptoError> {
        self.moved(algorithm.into(), |keys| keys.rotate(now))
    }

    fn moved(
        &self,
        ring: Ring,
        moved: impl FnOnce(KeyRing<Arc<SigningKey>>) -> Moved,
    ) -> Result<Self, CryptoError> {
        let mut rings = self.rings.clone();
        let none = CryptoError::BadKeyRing("it has no key of that algorithm");
        let keys = rings.remove(&ring).ok_or(none)?;
        rings.insert(ring, moved(keys)?);
        Ok(Self::of(rings))
    }
}

fn jwk(public: &TokenPublicKey) -> Jwk {
    Jwk { key: public.key().clone(), key_id: Some(public.kid().to_owned()) }
}

impl From<State> for KeyState {
    fn from(state: State) -> Self {
        match state {
            State::Prepared { from } => Self::Prepared { from },
            State::Active { since } => Self::Active { since },
            State::Retired { until } => Self::Retired { until },
        }
    }
}

impl From<KeyState> for State {
    fn from(state: KeyState) -> Self {
        match state {
            KeyState::Prepared { from } => Self::Prepared { from },
            KeyState::Active { since } => Self::Active { since },
            KeyState::Retired { until } => Self::Retired { until },
        }
    }
}
