//! Requests that are ready to be sent: each signed anew, none of them twice.
//!
//! Signing is work of the load, so it happens before a span, never in one.

use std::cell::Cell;
use std::thread;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::ask::Asker;
use super::flow::{Binding, Flow, Proof};
use super::side::Side;
use crate::bench::clock::unix_seconds;
use crate::bench::papers::Key;
use crate::bench::places::Places;

/// The scope of every token, and what tokens are for.
pub(super) const SCOPE: &str = "items:read";
pub(super) const RESOURCE: &str = "https://items.bench.test/v1";
/// What the key of the clients is called.
pub(super) const KEY_ID: &str = "signer-1";
/// How long an assertion is good, in seconds: longer than any span and its preparation, and short
/// enough that those of all spans need not be remembered at once.
const LIFETIME_SECS: u64 = 60;
/// Tokens that are looked up, or exchanged, in turn.
const IN_TURN: usize = 64;
/// Connections that prepared requests are made on.
const AT_ONCE: usize = 16;
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
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
            Flow::Assertion(binding) => {
                let nonce = self.nonce(side, binding)?;
                each(&|| self.with_assertion(side, nonce.as_deref()))
            }
            Flow::Exchange(actors, binding) => {
                let subjects = self.subjects(side, actors, IN_TURN)?;
                let nonce = self.nonce(side, binding)?;
                let asked = subjects.iter().cycle().take(count);
                asked.map(|token| self.exchange(side, (actors, token), nonce.as_deref())).collect()
            }
            Flow::Introspection(proof) => {
                let tokens = self.tokens(side, IN_TURN)?;
                let asked = tokens.iter().cycle().take(count);
                asked.map(|token| self.looked_up(side, proof, token)).collect()
            }
            Flow::Revocation => {
                let tokens = self.tokens(side, count)?;
                tokens.iter().map(|token| self.taken_back(side, token)).collect()
            }
        }
    }

    /// A token is asked for without a proof, and with one if there is a nonce for it.
    pub(super) fn with_assertion(
        &self,
        side: &Side,
        nonce: Option<&str>,
    ) -> anyhow::Result<Vec<u8>> {
        self.granted(side, &side.client, &credentials(RESOURCE), nonce)
    }

    /// A token is exchanged for one with so many actors.
    pub(super) fn exchange(
        &self,
        side: &Side,
        (actors, token): (usize, &str),
        nonce: Option<&str>,
    ) -> anyhow::Result<Vec<u8>> {
        self.hop(side, (actors, token, RESOURCE), nonce)
    }

    // Whoever acts is proven by the assertion it authenticates with.
    fn hop(
        &self,
        side: &Side,
        (actors, token, resource): (usize, &str, &str),
        nonce: Option<&str>,
    ) -> anyhow::Result<Vec<u8>> {
        let (client, _) = side.hop(actors).context("nobody exchanges so far")?;
        let assertion = self.assertion(side, client)?;
        let grant = [
            ("grant_type", EXCHANGE),
            ("subject_token", token),
            ("subject_token_type", ACCESS_TOKEN),
            ("actor_token", &assertion),
            ("actor_token_type", JWT),
            ("scope", SCOPE),
            ("resource", resource),
        ];
        let head = self.head(side, nonce)?;
        Ok(proven(side, (side.paths.token, &head), &grant, &assertion))
    }

    fn granted(
        &self,
        side: &Side,
        client: &str,
        grant: &[(&str, &str)],
        nonce: Option<&str>,
    ) -> anyhow::Result<Vec<u8>> {
        let head = self.head(side, nonce)?;
        let assertion = self.assertion(side, client)?;
        Ok(proven(side, (side.paths.token, &head), grant, &assertion))
    }

    fn head(&self, side: &Side, nonce: Option<&str>) -> anyhow::Result<String> {
        Ok(match nonce {
            None => String::new(),
            Some(nonce) => format!("DPoP: {}\r\n", self.proof(side, Some(nonce))?),
        })
    }

    /// A token is looked up.
    pub(super) fn looked_up(
        &self,
        side: &Side,
        proof: Proof,
        token: &str,
    ) -> anyhow::Result<Vec<u8>> {
        let path = side.paths.introspection;
        match proof {
            Proof::Assertion => self.about(side, path, token),
            Proof::Secret => {
                let (user, secret) = &side.secret;
                let pair = STANDARD.encode(format!("{user}:{secret}"));
                let head = format!("Authorization: Basic {pair}\r\n");
                Ok(side.post(path, &head, &about(token)))
            }
        }
    }

    /// A token is revoked.
    pub(super) fn taken_back(&self, side: &Side, token: &str) -> anyhow::Result<Vec<u8>> {
        self.about(side, side.paths.revocation, token)
    }

    fn about(&self, side: &Side, path: &str, token: &str) -> anyhow::Result<Vec<u8>> {
        let assertion = self.assertion(side, &side.client)?;
        Ok(proven(side, (path, ""), &about(token), &assertion))
    }

    /// A fresh assertion of a client.
    fn assertion(&self, side: &Side, client: &str) -> anyhow::Result<String> {
        let now = unix_seconds();
        let claims = json!({
            "iss": client, "sub": client, "aud": side.issuer(), "jti": self.name(),
            "iat": now, "exp": now + LIFETIME_SECS,
        });
        let header = json!({ "alg": "ES256", "typ": "client-authentication+jwt", "kid": KEY_ID });
        self.client.token(&header, &claims)
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
        let assertion = self.assertion(side, &side.client)?;
        let path = (side.paths.token, head.as_str());
        let request = proven(side, path, &credentials(RESOURCE), &assertion);
        let answer = Asker::open(&side.way())?.ask(&request)?;
        ensure!(answer.status == 400, "{} takes a proof without its nonce", side.name);
        let nonce = answer.field("DPoP-Nonce").context("no nonce for proofs")?;
        Ok(Some(nonce.to_owned()))
    }

    /// So many fresh tokens that can be looked up and revoked.
    pub(super) fn tokens(&self, side: &Side, count: usize) -> anyhow::Result<Vec<String>> {
        let grant = credentials(side.kept_resource);
        let requests = (0..count).map(|_| self.granted(side, &side.client, &grant, None));
        granted(side, &requests.collect::<anyhow::Result<Vec<_>>>()?)
    }

    /// So many fresh tokens that whoever comes last in a chain of `actors` may exchange.
    pub(super) fn subjects(
        &self,
        side: &Side,
        actors: usize,
        count: usize,
    ) -> anyhow::Result<Vec<String>> {
        let mut tokens = Vec::<String>::new();
        for last in 1..actors {
            let (_, resource) = side.hop(last + 1).context("nobody exchanges so far")?;
            let count = if last + 1 == actors { count } else { 1 };
            let request = || match tokens.first() {
                None => self.granted(side, &side.client, &credentials(resource), None),
                Some(token) => self.hop(side, (last, token.as_str(), resource), None),
            };
            let requests = (0..count).map(|_| request()).collect::<anyhow::Result<Vec<_>>>()?;
            tokens = granted(side, &requests)?;
        }
        Ok(tokens)
    }
}

/// What a token says. Nothing of it is checked.
pub(super) fn claims(token: &str) -> anyhow::Result<Value> {
    let payload = token.split('.').nth(1).context("a token in three parts")?;
    Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?)
}

/// The tokens that these requests are answered with, a few requests at once.
fn granted(side: &Side, requests: &[Vec<u8>]) -> anyhow::Result<Vec<String>> {
    let part = requests.len().div_ceil(AT_ONCE).max(1);
    let ask = |requests: &[Vec<u8>]| {
        let mut asker = Asker::open(&side.way())?;
        let tokens = requests.iter().map(|request| asker.ask(request)?.text("access_token"));
        tokens.collect::<anyhow::Result<Vec<_>>>()
    };
    thread::scope(|scope| {
        let ask = &ask;
        let started = requests.chunks(part).map(|part| scope.spawn(move || ask(part)));
        let started: Vec<_> = started.collect();
        let mut tokens = Vec::new();
        for asking in started {
            let answered =
                asking.join().map_err(|_| anyhow::anyhow!("a thread that asks broke"))?;
            tokens.extend(answered?);
        }
        Ok(tokens)
    })
}

/// A form with an assertion at its end.
fn proven(
    side: &Side,
    (path, head): (&str, &str),
    form: &[(&str, &str)],
    assertion: &str,
) -> Vec<u8> {
    let proof = [("client_assertion_type", ASSERTION), ("client_assertion", assertion)];
    side.post(path, head, &[form, &proof].concat())
}

fn about(token: &str) -> [(&str, &str); 2] {
    [("token", token), ("token_type_hint", "access_token")]
}

fn credentials(resource: &str) -> [(&str, &str); 3] {
    [("grant_type", "client_credentials"), ("scope", SCOPE), ("resource", resource)]
}
