//! `marque token inspect`

use std::path::PathBuf;

use clap::Args;
use marque_plane::Clock as _;
use marque_wire::oauth::AccessTokenClaims;
use serde::Serialize;
use serde_json::{Map, Value};

use super::checked::{self, Signature};
use super::{service, source, words};
use crate::clock::SystemClock;
use crate::commands::public_keys;
use crate::context::Context;
use crate::exit::Exit;

/// Say in words what a token says
///
/// Who acts, for whom, through whom, in which run, for which task; what it allows, until when, and
/// whose key it is bound to. Asks nobody, and so says plainly that the signature was not checked:
/// `--jwks` checks it with keys from a file, `--issuer` with those that the issuer publishes. It
/// does not say that the token is good: `marque token verify` does.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque token inspect token
  marque token issue --resource https://billing.example/ | marque token inspect -
  marque token inspect token --jwks jwks.json
  marque token inspect token --issuer https://id.acme.example")]
pub(crate) struct Inspect {
    /// The token, in a file, or on standard input for `-`
    #[arg(value_name = "FILE")]
    token: PathBuf,
    /// Check the signature with these public keys, a JWK set
    #[arg(long, value_name = "FILE", conflicts_with = "issuer")]
    jwks: Option<PathBuf>,
    /// Check the signature with the keys that this issuer publishes now
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
}

/// What it says, for scripts.
#[derive(Serialize)]
pub(super) struct Inspected {
    /// Whether the signature was checked, and holds.
    verified: bool,
    /// By which key.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// Whether it is over.
    expired: bool,
    claims: Map<String, Value>,
}

impl Inspect {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let token = source::read(&self.token)?;
        let (claims, signature) = match (&self.jwks, self.issuer) {
            (Some(file), _) => {
                let keys = checked::keys(public_keys::text(file)?.expose())?;
                checked::verified(&token, (&keys, &format!("`{}`", file.display())))?
            }
            (None, Some(issuer)) => {
                let issuer = service::named(context, Some(issuer)).await?;
                let keys = service::keys(context, &issuer).await?;
                checked::verified(&token, (&keys, issuer.as_str()))?
            }
            (None, None) => (checked::unverified(&token)?, Signature::Unchecked),
        };
        let now = SystemClock::start().now();
        let inspected = Inspected::new(&claims, &signature, now);
        context.output.result(&inspected, |_| words::explain(&claims, &signature, now))?;
        Ok(Exit::Done)
    }
}

impl Inspected {
    /// What was found.
    pub(super) fn new(
        claims: &AccessTokenClaims,
        signature: &Signature,
        now: marque_domain::Timestamp,
    ) -> Self {
        let key = match signature {
            Signature::Unchecked => None,
            Signature::Holds { key, .. } => Some(key.clone()),
        };
        Self {
            verified: key.is_some(),
            key,
            expired: now >= claims.exp.timestamp(),
            claims: claims.to_json(),
        }
    }
}
