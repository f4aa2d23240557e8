//! Where the keys of another issuer are, on the command line: in a file, or where it publishes
//! them.

use std::path::PathBuf;

use clap::Args;
use marque_domain::KeySource;
use marque_plane::view::IssuerKeysView;

use crate::commands::public_keys;
use crate::exit::{Exit, Failure};
use crate::output::Fields;

#[derive(Args)]
pub(crate) struct KeyArgs {
    /// Its public keys, a JWK set: read once [default: it is asked for them, through its metadata]
    #[arg(
        long,
        value_name = "FILE",
        requires = "issuer",
        conflicts_with_all = ["jwks_uri", "issuer_ca", "private_network"]
    )]
    jwks: Option<PathBuf>,
    /// Where it publishes its keys, if its metadata is not to be asked
    #[arg(long, value_name = "URL", requires = "issuer")]
    jwks_uri: Option<String>,
    /// The authority that its certificate is of, PEM [default: those of this system]
    #[arg(long, value_name = "FILE", requires = "issuer")]
    issuer_ca: Option<PathBuf>,
    /// The host of `--jwks-uri`, else of `--issuer`, may be on this machine or in a private network
    #[arg(long, requires = "issuer")]
    private_network: bool,
}

impl KeyArgs {
    /// The keys, or where they are.
    pub(crate) fn read(self) -> Result<(String, Option<KeySource>), Failure> {
        if let Some(file) = self.jwks {
            return Ok((public_keys::read(&file)?, None));
        }
        let authority_pem = match self.issuer_ca {
            Some(file) => {
                let text = public_keys::text(&file)?;
                let text = std::str::from_utf8(text.expose()).map(str::to_owned);
                Some(text.map_err(|_| {
                    Failure::new(Exit::Failed, format!("`{}` is not text", file.display()))
                        .hint("give certificates as PEM: `-----BEGIN CERTIFICATE-----`")
                })?)
            }
            None => None,
        };
        let (jwks_uri, private) = (self.jwks_uri, self.private_network);
        Ok((String::new(), Some(KeySource { jwks_uri, authority_pem, private })))
    }
}

/// What is known of the keys of an issuer.
pub(crate) fn with_keys(fields: Fields, keys: &IssuerKeysView) -> Fields {
    let from = keys.from.as_deref().unwrap_or("given by a human, read once");
    let age = if keys.stale { ", too old: its tokens are refused" } else { "" };
    let fetched = keys.fetched_at.map(|at| format!("{at}{age}"));
    fields
        .with("keys from", from)
        .with("keys", format!("{}, {}", keys.count, keys.digest))
        .maybe("fetched", fetched)
        .maybe("last asked", keys.tried_at)
        .maybe("last error", keys.error.as_ref())
}
