//! The keys that verify tokens: fixed, or those that the issuer publishes.
//!
//! Every token of Marque names its key, so a key without a name is of no use here. An unknown name
//! causes one fetch in each pause, whoever sends it (threat 24).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::CACHE_CONTROL;
use marque_crypto::token_key::TokenPublicKey;
use marque_wire::jose::JwkSet;

use crate::http::{FetchError, malformed};
use crate::kept::{Absent, Fetched, Kept};
use crate::refusal::Reason;
use crate::server::Server;

/// Within which bounds `max-age` is believed.
const FRESH_MIN: Duration = Duration::from_secs(60);
const FRESH_MAX: Duration = Duration::from_secs(3600);
/// How long keys are used that cannot be fetched again.
const USABLE: Duration = Duration::from_secs(24 * 3600);
/// How often they are fetched at most.
const PAUSE: Duration = Duration::from_secs(10);
const SET_MAX_BYTES: usize = 256 * 1024;

/// Keys by their names.
pub(crate) struct KeyMap(HashMap<String, TokenPublicKey>);

impl KeyMap {
    fn of(set: &JwkSet) -> Self {
        let named = set.keys().iter().filter_map(|jwk| {
            let key = TokenPublicKey::new(jwk.key.clone()).ok()?;
            Some((jwk.key_id.clone()?, key))
        });
        Self(named.collect())
    }

    pub(crate) fn find(&self, key_id: &str) -> Option<&TokenPublicKey> {
        self.0.get(key_id)
    }
}

/// Where keys come from.
pub(crate) enum Keys {
    Fixed(Arc<KeyMap>),
    Fetched(Kept<KeyMap, FetchError>),
}

impl Keys {
    pub(crate) fn fixed(set: &JwkSet) -> Self {
        Self::Fixed(Arc::new(KeyMap::of(set)))
    }

    pub(crate) fn of(server: &Arc<Server>) -> Self {
        let (clock, server) = (Arc::clone(&server.clock), Arc::clone(server));
        Self::Fetched(Kept::new(clock, PAUSE, move || Box::pin(fetch(Arc::clone(&server)))))
    }

    /// The keys, with one of that name among them.
    pub(crate) async fn with(&self, key_id: &str) -> Result<Arc<KeyMap>, Reason> {
        match self {
            Self::Fixed(keys) => match keys.find(key_id) {
                Some(_) => Ok(Arc::clone(keys)),
                None => Err(Reason::UnknownKey),
            },
            Self::Fetched(kept) => {
                let kept = kept.get(|keys| keys.find(key_id).is_some()).await;
                kept.map_err(|absent| match absent {
                    Absent::Other => Reason::UnknownKey,
                    Absent::Failed(problem) => Reason::Unavailable(problem),
                })
            }
        }
    }
}

async fn fetch(server: Arc<Server>) -> Result<Fetched<KeyMap>, FetchError> {
    let endpoints = server.endpoints().await?;
    let url = &endpoints.jwks;
    let answer = server.get(url, "application/jwk-set+json, application/json", SET_MAX_BYTES);
    let answer = answer.await?;
    let set = JwkSet::parse(&answer.body).map_err(|problem| malformed(url, problem))?;
    let fresh = max_age(&answer.headers).clamp(FRESH_MIN, FRESH_MAX);
    Ok(Fetched { value: KeyMap::of(&set), fresh, usable: USABLE })
}

/// RFC 9111 section 5.2.2.1; nothing where it is not said.
fn max_age(headers: &HeaderMap) -> Duration {
    let fields = headers.get_all(CACHE_CONTROL).iter().filter_map(|field| field.to_str().ok());
    let mut directives = fields.flat_map(|field| field.split(','));
    let secs = directives.find_map(|directive| {
        let (name, value) = directive.trim().split_once('=')?;
        name.eq_ignore_ascii_case("max-age").then(|| value.trim().parse().ok())?
    });
    Duration::from_secs(secs.unwrap_or(0))
}
