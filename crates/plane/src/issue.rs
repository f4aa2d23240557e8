//! Issuing: the one function that signs an agent's token. It takes a [`Permit`], so what it signs
//! was decided and is in the log.

use marque_crypto::token_key::TokenAlgorithm;
use marque_domain::{Code, Refusal};
use marque_wire::jose::{NumericDate, Token, TokenClass, Unsigned};
use marque_wire::oauth::{
    AccessTokenClaims, Introspection, StatusListClaims, introspection_claims,
};
use serde_json::{Map, Value};

use crate::oauth::{Asked, Refused};
use crate::plane::Plane;
use crate::record::Permit;
use crate::run;
use crate::world::World;

/// A signed token and what it says. No `Debug`: whoever has it can present it.
pub(crate) struct Issued {
    pub(crate) token: Token,
    pub(crate) claims: AccessTokenClaims,
}

/// Signs the token a permit is for, and nothing else.
#[expect(clippy::disallowed_methods, reason = "issuing is where tokens are signed")]
pub(crate) fn sign(plane: &Plane, permit: Permit) -> Result<Issued, Refusal> {
    let Some((mint, live)) = permit.mint() else {
        return Err(unsigned("the permit is for a call"));
    };
    // ORDER: first whether a pause kept a kill from being heard, for what was heard has cut.
    plane.must_hear()?;
    if live.is_cancelled() {
        run::stand(&plane.world(), live.run, plane.now())?;
        let message = format!("run `{}` was cut, and the log does not say so yet", live.run);
        return Err(Refusal::new(
            Code::RunKilled,
            message,
            "open another run once it can be written",
        ));
    }
    plane.must_record()?;
    let world = plane.world();
    let signer = world.tokens.keys().and_then(|keys| keys.signer(mint.algorithm));
    let signer = signer.ok_or_else(|| unsigned("there is no key of its algorithm"))?;
    if !mint.is_for_key(signer.public.kid()) {
        return Err(unsigned("its key has just been replaced, or no status list has it"));
    }
    let private = signer.private().ok_or_else(|| unsigned("its key signs no more"))?;
    let claims = mint.claims.to_json();
    let algorithm = mint.algorithm.algorithm();
    let token = Unsigned::new(TokenClass::AccessToken, algorithm, signer.public.kid(), &claims);
    let signature = private.sign(token.signing_input());
    let signature = signature.map_err(|error| unsigned(&error.to_string()))?;
    let token = token.finish(&signature).map_err(|error| unsigned(&error.to_string()))?;
    Ok(Issued { token, claims: mint.claims })
}

impl Plane {
    /// Signs what [`Plane::introspect`] answered to `asker` (RFC 9701). No token: it has neither
    /// `sub` nor `exp`, and its class is another.
    ///
    /// # Errors
    /// [`Refused`], `temporarily_unavailable`, where there is no key that signs.
    pub fn sign_introspection(
        &self,
        asker: &str,
        answer: &Introspection,
    ) -> Result<Token, Refused> {
        let settings = self.oauth().ok_or_else(|| unpublished(&"the token service is off"))?;
        let now = NumericDate::of(self.now());
        let claims = introspection_claims(&settings.issuer, asker, now, answer);
        published(&self.world(), TokenClass::Introspection, &claims)
    }
}

/// Signs a status list, as it stood in that world. No token: it says what tokens are worth, and its
/// class is another.
pub(crate) fn sign_status_list(world: &World, list: &StatusListClaims) -> Result<Token, Refused> {
    let claims = list.to_json().map_err(|error| unpublished(&error))?;
    published(world, TokenClass::StatusList, &claims)
}

// What the service says of tokens, by the key that signs them.
#[expect(clippy::disallowed_methods, reason = "issuing is where tokens are signed")]
fn published(
    world: &World,
    class: TokenClass,
    claims: &Map<String, Value>,
) -> Result<Token, Refused> {
    let signer = world.tokens.keys().and_then(|keys| keys.signer(TokenAlgorithm::Es256));
    let signer = signer.ok_or_else(|| unpublished(&"there is no key of its algorithm"))?;
    let private = signer.private().ok_or_else(|| unpublished(&"its key signs no more"))?;
    let algorithm = TokenAlgorithm::Es256.algorithm();
    let token = Unsigned::new(class, algorithm, signer.public.kid(), claims);
    let signature = private.sign(token.signing_input());
    let signature = signature.map_err(|error| unpublished(&error))?;
    token.finish(&signature).map_err(|error| unpublished(&error))
}

/// The refusal where what the service says of tokens cannot be signed: not now.
pub(crate) fn unpublished(why: &dyn std::fmt::Display) -> Refused {
    Refused::by_road(unsigned(&why.to_string()), Asked::Nothing)
}

fn unsigned(why: &str) -> Refusal {
    Refusal::new(
        Code::LogUnavailable,
        format!("the token was not signed: {why}"),
        "look at the server's output; see `marque key list`",
    )
}
