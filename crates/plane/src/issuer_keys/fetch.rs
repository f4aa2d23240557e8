//! One fetch: the issuer's metadata where its keys have no address of their own, then the keys.

use std::time::Duration;

use marque_wire::jose::{Jwk, JwkSet};
use marque_wire::oauth::{Issuer, Resource, published_keys};

use crate::outbound::{Document, Outbound, Unfetched, Wanted};
use crate::world::KeyPlace;

/// Longest metadata and longest key set, in bytes.
const METADATA_MAX_BYTES: usize = 64 * 1024;
const KEYS_MAX_BYTES: usize = 128 * 1024;

/// What an issuer publishes.
pub(crate) struct Found {
    /// The set in one spelling: every key named, in the order of the names.
    pub(crate) jwks: String,
    pub(crate) count: u64,
    /// The URL it came from.
    pub(crate) from: String,
    pub(crate) max_age: Option<Duration>,
}

/// Asks an issuer for its keys.
pub(super) async fn fetch(outbound: &dyn Outbound, place: &KeyPlace) -> Result<Found, String> {
    let url = match &place.source.jwks_uri {
        Some(url) => parse(url)?,
        None => discover(outbound, place).await?,
    };
    let document = get(outbound, place, (&url, KEYS_MAX_BYTES)).await;
    let document = document.map_err(|error| format!("`{url}`: {error}"))?;
    let refused = |error: &dyn std::fmt::Display| format!("`{url}`: {error}");
    let set = JwkSet::parse(&document.body).map_err(|error| refused(&error))?;
    if set.keys().is_empty() {
        return Err(refused(&"no key of the set verifies ES256, RS256 or Ed25519"));
    }
    // A key without a name has that of its thumbprint (RFC 7638), as one from a file has.
    let mut keys: Vec<Jwk> = set.keys().iter().map(named).collect();
    keys.sort_by(|left, right| left.key_id.cmp(&right.key_id));
    let set = JwkSet::new(keys).map_err(|error| refused(&error))?;
    Ok(Found {
        jwks: set.to_json().to_string(),
        count: set.keys().len() as u64,
        from: url.as_str().to_owned(),
        max_age: max_age(&document.cache_control),
    })
}

fn named(jwk: &Jwk) -> Jwk {
    let key_id = jwk.key_id.clone().unwrap_or_else(|| jwk.key.thumbprint().to_owned());
    Jwk { key: jwk.key.clone(), key_id: Some(key_id) }
}

// OpenID Connect Discovery 1.0 §4.1, then RFC 8414 §3.1 where there is no such document.
async fn discover(outbound: &dyn Outbound, place: &KeyPlace) -> Result<Resource, String> {
    let issuer = Issuer::parse(&place.issuer).map_err(|error| error.to_string())?;
    let (origin, path) = (issuer.origin(), issuer.tail().trim_end_matches('/'));
    let openid = parse(&format!("{origin}{path}/.well-known/openid-configuration"))?;
    let (url, answer) = match get(outbound, place, (&openid, METADATA_MAX_BYTES)).await {
        Err(Unfetched::Status(404 | 405 | 410)) => {
            let oauth = parse(&format!("{origin}/.well-known/oauth-authorization-server{path}"))?;
            let answer = get(outbound, place, (&oauth, METADATA_MAX_BYTES)).await;
            (oauth, answer)
        }
        answer => (openid, answer),
    };
    let document = answer.map_err(|error| format!("`{url}`: {error}"))?;
    published_keys(&document.body, &place.issuer).map_err(|error| format!("`{url}`: {error}"))
}

async fn get(
    outbound: &dyn Outbound,
    place: &KeyPlace,
    (url, max_bytes): (&Resource, usize),
) -> Result<Document, Unfetched> {
    let source = &place.source;
    let named = source.jwks_uri.as_ref().unwrap_or(&place.issuer);
    let wanted = Wanted {
        url: url.clone(),
        authority_pem: source.authority_pem.clone(),
        // What metadata says leads into no private network.
        private: source.private && origin(url.as_str()) == origin(named),
        max_bytes,
    };
    let document = outbound.get(wanted).await?;
    if document.body.len() > max_bytes {
        return Err(Unfetched::Failed(format!("it is longer than {max_bytes} bytes")));
    }
    Ok(document)
}

fn origin(url: &str) -> Option<&str> {
    let host = url.find("://")? + 3;
    let length = url.get(host..)?.find(['/', '?']).unwrap_or(url.len() - host);
    url.get(..host + length)
}

fn parse(url: &str) -> Result<Resource, String> {
    let parsed = Resource::parse(url).map_err(|error| format!("`{url}`: {error}"))?;
    if url.starts_with("https://") { Ok(parsed) } else { Err(format!("`{url}` is not `https://`")) }
}

// RFC 9111 §5.2.2. What must not be kept is asked for as often as anything is.
fn max_age(cache_control: &str) -> Option<Duration> {
    let mut directives = cache_control.split(',').map(str::trim);
    let is_short =
        |one: &str| ["no-store", "no-cache"].iter().any(|short| one.eq_ignore_ascii_case(short));
    if cache_control.split(',').map(str::trim).any(is_short) {
        return Some(Duration::ZERO);
    }
    directives.find_map(|one| {
        let (name, value) = one.split_once('=')?;
        let is_it = name.eq_ignore_ascii_case("max-age");
        let seconds = value.trim_matches('"').parse().ok().filter(|_| is_it)?;
        Some(Duration::from_secs(seconds))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{max_age, origin};

    #[test]
    fn what_an_issuer_says_of_keeping_is_read() {
        let seconds = |text| max_age(text).map(|age| age.as_secs());
        assert_eq!(seconds("public, max-age=3600, must-revalidate"), Some(3_600));
        assert_eq!(seconds("Max-Age=\"60\""), Some(60));
        assert_eq!(seconds("max-age=60, no-store"), Some(0));
        for nothing in ["", "public", "max-age", "max-age=soon", "max-age=-1", "s-maxage=9"] {
            assert_eq!(max_age(nothing), None::<Duration>, "`{nothing}`");
        }
    }

    #[test]
    fn an_origin_ends_before_the_path() {
        for url in ["https://a.test", "https://a.test/", "https://a.test/b", "https://a.test?c"] {
            assert_eq!(origin(url), Some("https://a.test"));
        }
        assert_ne!(origin("https://a.test:8443/b"), origin("https://a.test/b"));
    }
}
