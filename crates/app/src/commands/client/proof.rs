//! What a client proves itself by, on the command line: exactly one of four ways.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use marque_crypto::hash::sha256;
use marque_domain::Digest;
use marque_domain::client::ClientKeys;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::commands::key_args::KeyArgs;
use crate::commands::public_keys;
use crate::exit::{Exit, Failure};

#[derive(Args)]
pub(super) struct ProofArgs {
    #[command(flatten)]
    way: Way,
    /// With `--ca`: the one name in its certificate, a DNS name or a URI
    #[arg(long, value_name = "NAME", requires = "ca")]
    subject: Option<String>,
    #[command(flatten)]
    keys: KeyArgs,
    /// With `--issuer`: what its tokens must name this service by
    #[arg(long, value_name = "AUDIENCE", requires = "issuer")]
    audience: Option<String>,
    /// With `--issuer`: a claim, and exactly what it must be; may be repeated
    #[arg(long = "claim", value_name = "NAME=VALUE", requires = "issuer", value_parser = claim)]
    claims: Vec<(String, String)>,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Way {
    /// It signs assertions: its public key, as PEM, a JWK or a JWK set
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// It shows a certificate of its own: that certificate, PEM
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// It shows a certificate of an authority: that of the authority, PEM
    #[arg(long, value_name = "FILE", requires = "subject")]
    ca: Option<PathBuf>,
    /// It shows tokens of another issuer, as a CI job has them: that issuer, byte for byte
    #[arg(long, value_name = "URL", requires_all = ["audience", "claims"])]
    issuer: Option<String>,
}

impl ProofArgs {
    /// What the plane is told.
    pub(super) fn read(self) -> Result<ClientKeys, Failure> {
        let wrong = || Failure::new(Exit::Usage, "name one way in which the client proves itself");
        match self.way {
            Way { key: Some(file), .. } => Ok(ClientKeys::Keys { jwks: public_keys::read(&file)? }),
            Way { certificate: Some(file), .. } => {
                Ok(ClientKeys::Certificate { thumbprint: certificate(&file)?.1 })
            }
            Way { ca: Some(file), .. } => Ok(ClientKeys::CertificateOf {
                authority_pem: certificate(&file)?.0,
                subject: self.subject.ok_or_else(wrong)?,
            }),
            Way { issuer: Some(issuer), .. } => {
                let (jwks, source) = self.keys.read()?;
                let audience = self.audience.ok_or_else(wrong)?;
                let claims = distinct(self.claims)?;
                Ok(ClientKeys::Issuer { issuer, jwks, source, audience, claims })
            }
            Way { .. } => Err(wrong()),
        }
    }
}

/// The text of a PEM file with one certificate, and the certificate's hash.
fn certificate(file: &Path) -> Result<(String, Digest), Failure> {
    let refused = |why: &str| {
        let message = format!("cannot take `{}`: {why}", file.display());
        Failure::new(Exit::Failed, message)
            .hint("give one certificate as PEM: `-----BEGIN CERTIFICATE-----`")
    };
    let text = public_keys::text(file)?;
    let text = std::str::from_utf8(text.expose()).map_err(|_| refused("it is not text"))?;
    let mut found = CertificateDer::pem_slice_iter(text.as_bytes());
    let (Some(Ok(first)), None) = (found.next(), found.next()) else {
        return Err(refused("it does not hold exactly one certificate"));
    };
    Ok((text.to_owned(), sha256(&first)))
}

fn distinct(claims: Vec<(String, String)>) -> Result<BTreeMap<String, String>, Failure> {
    let count = claims.len();
    let claims: BTreeMap<_, _> = claims.into_iter().collect();
    if claims.len() == count {
        return Ok(claims);
    }
    Err(Failure::new(Exit::Usage, "`--claim` names one claim twice"))
}

fn claim(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write `NAME=VALUE`")?;
    Ok((name.to_owned(), value.to_owned()))
}
