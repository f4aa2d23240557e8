//! Keeping what an issuer published: a fact, and an entry in the log where it is another set than
//! before.

use std::sync::Arc;
use std::time::Duration;

use marque_crypto::hash::sha256;
use marque_domain::{Event, IssuerKeys};

use super::Found;
use crate::failure::Failure;
use crate::plane::Plane;
use crate::sequence::Durability;
use crate::step::Step;
use crate::world::{KeyPlace, Published};

/// How far behind the moment may be at which a set that has not changed was last seen.
const CONFIRMED: Duration = Duration::from_secs(3_600);

impl Plane {
    /// Keeps what was found, if that says anything new.
    pub(super) async fn keep_keys(
        &self,
        place: KeyPlace,
        found: Arc<Found>,
    ) -> Result<(), Failure> {
        let (world, now) = (self.world(), self.now());
        let known = world.tokens.issuer_keys().at(place.digest());
        let says_nothing = |known: &Arc<Published>| {
            is_same(known, &found)
                && now.since(known.fetched_at) < CONFIRMED
                && known.fetched_at <= now
        };
        if known.is_some_and(says_nothing) {
            return Ok(());
        }
        self.sequencer().submit(Durability::Disk, move |step| put(step, &place, &found)).await
    }
}

/// The keys at a place are these from now on. Whose set changes, changes who is trusted, so the log
/// has it.
pub(crate) fn put(step: &mut Step<'_, '_>, place: &KeyPlace, found: &Found) -> Result<(), Failure> {
    let known = step.world.tokens.issuer_keys().at(place.digest()).cloned();
    let kept = step.save(IssuerKeys {
        id: known.as_ref().map_or_else(|| step.id(), |known| known.id),
        issuer: place.issuer.clone(),
        source: place.source.clone(),
        from: found.from.clone(),
        jwks: found.jwks.clone(),
        fetched_at: step.now,
    })?;
    if known.as_ref().is_some_and(|known| is_same(known, found)) {
        return Ok(());
    }
    step.append(Event::IssuerKeysChanged {
        fact: kept.reference(),
        issuer: place.issuer.clone(),
        from: found.from.clone(),
        old: known.map(|known| known.digest),
        new: sha256(found.jwks.as_bytes()),
        keys: found.count,
    })?;
    Ok(())
}

fn is_same(known: &Published, found: &Found) -> bool {
    known.digest == sha256(found.jwks.as_bytes()) && known.from == found.from
}
