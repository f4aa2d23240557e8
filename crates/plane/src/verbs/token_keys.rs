//! The keys of tokens: the first, the next, and the schedule on which one follows the other.

use std::sync::Arc;

use marque_crypto::CryptoError;
use marque_crypto::key_ring::KeyState;
use marque_crypto::token_key::TokenAlgorithm;
use marque_domain::{Event, Timestamp, User, Verb};

use super::{Detailed, changed};
use crate::caller::Acting;
use crate::error::{AdminError, AdminKind};
use crate::failure::Failure;
use crate::oauth::{SigningKey, TokenKeys};
use crate::plane::{Parts, Plane};
use crate::sequence::Durability;
use crate::view::KeyView;

/// What a rotation comes to now.
enum Move {
    /// The next key is published.
    Prepared,
    /// It signs.
    Rotated,
}

impl Plane {
    /// Moves the keys of tokens on: publishes the next key, or, once it has been published for long
    /// enough, lets it sign. Says which.
    pub async fn rotate_token_key(
        &self,
        who: &Acting<User>,
        algorithm: TokenAlgorithm,
    ) -> Result<Vec<KeyView>, AdminError> {
        let next = self.next_key(algorithm).await?;
        let by = Self::by(who);
        self.change(who, move |step| {
            let keys = step.world.tokens.keys().cloned();
            let keys = keys.filter(|keys| keys.has(algorithm)).ok_or_else(no_key)?;
            let (moved, what) =
                advance(&keys, &next, step.now).map_err(|error| AdminError::conflict(&error))?;
            step.set_token_keys(moved);
            let entry = changed(Verb::TokenKeyRotated, &by, None, next.public.kid());
            step.append(entry.detail("step", word(&what)).event())?;
            Ok(step.world.tokens.keys().map(|keys| keys.views()).unwrap_or_default())
        })
        .await
    }

    /// Takes a prepared or retired key of tokens out of the published set at once, as after a
    /// theft. Whatever it signed is good no more here; who verifies elsewhere may keep the set for
    /// [`crate::oauth::PUBLISHED_SECS`]. The key that signs is refused: rotate first.
    pub async fn retire_token_key(
        &self,
        who: &Acting<User>,
        kid: &str,
    ) -> Result<Vec<KeyView>, AdminError> {
        let (by, kid) = (Self::by(who), kid.to_owned());
        self.change(who, move |step| {
            let keys = step.world.tokens.keys().cloned();
            let found = keys.as_ref().and_then(|keys| keys.state_of(&kid));
            match (keys, found) {
                (Some(_), Some(KeyState::Active { .. })) => Err(signs(&kid)),
                (Some(keys), Some(_)) => {
                    step.set_token_keys(keys.without(&kid));
                    step.append(changed(Verb::TokenKeyRetired, &by, None, &kid).event())?;
                    Ok(step.world.tokens.keys().map(|keys| keys.views()).unwrap_or_default())
                }
                _ => Err(AdminError::not_found("key of tokens", &kid, "marque key list")),
            }
        })
        .await
    }

    /// As [`Plane::retire_token_key`], also of the key that signs: the prepared one signs at once,
    /// or a fresh one. Every token that the retired key signed is good no more here, and who
    /// verifies elsewhere knows neither that nor a fresh key before they fetch the published set
    /// again.
    pub async fn replace_token_key(
        &self,
        who: &Acting<User>,
        kid: &str,
    ) -> Result<Vec<KeyView>, AdminError> {
        let signs_with = self.world().tokens.keys().and_then(|keys| keys.signs_with(kid));
        let Some(algorithm) = signs_with else {
            return self.retire_token_key(who, kid).await;
        };
        let next = self.next_key(algorithm).await?;
        let (by, kid) = (Self::by(who), kid.to_owned());
        self.change(who, move |step| {
            let keys = step.world.tokens.keys().cloned();
            let keys = keys.filter(|keys| keys.signs_with(&kid) == Some(algorithm));
            let keys = keys.ok_or_else(|| {
                let message = format!("the key `{kid}` signs no more: look again");
                AdminError::new(AdminKind::Conflict, message).hint("see `marque key list`")
            })?;
            let moved = keys.with_other_signer(Arc::clone(&next), step.now);
            let signer = moved.signer(algorithm).map(|signer| signer.public.kid().to_owned());
            step.set_token_keys(moved);
            let entry = changed(Verb::TokenKeyRetired, &by, None, &kid);
            step.append(entry.detail("signer", signer.unwrap_or_default()).event())?;
            Ok(step.world.tokens.keys().map(|keys| keys.views()).unwrap_or_default())
        })
        .await
    }

    /// Has the keys of tokens moved on, where their time has come. Called by the reaper.
    pub(crate) async fn tend_token_keys(&self) -> Result<(), AdminError> {
        let Some(settings) = self.oauth() else { return Ok(()) };
        let (now, after) = (self.now(), settings.rotate_after);
        let world = self.world();
        let Some(keys) = world.tokens.keys() else { return Ok(()) };
        let due = [TokenAlgorithm::Es256, TokenAlgorithm::Rs256];
        let Some(algorithm) = due.into_iter().find(|one| keys.is_due(*one, after, now)) else {
            return Ok(());
        };
        // One that is published already takes over.
        let next =
            if keys.has_prepared(algorithm) { None } else { Some(self.next_key(algorithm).await?) };
        self.sequencer()
            .submit(Durability::Disk, move |step| {
                let keys = step.world.tokens.keys().cloned();
                // Another server may have been first.
                let is_due = |keys: &Arc<TokenKeys>| keys.is_due(algorithm, after, step.now);
                let Some(keys) = keys.filter(is_due) else { return Ok(()) };
                let (moved, what) = match &next {
                    Some(next) => (keys.prepared(Arc::clone(next), step.now), Move::Prepared),
                    None => (keys.rotated(algorithm, step.now), Move::Rotated),
                };
                let moved = moved.map_err(|error| AdminError::conflict(&error))?;
                let key = match &next {
                    Some(next) => Some(next.public.kid().to_owned()),
                    None => moved.signer(algorithm).map(|key| key.public.kid().to_owned()),
                };
                step.set_token_keys(moved);
                step.append(Event::TokenKeyMoved {
                    key: key.unwrap_or_default(),
                    algorithm: algorithm.to_string(),
                    step: word(&what).to_owned(),
                })?;
                tracing::info!(%algorithm, step = word(&what), "the keys of tokens moved on");
                Ok(())
            })
            .await
    }

    /// Makes sure that there is a key of that algorithm; the first one signs at once.
    pub(crate) async fn ensure_token_key(
        &self,
        algorithm: TokenAlgorithm,
    ) -> Result<(), AdminError> {
        if self.world().tokens.keys().is_some_and(|keys| keys.has(algorithm)) {
            return Ok(());
        }
        let first = self.next_key(algorithm).await?;
        self.sequencer()
            .submit(Durability::Disk, move |step| {
                let keys = match step.world.tokens.keys() {
                    Some(keys) if keys.has(algorithm) => return Ok(()),
                    Some(keys) => keys.with_first(Arc::clone(&first), step.now),
                    None => TokenKeys::first(Arc::clone(&first), step.now),
                };
                step.set_token_keys(keys);
                Ok::<_, Failure>(())
            })
            .await?;
        Ok(())
    }

    // An RSA key takes a good part of a second: not in a thread that others wait for.
    async fn next_key(&self, algorithm: TokenAlgorithm) -> Result<Arc<SigningKey>, AdminError> {
        let plane = self.clone();
        let made = self.blocking(move || fresh(&plane.inner().parts, algorithm)).await?;
        made.map_err(|error| AdminError::invalid(&error))
    }
}

fn fresh(parts: &Parts, algorithm: TokenAlgorithm) -> Result<Arc<SigningKey>, CryptoError> {
    SigningKey::generate(algorithm, (&*parts.key_manager, &*parts.random))
}

// The prepared key takes over if there is one and it may; else the next one is prepared.
fn advance(
    keys: &TokenKeys,
    next: &Arc<SigningKey>,
    now: Timestamp,
) -> Result<(TokenKeys, Move), CryptoError> {
    match keys.rotated(next.algorithm, now) {
        Ok(rotated) => Ok((rotated, Move::Rotated)),
        Err(error @ CryptoError::KeyNotReady { .. }) => Err(error),
        Err(_) => Ok((keys.prepared(Arc::clone(next), now)?, Move::Prepared)),
    }
}

fn word(what: &Move) -> &'static str {
    match what {
        Move::Prepared => "prepared",
        Move::Rotated => "active",
    }
}

fn signs(kid: &str) -> AdminError {
    let message = format!("the key `{kid}` signs tokens now, and nobody else does");
    AdminError::new(AdminKind::Conflict, message).hint(
        "let the next one sign first: `marque key rotate token`, twice; after a theft, \
             `marque key retire token KEY --now` ends it and every token it signed at once",
    )
}

fn no_key() -> AdminError {
    AdminError::new(AdminKind::Conflict, "there is no key of tokens of that algorithm")
        .hint("the token service makes one when it is set up: `oauth.issuer`")
}

impl TokenKeys {
    /// For people.
    pub(crate) fn views(&self) -> Vec<KeyView> {
        let view = |key: &Arc<SigningKey>, state: KeyState| KeyView {
            purpose: format!("token {}", key.algorithm),
            id: Some(key.public.kid().to_owned()),
            since: None,
            until: None,
            at: Some(match state {
                KeyState::Prepared { from } => from,
                KeyState::Active { since } => since,
                KeyState::Retired { until } => until,
            }),
            state: match state {
                KeyState::Prepared { .. } => "prepared",
                KeyState::Active { .. } => "active",
                KeyState::Retired { .. } => "retired",
            }
            .to_owned(),
        };
        self.all().map(|(key, state)| view(key, state)).collect()
    }
}
