//! Status lists (draft-ietf-oauth-status-list): which tokens are good no more, for verifiers that
//! ask about none of them.
//!
//! Owns what a list says, and how often it is made. A token that lives longer than five minutes has
//! a place in one; what the place says and what introspection says is computed by one function.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use marque_crypto::hash::sha256;
use marque_domain::{AccessToken, Digest, Id, Run, Timestamp, TokenStatusList};
use marque_wire::jose::NumericDate;
use marque_wire::oauth::{
    AccessTokenClaims, Issuer, Resource, Status, StatusBits, StatusList, StatusListClaims,
    StatusReference,
};
use tokio::sync::Mutex;

use super::answer::{Asked, Refused};
use super::ask::OAuthSettings;
use super::bound::Bound;
use crate::issue::{self, unpublished};
use crate::plane::Plane;
use crate::record::Stop;
use crate::run;
use crate::step::Step;
use crate::world::{Listed, PLACES, Place, World};

/// The longest life of a token without a place in a list, in seconds.
const UNLISTED_MAX_SECS: u64 = 300;
/// How long verifiers may keep a list, in seconds: its `ttl`.
const LIST_TTL_SECS: u64 = 30;
/// How old a list grows before another is made, however many ask.
const MADE_EVERY: Duration = Duration::from_secs(2);

/// A place that a token took, and the key it is listed with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    place: Place,
    key: Digest,
}

impl Taken {
    /// Whether that is the key.
    pub(super) fn is_by(self, kid: &str) -> bool {
        self.key == of_key(kid)
    }

    /// How its token names it.
    pub(super) fn reference(self, issuer: &Issuer) -> Option<StatusReference> {
        let uri = Resource::parse(&address(issuer, self.place.list)).ok()?;
        Some(StatusReference { idx: self.place.index.into(), uri })
    }
}

/// Whether a token lives so long that it must have a place.
pub(super) fn needs_place(claims: &AccessTokenClaims) -> bool {
    lives_long(claims.iat, claims.exp)
}

/// When a token ends: earlier where it should have a place and there is none.
pub(super) fn end_without_room(world: &World, iat: NumericDate, exp: NumericDate) -> NumericDate {
    if lives_long(iat, exp) && !world.tokens.listed.has_room() {
        return iat.plus_seconds(UNLISTED_MAX_SECS);
    }
    exp
}

fn lives_long(iat: NumericDate, exp: NumericDate) -> bool {
    exp.seconds_since(iat) > UNLISTED_MAX_SECS
}

/// Takes a place for the token of a decision, where it needs one, in the decision's own turn.
pub(crate) fn take_place(
    step: &mut Step<'_, '_>,
    bound: &Bound,
    run: Id<Run>,
) -> Result<Option<Taken>, Stop> {
    let Some(mint) = bound.token.as_ref().filter(|mint| needs_place(&mint.claims)) else {
        return Ok(None);
    };
    let signer = step.world.tokens.keys().and_then(|keys| keys.signer(mint.algorithm));
    // Nobody could sign it.
    let Some(key) = signer.map(|signer| of_key(signer.public.kid())) else { return Ok(None) };
    // The last one was taken meanwhile: asked again, it lives shorter.
    let place = step.world.tokens.listed.free(step.now, step.random).ok_or(Stop::Stale)?;
    let until = mint.claims.exp.timestamp();
    step.list(place, Listed { token: mint.jti(), run, key, until });
    Ok(Some(Taken { place, key }))
}

/// Tokens looked at in one moment of the world, each run once.
pub(super) struct Look<'a> {
    world: &'a World,
    now: Timestamp,
    stands: HashMap<Id<Run>, bool>,
}

impl<'a> Look<'a> {
    pub(super) fn at(world: &'a World, now: Timestamp) -> Self {
        Self { world, now, stands: HashMap::new() }
    }

    /// Whether a token whose signature holds is good: introspection and status lists both say so.
    pub(super) fn is_active(
        &mut self,
        (token, until): (Id<AccessToken>, Timestamp),
        run: Id<Run>,
    ) -> bool {
        let (world, now) = (self.world, self.now);
        let stands = || {
            run::stand(world, run, now).is_ok()
                && world.live(run).is_some_and(|live| !live.is_cancelled())
        };
        now < until
            && world.tokens.revoked_until(token).is_none()
            && *self.stands.entry(run).or_insert_with(stands)
    }
}

/// A list as it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedList {
    /// The signed list.
    pub token: Arc<str>,
    /// For how many seconds it may still be kept.
    pub max_age_secs: u64,
}

/// The lists as they were made last, and a lock on making them.
#[derive(Default, Clone)]
pub(crate) struct Rendered(Arc<Mutex<HashMap<Id<TokenStatusList>, Made>>>);

struct Made {
    token: Arc<str>,
    at: Duration,
}

impl Made {
    fn published(&self, now: Duration) -> Option<PublishedList> {
        let age = now.saturating_sub(self.at);
        let max_age_secs = LIST_TTL_SECS.saturating_sub(age.as_secs());
        let token = Arc::clone(&self.token);
        (age < MADE_EVERY).then_some(PublishedList { token, max_age_secs })
    }
}

impl Plane {
    /// A status list, signed; `None` where there is none of that name. It is made at most once in
    /// two seconds, whoever asks.
    ///
    /// # Errors
    /// [`Refused`], `temporarily_unavailable`, where this server does not know what the others did,
    /// or there is no key that signs.
    pub async fn status_list(
        &self,
        list: Id<TokenStatusList>,
    ) -> Result<Option<PublishedList>, Refused> {
        let by_road = |refusal| Refused::by_road(refusal, Asked::Nothing);
        let Some(settings) = self.oauth().cloned() else { return Ok(None) };
        self.must_hear().map_err(by_road)?;
        if !self.knows_list(list).await {
            return Ok(None);
        }
        let mut made = Arc::clone(&self.inner().rendered.0).lock_owned().await;
        if let Some(known) = made.get(&list).and_then(|made| made.published(self.elapsed())) {
            return Ok(Some(known));
        }
        let plane = self.clone();
        // The lock goes along: whoever gave up waiting starts no second making of it.
        let making = self.blocking(move || {
            plane.must_hear().map_err(by_road)?;
            let (world, at) = (plane.world(), plane.elapsed());
            made.retain(|known, _| world.tokens.listed.has(*known));
            let claims = render(&settings, (&world, plane.now()), list)?;
            let token = issue::sign_status_list(&world, &claims)?;
            let token = String::from_utf8_lossy(token.expose()).into();
            let new = Made { token, at };
            let published = new.published(at);
            made.insert(list, new);
            Ok(published)
        });
        making.await.map_err(|error| unpublished(&error))?
    }

    /// Where every list is (section 9 of the draft).
    pub fn status_lists(&self) -> Vec<String> {
        let Some(settings) = self.oauth() else { return Vec::new() };
        let world = self.world();
        world.tokens.listed.lists().map(|list| address(&settings.issuer, list)).collect()
    }

    /// Whether any token gets a place in a list.
    pub fn lists_tokens(&self) -> bool {
        self.oauth().is_some_and(|settings| settings.token_ttl.as_secs() > UNLISTED_MAX_SECS)
    }

    // Its first token may have been signed by another server a moment ago.
    async fn knows_list(&self, list: Id<TokenStatusList>) -> bool {
        let knows = || self.world().tokens.listed.has(list);
        if !knows() && self.inner().store.is_shared() {
            self.sequencer().pulse().passes(self.clock()).await;
        }
        knows()
    }

    fn elapsed(&self) -> Duration {
        self.clock().elapsed()
    }
}

fn render(
    settings: &OAuthSettings,
    (world, now): (&World, Timestamp),
    list: Id<TokenStatusList>,
) -> Result<StatusListClaims, Refused> {
    let places = PLACES as usize;
    let bits = StatusList::new(StatusBits::One, places);
    let mut bits = bits.map_err(|error| unpublished(&error))?;
    let keys = world.tokens.keys().map(|keys| keys.published(now)).unwrap_or_default();
    let keys: HashSet<Digest> =
        keys.keys().iter().filter_map(|key| key.key_id.as_deref()).map(of_key).collect();
    let mut look = Look::at(world, now);
    for (index, listed) in world.tokens.listed.of(list) {
        // Introspection verifies the signature, and finds no key.
        let is_active =
            keys.contains(&listed.key) && look.is_active((listed.token, listed.until), listed.run);
        if is_active || now >= listed.silent_from() {
            continue;
        }
        bits.set(index as usize, Status::Invalid).map_err(|error| unpublished(&error))?;
    }
    let sub = Resource::parse(&address(&settings.issuer, list));
    let iat = NumericDate::of(now);
    Ok(StatusListClaims {
        sub: sub.map_err(|error| unpublished(&error))?,
        iat,
        exp: Some(iat.plus_seconds(Listed::LIST_GOOD_FOR.as_secs())),
        ttl_secs: Some(LIST_TTL_SECS),
        list: bits,
    })
}

fn address(issuer: &Issuer, list: Id<TokenStatusList>) -> String {
    format!("{}/oauth/status/{list}", issuer.as_str().trim_end_matches('/'))
}

fn of_key(kid: &str) -> Digest {
    sha256(kid.as_bytes())
}

#[cfg(test)]
mod tests {
    use marque_crypto::SystemRandom;
    use marque_crypto::hash::sha256;
    use marque_domain::Timestamp;
    use marque_wire::jose::NumericDate;

    use super::{Listed, UNLISTED_MAX_SECS, end_without_room};
    use crate::testing::{NOW, Scene, id};

    #[test]
    fn a_token_for_which_there_is_no_place_lives_no_longer_than_one_without() {
        let (mut world, iat) = (Scene::new().world(), NumericDate::of(NOW));
        let end = |world: &_, secs: u64| {
            end_without_room(world, iat, iat.plus_seconds(secs)).seconds_since(iat)
        };
        let until = Timestamp::from_millis(NOW.as_millis() + 900_000);
        while let Some(place) = world.tokens.listed.free(NOW, &SystemRandom) {
            assert_eq!((end(&world, 900), end(&world, 301)), (900, 301));
            let listed = Listed { token: id(1), run: id(2), key: sha256(b"key"), until };
            world.tokens.listed.put(place, listed);
        }
        assert_eq!((end(&world, 900), end(&world, 301)), (UNLISTED_MAX_SECS, UNLISTED_MAX_SECS));
        assert_eq!((end(&world, 300), end(&world, 10)), (300, 10));
    }
}
