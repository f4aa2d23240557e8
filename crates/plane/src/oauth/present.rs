//! A token of ours at a door of the gateway: whoever holds its key is its run, for one request.
//!
//! The proof is checked on every call, and so is whether the token was taken back; only the
//! signature of a token that was verified before is not verified again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use marque_crypto::Secret;
use marque_crypto::hash::sha256;
use marque_domain::{AccessToken, Code, Connection, Digest, Id, Name, Operation, Refusal, Revised};
use marque_wire::jose::{NumericDate, TokenClass, Unverified};
use marque_wire::oauth::{
    AccessTokenClaims, BadProof, Confirmation, DpopProof, ErrorCode, ExpectedProof, Htu, StepUp,
};

use super::bound::{BoundProof, Held};
use super::{proof, service, target};
use crate::caller::Presented;
use crate::plane::Plane;
use crate::record;

/// Tokens of one generation whose signature need not be verified again; there are two.
const GENERATION_MAX: usize = 2_048;

/// What came to a door. No `Debug`: it holds a token.
pub struct TokenAtDoor<'a> {
    /// The token.
    pub token: Secret,
    /// Whether it was sent as `DPoP`, else as `Bearer` (RFC 9449 §7.1).
    pub is_dpop: bool,
    /// The one DPoP proof, if there is one.
    pub proof: Result<Option<&'a [u8]>, BadProof>,
    /// The certificate the client showed and whose key it holds, in DER.
    pub certificate: Option<&'a [u8]>,
    /// The connection that the address names.
    pub connection: &'a Name,
    /// The method of the request.
    pub method: &'a str,
    /// The address of the request, without query.
    pub url: &'a str,
}

/// Claims of tokens whose signature was verified, by the hash of the token.
#[derive(Default)]
pub(crate) struct VerifiedTokens(Mutex<Generations>);

// What was used lately is in the younger one; when that is full, the older one goes.
#[derive(Default)]
struct Generations {
    younger: HashMap<Digest, Arc<Known>>,
    older: HashMap<Digest, Arc<Known>>,
}

/// What a token says, and which key has signed it: one that was taken out of use verifies nothing.
pub(super) struct Known {
    claims: AccessTokenClaims,
    kid: String,
}

impl Known {
    pub(super) fn claims(&self) -> &AccessTokenClaims {
        &self.claims
    }
}

impl VerifiedTokens {
    fn get(&self, token: &Digest) -> Option<Arc<Known>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(claims) = kept.younger.get(token) {
            return Some(Arc::clone(claims));
        }
        let claims = kept.older.remove(token)?;
        kept.put(*token, &claims);
        Some(claims)
    }

    fn put(&self, token: Digest, claims: &Arc<Known>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(token, claims);
    }
}

impl Generations {
    fn put(&mut self, token: Digest, claims: &Arc<Known>) {
        if self.younger.len() >= GENERATION_MAX {
            self.older = std::mem::take(&mut self.younger);
        }
        self.younger.insert(token, Arc::clone(claims));
    }
}

impl Plane {
    /// As [`Plane::present`], for a token that another server may have signed a moment ago: what
    /// does not hold is looked at again once everything that was committed by now is known here, or
    /// half a second has passed.
    pub async fn meet_token(
        &self,
        at: &TokenAtDoor<'_>,
    ) -> Result<Presented, (ErrorCode, Refusal)> {
        let met = self.present(at);
        if !matches!(met, Err((ErrorCode::InvalidToken, _))) || !self.inner().store.is_shared() {
            return met;
        }
        self.sequencer().pulse().passes(self.clock()).await;
        self.present(at)
    }

    /// The connection of that name that the gateway serves with tokens. Not a decision: whoever
    /// asks for it is not proven by that.
    pub fn connection_behind(&self, name: &Name) -> Option<Arc<Revised<Connection>>> {
        self.oauth()?;
        let world = self.world();
        let found = world.connection_named(name);
        found.filter(|found| found.fact.is_live() && target::is_by_gateway(&found.fact)).cloned()
    }

    /// Records that somebody was refused before there was anything to decide.
    pub async fn turn_away(&self, operation: &Operation, refusal: Refusal) -> Refusal {
        record::refuse_early(self, (operation, None), &[], refusal).await
    }

    /// Whether one of these tokens was taken back.
    pub fn were_taken_back(&self, tokens: &[Id<AccessToken>]) -> bool {
        let world = self.world();
        tokens.iter().any(|token| world.tokens.revoked_until(*token).is_some())
    }

    /// Who presents a token at a door: proven, or what to tell them (RFC 6750 §3, RFC 9449 §7).
    pub fn present(&self, at: &TokenAtDoor<'_>) -> Result<Presented, (ErrorCode, Refusal)> {
        let bad = |what: &str| (ErrorCode::InvalidToken, unproven(what));
        let settings = self.oauth().ok_or_else(|| bad("the token service is off"))?;
        let world = self.world();
        let known = self.verified(&at.token).ok_or_else(|| bad("the token does not hold"))?;
        let claims = &known.claims;
        let named = world.connection_named(at.connection).filter(|found| found.fact.is_live());
        let meant = target::connection_of(&world, settings, claims.aud.as_str());
        let connection = match (named, meant) {
            (Some(named), Some(meant)) if named.fact.id == meant.fact.id => meant,
            _ => return Err(bad("the token is not for this connection")),
        };
        let uses = match (claims.cnf, at.is_dpop) {
            (Some(Confirmation::Key(key)), true) => Some(
                self.check_proof(at, key)
                    .map_err(|problem| (told(problem), unproven(&problem.to_string())))?,
            ),
            (Some(Confirmation::Certificate(wanted)), false) => {
                let shown = at.certificate.map(proof::thumbprint);
                if shown != Some(wanted) {
                    return Err(bad("the token is bound to another certificate"));
                }
                None
            }
            (None, false) => {
                let may = connection.fact.tokens.as_ref().is_some_and(|target| target.bearer);
                if !may {
                    return Err(bad("the token is bound to nobody, and that was not allowed here"));
                }
                None
            }
            _ => return Err(bad("the token is bound, and was not presented so")),
        };
        self.must_be_stepped_up(&connection, claims)?;
        let run = claims.run.as_ref().ok_or_else(|| bad("the token is of no run"))?.id;
        let live = world.live(run).ok_or_else(|| bad("the token's run is over"))?;
        let id: Id<AccessToken> = claims.jti.parse().map_err(|_| bad("the token does not hold"))?;
        let details = &claims.authorization_details;
        let covers = service::covers((&connection.fact, &claims.aud), details);
        let covers = covers.map_err(|_| bad("the token says what nobody knows here"))?;
        let held = Held { id, until: claims.exp.timestamp(), covers };
        let proof = BoundProof::new(Arc::clone(live), uses.into_iter().collect());
        Ok(Presented::Bound(Box::new(proof.with(Some(held)))))
    }

    // RFC 9470: the person was authenticated as the connection wants it, and not too long ago.
    fn must_be_stepped_up(
        &self,
        connection: &Revised<Connection>,
        claims: &AccessTokenClaims,
    ) -> Result<(), (ErrorCode, Refusal)> {
        let Some(wanted) = step_up_of(&connection.fact) else { return Ok(()) };
        if wanted.holds(claims, NumericDate::of(self.now())) {
            return Ok(());
        }
        let refusal = Refusal::new(
            Code::CallerStepUp,
            "the person it is for was not authenticated as this connection wants it",
            "have them sign in again, and exchange their new token",
        );
        Err((ErrorCode::InsufficientUserAuthentication, refusal))
    }

    fn check_proof(
        &self,
        at: &TokenAtDoor<'_>,
        key: marque_wire::oauth::Thumbprint,
    ) -> Result<super::bound::Use, BadProof> {
        let proof = at.proof?.ok_or(BadProof::Missing)?;
        let proof::Moment { now, steady } = self.moment();
        let nonces = self.nonces(steady);
        let good = nonces.good();
        let target = Htu::parse(at.url).map_err(|_| BadProof::Target)?;
        let expected = ExpectedProof {
            method: at.method,
            target: &target,
            now: NumericDate::of(now),
            nonces: Some(&good),
            access_token: Some(at.token.expose()),
            key: Some(key),
        };
        DpopProof::check(proof, &expected).map(|held| proof::used(&held, steady))
    }

    /// A token of ours that holds now: its signature, its time, and that nobody took it back. Its
    /// audience and its run are for the caller to look at.
    pub(super) fn verified(&self, token: &Secret) -> Option<Arc<Known>> {
        let (settings, world, now) = (self.oauth()?, self.world(), self.now());
        let hash = sha256(token.expose());
        let cache = &self.inner().verified;
        let known = if let Some(known) = cache.get(&hash) {
            known
        } else {
            let unverified = Unverified::parse(TokenClass::AccessToken, token.expose()).ok()?;
            let kid = unverified.key_id()?.to_owned();
            let claims = self.read_own(&world, settings, token)?;
            let known = Arc::new(Known { claims, kid });
            cache.put(hash, &known);
            known
        };
        let is_good = now < known.claims.exp.timestamp()
            && world.tokens.keys().is_some_and(|keys| keys.find(&known.kid, now).is_some())
            && known.claims.jti.parse().is_ok_and(|jti| world.tokens.revoked_until(jti).is_none());
        is_good.then_some(known)
    }
}

/// How a person must have been authenticated for whom a connection is called; `None` where it does
/// not matter.
pub fn step_up_of(connection: &Connection) -> Option<StepUp> {
    let wanted = &connection.tokens.as_ref()?.step_up;
    (!wanted.is_nothing()).then(|| StepUp {
        max_age_secs: wanted.max_age_secs,
        acr_values: (!wanted.acr_values.is_empty()).then(|| wanted.acr_values.join(" ")),
    })
}

fn told(problem: BadProof) -> ErrorCode {
    match problem {
        BadProof::Nonce => ErrorCode::UseDpopNonce,
        BadProof::Missing => ErrorCode::InvalidToken,
        _ => ErrorCode::InvalidDpopProof,
    }
}

fn unproven(what: &str) -> Refusal {
    Refusal::new(Code::CallerProof, what, "ask for another token at the token endpoint")
}
