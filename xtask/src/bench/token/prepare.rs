//! Requests that are ready to be sent: each signed anew, none of them twice.
//!
//! Signing is work of the load, so it happens before a span, never in one.

use std::cell::Cell;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::ask::Asker;
use super::flow::{Binding, Flow};
use super::side::Side;
use crate::bench::clock::unix_seconds;
use crate::bench::papers::Key;
use crate::bench::places::Places;

/// The scope of every token, and what tokens are for.
pub(super) const SCOPE: &str = "items:read";
pub(super) const RESOURCE: &str = "https://items.bench.test/v1";
/// The client that signs, what its key is called, and the client that has a secret.
pub(super) const SIGNER: &str = "signer";
pub(super) const KEY_ID: &str = "signer-1";
pub(super) const HOLDER: &str = "holder";
/// How long an assertion is good, in seconds: longer than any span.
const LIFETIME_SECS: u64 = 300;
/// Tokens that are looked up in turn.
const LOOKED_UP: usize = 64;
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// The keys of the client that signs, the same for every server.
pub(super) struct Keys {
    pub(super) client: Key,
    proof: Key,
    /// The next name of an assertion or a proof.
    next: Cell<u64>,
}

impl Keys {
    pub(super) fn make(places: &Places) -> anyhow::Result<Self> {
        let [client, proof] = ["client", "proof"].map(|name| Key::make(places, name));
        Ok(Self { client: client?, proof: proof?, next: Cell::new(unix_seconds() << 24) })
    }

    /// So many requests of that kind.
    pub(super) fn prepare(
        &self,
        side: &Side,
        flow: Flow,
        count: usize,
    ) -> anyhow::Result<Vec<Vec<u8>>> {
        let paths = &side.paths;
        let each =
            |make: &dyn Fn() -> anyhow::Result<Vec<u8>>| (0..count).map(|_| make()).collect();
        match flow {
            Flow::Keys => each(&|| Ok(side.get(paths.keys))),
            Flow::Secret => each(&|| Ok(with_secret(side))),
            Flow::Assertion(binding) => {
                let nonce = self.nonce(side, binding)?;
                each(&|| self.with_assertion(side, nonce.as_deref()))
            }
            Flow::Exchange(hops, binding) => {
                let nonce = self.nonce(side, binding)?;
                let subject = side.subject(hops).context("no token to be exchanged")?;
                each(&|| self.exchange(side, subject, nonce.as_deref()))
            }
            Flow::Introspection => {
                let tokens = self.tokens(side, LOOKED_UP)?;
                let asked = tokens.iter().cycle().take(count);
                asked.map(|token| self.about(side, paths.introspection, token)).collect()
            }
            Flow::Revocation => {
                let tokens = self.tokens(side, count)?;
                tokens.iter().map(|token| self.about(side, paths.revocation, token)).collect()
            }
        }
    }

    /// A token is asked for without a proof, and with one if there is a nonce for it.
    pub(super) fn with_assertion(
        &self,
        side: &Side,
        nonce: Option<&str>,
    ) -> anyhow::Result<Vec<u8>> {
        self.granted(side, &credentials(RESOURCE), nonce)
    }

    fn exchange(&self, side: &Side, token: &str, nonce: Option<&str>) -> anyhow::Result<Vec<u8>> {
        let grant = [
            ("grant_type", EXCHANGE),
            ("subject_token", token),
            ("subject_token_type", ACCESS_TOKEN),
            ("scope", SCOPE),
            ("resource", RESOURCE),
        ];
        self.granted(side, &grant, nonce)
    }

    fn granted(
        &self,
        side: &Side,
        grant: &[(&str, &str)],
        nonce: Option<&str>,
    ) -> anyhow::Result<Vec<u8>> {
        let head = match nonce {
            None => String::new(),
            Some(nonce) => format!("DPoP: {}\r\n", self.proof(side, Some(nonce))?),
        };
        self.signed(side, side.paths.token, &head, grant)
    }

    /// A token is looked up or revoked.
    pub(super) fn about(&self, side: &Side, path: &str, token: &str) -> anyhow::Result<Vec<u8>> {
        let form = [("token", token), ("token_type_hint", "access_token")];
        self.signed(side, path, "", &form)
    }

    /// A form with a fresh assertion.
    fn signed(
        &self,
        side: &Side,
        path: &str,
        head: &str,
        form: &[(&str, &str)],
    ) -> anyhow::Result<Vec<u8>> {
        let now = unix_seconds();
        let claims = json!({
            "iss": SIGNER, "sub": SIGNER, "aud": side.issuer(), "jti": self.name(),
            "iat": now, "exp": now + LIFETIME_SECS,
        });
        let header = json!({ "alg": "ES256", "typ": "client-authentication+jwt", "kid": KEY_ID });
        let assertion = self.client.token(&header, &claims)?;
        let proof = [("client_assertion_type", ASSERTION), ("client_assertion", &assertion)];
        Ok(side.post(path, head, &[form, &proof].concat()))
    }

    fn proof(&self, side: &Side, nonce: Option<&str>) -> anyhow::Result<String> {
        let target = format!("{}{}", side.issuer(), side.paths.token);
        let mut claims =
            json!({ "jti": self.name(), "htm": "POST", "htu": target, "iat": unix_seconds() });
        if let (Some(nonce), Some(claims)) = (nonce, claims.as_object_mut()) {
            claims.insert("nonce".to_owned(), nonce.into());
        }
        let header = json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": self.proof.jwk });
        self.proof.token(&header, &claims)
    }

    fn name(&self) -> String {
        self.next.set(self.next.get() + 1);
        format!("b{:x}", self.next.get())
    }

    /// The nonce that proofs need now, if there are to be proofs.
    pub(super) fn nonce(&self, side: &Side, binding: Binding) -> anyhow::Result<Option<String>> {
        if binding == Binding::None {
            return Ok(None);
        }
        let head = format!("DPoP: {}\r\n", self.proof(side, None)?);
        let request = self.signed(side, side.paths.token, &head, &credentials(RESOURCE))?;
        let answer = Asker::open(&side.way())?.ask(&request)?;
        ensure!(answer.status == 400, "{} takes a proof without its nonce", side.name);
        let nonce = answer.field("DPoP-Nonce").context("no nonce for proofs")?;
        Ok(Some(nonce.to_owned()))
    }

    /// So many fresh tokens that can be looked up and revoked.
    pub(super) fn tokens(&self, side: &Side, count: usize) -> anyhow::Result<Vec<String>> {
        let grant = credentials(side.kept_resource);
        let mut asker = Asker::open(&side.way())?;
        let tokens = (0..count).map(|_| {
            let request = self.signed(side, side.paths.token, "", &grant)?;
            asker.ask(&request)?.text("access_token")
        });
        tokens.collect()
    }
}

fn with_secret(side: &Side) -> Vec<u8> {
    let proof = STANDARD.encode(format!("{HOLDER}:{}", side.secret));
    let head = format!("Authorization: Basic {proof}\r\n");
    side.post(side.paths.token, &head, &credentials(RESOURCE))
}

fn credentials(resource: &str) -> [(&str, &str); 3] {
    [("grant_type", "client_credentials"), ("scope", SCOPE), ("resource", resource)]
}
