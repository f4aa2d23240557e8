//! Keys that other issuers publish: fetched at the start and on a schedule, kept as facts, asked
//! for out of turn when a token names one that nobody knows.
//!
//! Exchanges read what is kept and nothing else. Only what a human named is ever asked: no URL in a
//! token counts (threats 23 and 24).

mod fetch;
mod fetches;
mod keep;

use std::sync::Arc;
use std::time::Duration;

use marque_domain::client::{ClientKeys, ClientState};
use marque_domain::{Digest, KeySource, Timestamp};
use marque_wire::jose::{TokenClass, Unverified};
use marque_wire::oauth::{Issuer, Resource};

use crate::error::{AdminError, AdminKind};
use crate::plane::Plane;
use crate::verbs::issuers::trusted;
use crate::world::{KeyPlace, World};

pub(crate) use fetch::Found;
pub(crate) use fetches::{KeyFetches, Tried};
pub(crate) use keep::put;

/// How often it looks whose time has come.
const EVERY: Duration = Duration::from_millis(250);
/// How long one fetch may take, discovery included.
const FETCH_MAX: Duration = Duration::from_secs(20);
/// How long nobody is looked for again who does not rely on a set.
const UNUSED_PAUSE: Duration = Duration::from_secs(60);
/// Longest authority, in bytes.
const AUTHORITY_MAX_BYTES: usize = 64 * 1024;

/// Starts the refresher; it ends with the plane.
pub(crate) fn start(plane: &Plane) {
    let (refreshed, stopping) = (plane.clone(), plane.inner().stopping.clone());
    plane.spawn(async move {
        while stopping.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            refresh(&refreshed);
        }
    });
}

fn refresh(plane: &Plane) {
    let (world, now) = (plane.world(), plane.now());
    let fetches = &plane.inner().key_fetches;
    for (place, published) in world.tokens.issuer_keys().all() {
        if !fetches.begin_due(*place, now) {
            continue;
        }
        if is_used(&world, &published.place) {
            plane.ask(*place, published.place.clone());
        } else {
            fetches.put_off(*place, now.plus(UNUSED_PAUSE));
        }
    }
}

impl Plane {
    /// Asks an issuer for its keys if a token of it names one that is not known, and waits for the
    /// answer. Once for each issuer and interval, whoever asks (threat 24).
    pub(crate) async fn learn_keys(&self, class: TokenClass, token: &[u8]) {
        for place in self.places_lacking(class, token) {
            self.ask_out_of_turn(place).await;
        }
    }

    fn places_lacking(&self, class: TokenClass, token: &[u8]) -> Vec<Digest> {
        let Ok(unverified) = Unverified::parse(class, token) else { return Vec::new() };
        let Ok(issuer) = unverified.claimed_issuer() else { return Vec::new() };
        let (world, key) = (self.world(), (unverified.key_id(), unverified.algorithm()));
        let now = world.tokens.steady(self.now());
        world.tokens.issuer_keys().lacking(&issuer, key, now)
    }

    async fn ask_out_of_turn(&self, place: Digest) {
        let fetches = &self.inner().key_fetches;
        let Some(waiting) = fetches.wait_for(place) else { return };
        let now = self.now();
        if fetches.begin_unknown(place, now) {
            let world = self.world();
            match world.tokens.issuer_keys().at(place) {
                Some(published) if is_used(&world, &published.place) => {
                    self.ask(place, published.place.clone());
                }
                _ => fetches.put_off(place, now.plus(UNUSED_PAUSE)),
            }
        }
        waiting.ended().await;
    }

    // In a task of its own: whoever waits may go away, and others wait too.
    fn ask(&self, named: Digest, place: KeyPlace) {
        let (plane, stopping) = (self.clone(), self.inner().stopping.clone());
        self.spawn(async move {
            let asking = stopping.run_until_cancelled(plane.fetch_and_keep(&place));
            let Some(outcome) = asking.await else { return };
            let result = if outcome.is_ok() { "fetched" } else { "failed" };
            metrics::counter!("marque_issuer_key_fetches_total", "result" => result).increment(1);
            if let Err(error) = &outcome {
                tracing::warn!(issuer = place.issuer, error, "keys could not be fetched");
            }
            plane.inner().key_fetches.end(named, (plane.now(), plane.random()), outcome);
        });
    }

    async fn fetch_and_keep(&self, place: &KeyPlace) -> Result<Option<Duration>, String> {
        let found = self.fetch_keys(place).await?;
        let (max_age, place) = (found.max_age, place.clone());
        let kept = self.keep_keys(place, Arc::new(found)).await;
        kept.map(|()| max_age).map_err(|failure| failure.to_string())
    }

    async fn fetch_keys(&self, place: &KeyPlace) -> Result<Found, String> {
        let fetching = fetch::fetch(&*self.inner().parts.outbound, place);
        let late = |_| format!("it took longer than {} seconds", FETCH_MAX.as_secs());
        tokio::time::timeout(FETCH_MAX, fetching).await.map_err(late)?
    }

    /// The keys of an issuer that a human is about to trust.
    pub(crate) async fn first_keys(&self, place: &KeyPlace) -> Result<Arc<Found>, AdminError> {
        must_be_askable(place)?;
        let found = self.fetch_keys(place).await.map_err(|error| {
            let message = format!("the keys of `{}` cannot be fetched: {error}", place.issuer);
            AdminError::new(AdminKind::Invalid, message).hint(
                "name the URL of its keys with `--jwks-uri`, its authority with `--issuer-ca`, or \
                 give the keys as a file with `--jwks`",
            )
        })?;
        let outcome = (self.now(), self.random());
        self.inner().key_fetches.end(place.digest(), outcome, Ok(found.max_age));
        Ok(Arc::new(found))
    }
}

// Only `https`, and only where a human could have named it.
fn must_be_askable(place: &KeyPlace) -> Result<(), AdminError> {
    let invalid = |message: String| Err(AdminError::new(AdminKind::Invalid, message));
    let KeySource { jwks_uri, authority_pem, .. } = &place.source;
    let (url, parsed) = match jwks_uri {
        Some(url) => (url, Resource::parse(url).map(|_| ())),
        None => (&place.issuer, Issuer::parse(&place.issuer).map(|_| ())),
    };
    if let Err(bad) = parsed {
        return invalid(format!("`{url}` cannot be asked for keys: {bad}"));
    }
    if !url.starts_with("https://") {
        return invalid(format!(
            "`{url}` is not `https://`: anybody on the way could swap the keys"
        ));
    }
    if authority_pem.as_ref().is_some_and(|pem| pem.len() > AUTHORITY_MAX_BYTES) {
        return invalid(format!("an authority is longer than {AUTHORITY_MAX_BYTES} bytes"));
    }
    Ok(())
}

// Whether anybody relies on it. Clients that are stopped may be let go on.
fn is_used(world: &World, place: &KeyPlace) -> bool {
    let is_it = |issuer: &String, source: &Option<KeySource>| {
        *issuer == place.issuer && source.as_ref() == Some(&place.source)
    };
    trusted(world).any(|one| is_it(&one.issuer, &one.source))
        || world.clients.all().any(|client| match &client.fact.proof {
            ClientKeys::Issuer { issuer, source, .. } => {
                client.fact.state != ClientState::Retired && is_it(issuer, source)
            }
            _ => false,
        })
}

/// When the keys at a place were last seen, as far as this server knows.
pub(crate) fn seen_at(stored: Timestamp, tried: &Tried) -> Timestamp {
    tried.seen_at.map_or(stored, |seen| seen.max(stored))
}
