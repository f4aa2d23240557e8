//! Jobs and workloads that another issuer vouches for: which client a token of it proves, and which
//! of the client's jobs (RFC 7523 §2.1).
//!
//! Anybody can send an assertion, so a signature is verified once for each key, however many
//! clients an issuer has; and once where there is no key, so that nobody learns from the time whose
//! there are.

use std::collections::BTreeMap;

use marque_crypto::Secret;
use marque_crypto::hash::sha256;
use marque_domain::client::ClientKeys;
use marque_domain::{Client, Digest, Id};
use marque_wire::jose::{NumericDate, TokenClass, Unverified};
use marque_wire::oauth::{Assertion, ErrorCode, ExpectedAssertion};
use serde_json::Value;

use super::answer::Refused;
use super::bound::{Spent, Use};
use super::client::{Asker, Authenticated, unproven};
use super::decoy;
use crate::plane::Plane;
use crate::world::World;

/// The longest life of another issuer's token that is accepted, in seconds.
const LIFETIME_MAX_SECS: u64 = 3_600;

/// A job that another issuer's token proves.
pub(super) struct Bearer {
    pub(super) client: Id<Client>,
    pub(super) instance: Digest,
    /// Its token, which is good for one request that is answered.
    pub(super) assertion: Use,
}

/// What a token says to whoever has such a key and expects such an audience; nothing where it does
/// not hold for them.
type Read = BTreeMap<(String, String), Option<Assertion>>;

impl Plane {
    /// The job that an assertion of a configured issuer proves.
    pub(super) fn bearer_of(
        &self,
        (authenticated, client_id): (Option<&Authenticated>, Option<&str>),
        assertion: &Secret,
    ) -> Result<Bearer, Refused> {
        let bad = || Refused::of(ErrorCode::InvalidGrant, "the assertion does not hold");
        // Who proved itself beside it is the client; else the assertion says which.
        let wanted = match authenticated {
            Some(Authenticated { asker: Asker::Client(client), .. }) => Some(client.fact.id),
            Some(_) => return Err(unproven()),
            None => None,
        };
        let (client, job) = self.job_of(wanted, assertion).ok_or_else(bad)?;
        let name = job.jti.clone().unwrap_or_else(|| unsigned_name(assertion.expose()));
        // RFC 7521 §4.1: whoever the request names is whom the assertion proves.
        if client_id.is_some_and(|named| named != client.to_string()) {
            return Err(unproven());
        }
        let issuer = sha256(job.iss.as_bytes()).to_string();
        let assertion =
            Use::of("job", &issuer, &name, job.exp.timestamp()).spent(Spent::UnlessHeld);
        Ok(Bearer { client, instance: instance_of(&job), assertion })
    }

    fn job_of(
        &self,
        wanted: Option<Id<Client>>,
        assertion: &Secret,
    ) -> Option<(Id<Client>, Assertion)> {
        let (world, now) = (self.world(), NumericDate::of(self.now()));
        let unverified = Unverified::parse(TokenClass::Assertion, assertion.expose()).ok()?;
        let claimed = unverified.claimed_issuer().ok()?;
        let meant = world.tokens.clients_of(&claimed);
        let meant = meant.filter(|client| wanted.is_none_or(|wanted| wanted == *client));
        let mut read = Read::new();
        let mut found = None;
        for client in meant {
            let Some(client) = world.clients.get(client).filter(|one| one.fact.is_active()) else {
                continue;
            };
            let Some(job) = proves(&world, &client.fact, (assertion, now), &mut read) else {
                continue;
            };
            // Two clients that one job is, and nobody could say which bounds hold.
            if found.replace((client.fact.id, job)).is_some() {
                return None;
            }
        }
        if read.is_empty() {
            decoy::verify(unverified);
        }
        found
    }
}

// What the token says, if it proves that client.
fn proves(
    world: &World,
    client: &Client,
    (assertion, now): (&Secret, NumericDate),
    read: &mut Read,
) -> Option<Assertion> {
    let ClientKeys::Issuer { issuer, audience, claims, .. } = &client.proof else { return None };
    let unverified = Unverified::parse(TokenClass::Assertion, assertion.expose()).ok()?;
    let keys = world.tokens.issuer_keys_of_client(client.id, now.timestamp())?;
    let key = keys.find(unverified.key_id(), unverified.algorithm())?;
    let expected =
        ExpectedAssertion { issuer, audience, now, lifetime_max_secs: LIFETIME_MAX_SECS };
    let known = read.entry((key.thumbprint().to_owned(), audience.clone())).or_insert_with(|| {
        let verified = unverified.verify(key).ok()?;
        Assertion::read(verified, &expected).ok()
    });
    let job = known.as_ref()?;
    // A client without any condition would be everybody of that issuer.
    let holds = !claims.is_empty()
        && claims.iter().all(|(name, wanted)| says(job, name).as_ref() == Some(wanted));
    holds.then(|| job.clone())
}

fn says(job: &Assertion, name: &str) -> Option<String> {
    match name {
        "sub" => Some(job.sub.clone()),
        _ => job.claims.get(name).and_then(|value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }),
    }
}

/// The name of a token that has none: a signature can be spelt in two ways, what is signed in one.
pub(super) fn unsigned_name(token: &[u8]) -> String {
    let signed = token.rsplitn(2, |byte| *byte == b'.').nth(1);
    sha256(signed.unwrap_or(token)).to_string()
}

// One job, however many tokens it fetches: GitHub's `run_id` and `run_attempt`, else `sub`.
fn instance_of(job: &Assertion) -> Digest {
    let part = |name: &str| job.claims.get(name).map(ToString::to_string).unwrap_or_default();
    let parts =
        [job.iss.clone(), job.sub.clone(), part("run_id"), part("run_attempt"), part("job_id")];
    sha256(parts.join("\n").as_bytes())
}
