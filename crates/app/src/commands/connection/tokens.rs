//! What tokens for a connection are like, on the command line.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use marque_domain::Name;
use marque_domain::token::StepUp;
use marque_plane::spec::TokenTargetSpec;
use marque_plane::view::TokenTargetView;

use crate::commands::public_keys;
use crate::config::Span;
use crate::exit::Failure;
use crate::output::Fields;

#[derive(Args)]
pub(super) struct TokenArgs {
    /// Of a `resource`: its address, byte for byte, which its tokens are for
    #[arg(long, value_name = "URL")]
    pub(super) audience: Option<String>,
    /// What its tokens are signed with [default: ES256]
    #[arg(long, value_name = "ALG", value_enum)]
    token_alg: Option<Algorithm>,
    /// Its tokens may be bound to no key: whoever has one can use it
    #[arg(long)]
    token_bearer: bool,
    /// The agent that serves it, and so may exchange tokens that came for it
    #[arg(long, value_name = "AGENT")]
    served_by: Option<Name>,
    /// How long ago the person may have signed in for whom the gateway is called (RFC 9470)
    #[arg(long, value_name = "SPAN")]
    max_auth_age: Option<Span>,
    /// A class of authentication (`acr`) that is enough for it; may be repeated
    #[arg(long = "acr", value_name = "CLASS")]
    acr_values: Vec<String>,
    /// It asks about tokens with this public key: PEM, a JWK or a JWK set
    #[arg(long, value_name = "FILE", conflicts_with = "introspect_secret")]
    introspect_key: Option<PathBuf>,
    /// It asks about tokens with a secret, which is printed once
    #[arg(long)]
    pub(super) introspect_secret: bool,
}

/// What tokens can be signed with.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Algorithm {
    /// ECDSA on P-256
    #[value(name = "ES256")]
    Es256,
    /// RSA, for resources that read nothing else
    #[value(name = "RS256")]
    Rs256,
}

impl Algorithm {
    /// As a token names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }
}

impl TokenArgs {
    /// What the plane is told; nothing where nothing was said.
    pub(super) fn spec(self) -> Result<Option<TokenTargetSpec>, Failure> {
        let spec = TokenTargetSpec {
            audience: self.audience,
            algorithm: self.token_alg.map(|algorithm| algorithm.name().to_owned()),
            bearer: self.token_bearer,
            served_by: self.served_by,
            keys: self.introspect_key.as_deref().map(public_keys::read).transpose()?,
            secret: self.introspect_secret,
            step_up: StepUp {
                max_age_secs: self.max_auth_age.map(|age| age.0.as_secs()),
                acr_values: self.acr_values,
            },
        };
        let says_something = spec.audience.is_some()
            || spec.algorithm.is_some()
            || spec.bearer
            || spec.served_by.is_some()
            || spec.keys.is_some()
            || spec.secret
            || !spec.step_up.is_nothing();
        Ok(says_something.then_some(spec))
    }
}

/// How a person must have signed in; `None` where that does not matter.
fn signed_in(step_up: &StepUp) -> Option<String> {
    let class = (!step_up.acr_values.is_empty()).then(|| step_up.acr_values.join(" or "));
    let age = step_up.max_age_secs.map(|secs| format!("at most {secs} seconds ago"));
    match (class, age) {
        (Some(class), Some(age)) => Some(format!("as {class}, {age}")),
        (class, age) => class.map(|class| format!("as {class}")).or(age),
    }
}

/// How its tokens read beside the rest. Never the secret.
pub(super) fn fields(fields: Fields, tokens: Option<&TokenTargetView>) -> Fields {
    let Some(tokens) = tokens else { return fields };
    let audience = tokens.audience.as_deref().unwrap_or("its address at the gateway");
    let bound = if tokens.bearer { "to a key, or to none" } else { "to a key" };
    fields
        .with("tokens are for", audience)
        .with("signed with", &tokens.algorithm)
        .with("bound", bound)
        .maybe("served by", tokens.served_by.as_ref())
        .maybe("signed in", signed_in(&tokens.step_up))
        .with("asks about tokens by", &tokens.asks_by)
}
