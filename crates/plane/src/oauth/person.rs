//! A person, proven by a token of an issuer that an administrator trusts: the subject of an
//! exchange that opens a run on their behalf (RFC 8693 §2.1, ID tokens and JWTs).
//!
//! That alone opens nothing: the agent that asks needs a grant that names the person.

use marque_crypto::Secret;
use marque_crypto::hash::sha256;
use marque_domain::issuer::{PersonNaming, TrustedIssuer};
use marque_domain::{Digest, Id, Timestamp, User};
use marque_wire::jose::{NumericDate, TokenClass, Unverified};
use marque_wire::oauth::{Assertion, Authentication, ExpectedAssertion, TokenType};
use serde_json::Value;

use super::bound::{Spent, Use};
use super::job::unsigned_name;
use crate::plane::Plane;
use crate::verbs::issuers;

/// The longest life of such a token, in seconds: hosted sessions have theirs for hours.
const LIFETIME_MAX_SECS: u64 = 8 * 3_600;
/// What stands before the token of a hosted session.
const HOSTED_PREFIX: &[u8] = b"sk-ant-cc-";
/// What such a token must be for.
const HOSTED_ROLE: (&str, &str) = ("ccr:role", "session_worker");

/// A person whose token holds.
pub(super) struct Person {
    pub(super) user: Id<User>,
    /// Tells the run for them from others of the client.
    pub(super) instance: Digest,
    pub(super) until: Timestamp,
    /// The name of the token.
    pub(super) jti: String,
    /// A token that names itself is good once for each client; hosted sessions have one for hours.
    pub(super) uses: Option<Use>,
    /// How and when they were authenticated, as the issuer says.
    pub(super) authentication: Option<Authentication>,
}

impl Plane {
    /// Asks the issuer of a subject token for its keys, where the token names one nobody knows.
    pub(super) async fn learn_keys_of_person(&self, (token, kind): (&Secret, TokenType)) {
        if let Some((class, bytes)) = foreign(token, kind) {
            self.learn_keys(class, bytes).await;
        }
    }

    /// The person of a subject token, if the token holds.
    pub(super) fn person_of(
        &self,
        (token, kind): (&Secret, TokenType),
        client_id: &str,
    ) -> Option<Person> {
        let world = self.world();
        let (class, bytes) = foreign(token, kind)?;
        let unverified = Unverified::parse(class, bytes).ok()?;
        let claimed = unverified.claimed_issuer().ok()?;
        let issuer = issuers::trusted(&world).find(|issuer| issuer.issuer == claimed)?;
        let keys = world.tokens.keys_of_issuer(issuer.id, self.now())?;
        let key = keys.find(unverified.key_id(), unverified.algorithm())?;
        let expected = ExpectedAssertion {
            issuer: &issuer.issuer,
            audience: &issuer.audience,
            now: NumericDate::of(self.now()),
            lifetime_max_secs: LIFETIME_MAX_SECS,
        };
        let said = Assertion::read(unverified.verify(key).ok()?, &expected).ok()?;
        let named = name_of(issuer, &said)?;
        let user = *issuer.people.get(named)?;
        let parts = [issuer.id.to_string(), user.to_string()].join("\n");
        let until = said.exp.timestamp();
        let jti = said.jti.clone().unwrap_or_else(|| unsigned_name(bytes));
        let is_once = issuer.naming == PersonNaming::Subject;
        let owner = sha256(format!("{claimed}\n{client_id}").as_bytes()).to_string();
        let uses = is_once.then(|| Use::of("person", &owner, &jti, until).spent(Spent::UnlessHeld));
        let authentication = said.authentication.clone();
        let instance = sha256(parts.as_bytes());
        Some(Person { user, instance, until, jti, uses, authentication })
    }
}

// What is read of a token of another issuer, and as what.
fn foreign(token: &Secret, kind: TokenType) -> Option<(TokenClass, &[u8])> {
    let class = match kind {
        TokenType::IdToken => TokenClass::IdToken,
        TokenType::Jwt => TokenClass::Assertion,
        _ => return None,
    };
    let bytes = token.expose();
    Some((class, bytes.strip_prefix(HOSTED_PREFIX).unwrap_or(bytes)))
}

fn name_of<'a>(issuer: &TrustedIssuer, said: &'a Assertion) -> Option<&'a str> {
    match issuer.naming {
        PersonNaming::Subject => Some(&said.sub),
        PersonNaming::OutermostActor => {
            let (name, wanted) = HOSTED_ROLE;
            let is_worker = said.claims.get(name).and_then(Value::as_str) == Some(wanted);
            let outermost = said.claims.get("act").filter(|_| is_worker)?;
            outermost.get("sub").and_then(Value::as_str)
        }
    }
}
