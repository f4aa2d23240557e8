//! An issuer on loopback that signs whatever it is told to: for tests and examples, never to be
//! trusted by anybody.
//!
//! Its answers follow the standards until a knob says otherwise. It keeps no state on disk.

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use marque_crypto::public_key::PublicKey;
use marque_crypto::token_key::{TokenAlgorithm, TokenKey};
use marque_wire::jose::{Jwk, JwkSet, NumericDate, TokenClass, Unsigned, Unverified};
use marque_wire::oauth::{
    AccessTokenClaims, Act, Actor, Audience, ClientAssertion, ClientProof, Confirmation, DpopProof,
    ExpectedProof, Form, Grant, Htu, Introspection, IntrospectionRequest, Issuer, Resource, Status,
    StatusBits, StatusList, StatusListClaims, Thumbprint, TokenRequest, single_proof,
};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// Tells the issuer the time, in seconds.
pub(crate) type Hands = Arc<dyn Fn() -> u64 + Send + Sync>;

/// An answer.
#[derive(Clone)]
pub(crate) struct Reply {
    status: u16,
    fields: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, fields: Vec::new(), body: body.into() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    fn json(status: u16, value: Value) -> Self {
        Self::new(status, value.to_string()).with("content-type", "application/json")
    }
}

/// What it does otherwise than a good issuer.
pub(crate) struct Knobs {
    /// Its keys; the last one signs.
    pub(crate) keys: Vec<TokenKey>,
    /// Answers that it gives at a path instead of its own.
    pub(crate) instead: HashMap<String, Reply>,
    /// How long it thinks before it answers at a path.
    pub(crate) delays: HashMap<String, Duration>,
    /// `Cache-Control` of its keys.
    pub(crate) max_age: u64,
    /// The places of its list that are revoked, and what the list says of itself.
    pub(crate) revoked: BTreeSet<usize>,
    pub(crate) ttl: u64,
    /// The `jti` of tokens of which it says that they are not good.
    pub(crate) inactive: BTreeSet<String>,
    /// Its clients by their ids.
    pub(crate) clients: HashMap<String, PublicKey>,
    /// The nonce it asks for.
    pub(crate) nonce: Option<String>,
    /// How long its tokens are good, in seconds.
    pub(crate) life: u64,
    /// Which `jti` of assertions were used.
    used: BTreeSet<String>,
    /// How often it was asked, by path.
    hits: HashMap<String, usize>,
}

/// The issuer. It stops when dropped.
pub(crate) struct FakeIssuer {
    pub(crate) issuer: Issuer,
    now: Hands,
    knobs: Mutex<Knobs>,
    stop: Mutex<Option<DropGuard>>,
}

impl FakeIssuer {
    /// Starts one.
    pub(crate) async fn start(at: SocketAddr, now: Hands) -> Arc<Self> {
        let listener = TcpListener::bind(at).await.expect("a free port on loopback");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let stop = CancellationToken::new();
        let knobs = Knobs {
            keys: vec![fresh_key()],
            instead: HashMap::new(),
            delays: HashMap::new(),
            max_age: 300,
            revoked: BTreeSet::new(),
            ttl: 30,
            inactive: BTreeSet::new(),
            clients: HashMap::new(),
            nonce: None,
            life: 300,
            used: BTreeSet::new(),
            hits: HashMap::new(),
        };
        let issuer = Arc::new(Self {
            issuer: Issuer::parse(&url).expect("an issuer on loopback"),
            now,
            knobs: Mutex::new(knobs),
            stop: Mutex::new(Some(stop.clone().drop_guard())),
        });
        let (tasks, served) = (TaskTracker::new(), Arc::clone(&issuer));
        tasks.clone().spawn(async move {
            let accept = async {
                while let Ok((stream, _)) = listener.accept().await {
                    let issuer = Arc::clone(&served);
                    let service = service_fn(move |request| Arc::clone(&issuer).serve(request));
                    let http = hyper::server::conn::http1::Builder::new();
                    tasks.spawn(http.serve_connection(TokioIo::new(stream), service));
                }
            };
            stop.run_until_cancelled(accept).await;
        });
        issuer
    }

    /// Takes no more connections.
    #[allow(dead_code, reason = "the example runs until it is ended")]
    pub(crate) fn stop(&self) {
        self.stop.lock().expect("no panic").take();
    }

    /// Turns knobs.
    pub(crate) fn turn<T>(&self, turn: impl FnOnce(&mut Knobs) -> T) -> T {
        turn(&mut self.knobs.lock().expect("no panic"))
    }

    /// How often it was asked at a path.
    #[allow(dead_code, reason = "the example does not count")]
    pub(crate) fn hits(&self, path: &str) -> usize {
        self.turn(|knobs| knobs.hits.get(path).copied().unwrap_or(0))
    }

    pub(crate) fn date(&self) -> NumericDate {
        NumericDate::from_seconds((self.now)()).expect("a date")
    }

    /// The claims of a token of an agent that acts for a person.
    pub(crate) fn claims(&self, resource: &str, cnf: Option<Confirmation>) -> AccessTokenClaims {
        let (now, life) = (self.date(), self.turn(|knobs| knobs.life));
        let agent = Actor {
            sub: "spiffe://acme.example/agent/ledger-writer".to_owned(),
            iss: self.issuer.clone(),
            sub_profile: None,
        };
        AccessTokenClaims {
            iss: self.issuer.clone(),
            aud: Resource::parse(resource).expect("a resource"),
            sub: "usr_7Q2m".to_owned(),
            sub_profile: None,
            client_id: "ledger-writer".to_owned(),
            client_profile: None,
            iat: now,
            nbf: now,
            exp: now.plus_seconds(life),
            jti: fresh_jti(),
            txn: None,
            authentication: None,
            scope: marque_wire::oauth::Scope::parse("invoices:read").expect("a scope"),
            authorization_details: marque_wire::oauth::AuthorizationDetails::default(),
            act: Act::new(vec![agent]),
            may_act: None,
            cnf,
            run: None,
            status: None,
        }
    }

    /// A token with these claims.
    pub(crate) fn sign(&self, claims: &AccessTokenClaims) -> String {
        self.sign_as(TokenClass::AccessToken, &claims.to_json())
    }

    /// A token of any class with any claims.
    pub(crate) fn sign_as(&self, class: TokenClass, claims: &Map<String, Value>) -> String {
        self.turn(|knobs| sign(knobs.keys.last().expect("a key"), class, claims))
    }

    async fn serve(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
        let delay = self.turn(|knobs| {
            *knobs.hits.entry(path.clone()).or_default() += 1;
            knobs.delays.get(&path).copied()
        });
        tokio::time::sleep(delay.unwrap_or_default()).await;
        let instead = self.turn(|knobs| knobs.instead.get(&path).cloned());
        let reply = instead.unwrap_or_else(|| self.answer(&path, &parts.headers, &body));
        let mut response = Response::new(Full::new(Bytes::from(reply.body)));
        *response.status_mut() = StatusCode::from_u16(reply.status).expect("a status");
        for (name, value) in reply.fields {
            response.headers_mut().insert(name, value.parse().expect("a field"));
        }
        Ok(response)
    }

    fn answer(&self, path: &str, headers: &HeaderMap, body: &[u8]) -> Reply {
        match path {
            "/.well-known/oauth-authorization-server" | "/.well-known/openid-configuration" => {
                Reply::json(200, self.metadata())
            }
            "/oauth/jwks" => {
                let max_age = self.turn(|knobs| knobs.max_age);
                let kept = format!("public, max-age={max_age}");
                Reply::json(200, self.key_set()).with("cache-control", kept)
            }
            "/oauth/status/1" => Reply::new(200, self.status_list()),
            "/oauth/introspect" => Reply::json(200, self.introspect(body)),
            "/oauth/token" => self.token(headers, body),
            _ => Reply::new(404, ""),
        }
    }

    fn metadata(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.issuer);
        json!({
            "issuer": self.issuer.as_str(),
            "jwks_uri": at("/oauth/jwks"),
            "token_endpoint": at("/oauth/token"),
            "introspection_endpoint": at("/oauth/introspect"),
            "response_types_supported": [],
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
            "dpop_signing_alg_values_supported": ["ES256"],
        })
    }

    fn key_set(&self) -> Value {
        let keys = self.turn(|knobs| knobs.keys.iter().map(jwk).collect());
        JwkSet::new(keys).expect("few keys").to_json()
    }

    fn status_list(&self) -> String {
        let mut list = StatusList::new(StatusBits::One, 64).expect("a short list");
        let (revoked, ttl) = self.turn(|knobs| (knobs.revoked.clone(), knobs.ttl));
        for place in revoked {
            list.set(place, Status::Invalid).expect("a place of the list");
        }
        let claims = StatusListClaims {
            sub: Resource::parse(&format!("{}/oauth/status/1", self.issuer)).expect("a URL"),
            iat: self.date(),
            exp: Some(self.date().plus_seconds(600)),
            ttl_secs: Some(ttl),
            list,
        };
        self.sign_as(TokenClass::StatusList, &claims.to_json().expect("it packs"))
    }

    fn introspect(&self, body: &[u8]) -> Value {
        let asked = Form::parse(body).ok().and_then(|form| IntrospectionRequest::parse(form).ok());
        let asked = asked.expect("a question about a token");
        if self.client(&asked.client_proof).is_none() {
            return json!({ "active": false });
        }
        let token = Unverified::parse(TokenClass::AccessToken, asked.token.expose());
        let keys: Vec<_> =
            self.turn(|knobs| knobs.keys.iter().map(|key| key.public().clone()).collect());
        let read = |token: Unverified<'_>| {
            let key = keys.iter().find(|key| Some(key.kid()) == token.key_id())?;
            AccessTokenClaims::read(token.verify_ours(key).ok()?).ok()
        };
        let claims = token.ok().and_then(read);
        let is_good = |claims: &AccessTokenClaims| {
            !self.turn(|knobs| knobs.inactive.contains(&claims.jti)) && self.date() < claims.exp
        };
        Value::Object(match claims.filter(is_good) {
            None => Introspection::Inactive.to_json(),
            Some(claims) => {
                let claims = Box::new(claims);
                Introspection::Active { claims, is_chain_complete: true }.to_json()
            }
        })
    }

    fn token(&self, headers: &HeaderMap, body: &[u8]) -> Reply {
        let nonce = self.turn(|knobs| knobs.nonce.clone());
        let reply = match self.issue(headers, body, nonce.as_deref()) {
            Ok(answer) => Reply::json(200, answer),
            Err(code) => Reply::json(400, json!({ "error": code })),
        };
        let reply = reply.with("cache-control", "no-store");
        nonce.into_iter().fold(reply, |reply, nonce| reply.with("dpop-nonce", nonce))
    }

    fn issue(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        nonce: Option<&str>,
    ) -> Result<Value, &'static str> {
        let form = Form::parse(body).map_err(|_| "invalid_request")?;
        let asked = TokenRequest::parse(form).map_err(|_| "invalid_request")?;
        let target = Htu::parse(&format!("{}/oauth/token", self.issuer)).expect("a target");
        let good = nonce.map(|nonce| [nonce]);
        let expected = ExpectedProof {
            method: "POST",
            target: &target,
            now: self.date(),
            nonces: good.as_ref().map(|good| &good[..]),
            access_token: None,
            key: None,
        };
        let proof = single_proof(headers).and_then(|proof| DpopProof::check(proof, &expected));
        let proof = proof.map_err(|problem| match problem {
            marque_wire::oauth::BadProof::Nonce => "use_dpop_nonce",
            _ => "invalid_dpop_proof",
        })?;
        let client_id = self.client(&asked.client_proof).ok_or("invalid_client")?;
        let [resource] = asked.resource.as_slice() else { return Err("invalid_target") };
        let mut claims = self.claims(resource.as_str(), Some(Confirmation::Key(proof.key)));
        claims.scope = asked.scope;
        claims.authorization_details = asked.authorization_details;
        claims.client_id = client_id;
        if matches!(asked.grant, Grant::ClientCredentials) {
            claims.act = None;
            "spiffe://acme.example/agent/ledger-writer".clone_into(&mut claims.sub);
        }
        let life = self.turn(|knobs| knobs.life);
        Ok(json!({
            "access_token": self.sign(&claims),
            "token_type": "DPoP",
            "expires_in": life,
            "scope": claims.scope.to_string(),
        }))
    }

    /// The client that an assertion proves, once.
    fn client(&self, proof: &ClientProof) -> Option<String> {
        let ClientProof::Assertion(assertion) = proof else { return None };
        let token = Unverified::parse(TokenClass::ClientAssertion, assertion.expose()).ok()?;
        let id = token.claimed_issuer().ok()?;
        let key = self.turn(|knobs| knobs.clients.get(&id).cloned())?;
        let verified = token.verify(&key).ok()?;
        let audience = Audience::Issuer(&self.issuer);
        let read = ClientAssertion::read(verified, &id, audience, self.date()).ok()?;
        self.turn(|knobs| knobs.used.insert(read.jti)).then_some(id)
    }
}

/// A key for tokens.
pub(crate) fn fresh_key() -> TokenKey {
    TokenKey::generate(TokenAlgorithm::Es256).expect("a key")
}

/// A key as it is published.
pub(crate) fn jwk(key: &TokenKey) -> Jwk {
    Jwk { key: key.public().key().clone(), key_id: Some(key.public().kid().to_owned()) }
}

/// A token that a key signs.
#[expect(clippy::disallowed_methods, reason = "it plays the issuer, and nobody trusts its key")]
pub(crate) fn sign(key: &TokenKey, class: TokenClass, claims: &Map<String, Value>) -> String {
    let algorithm = key.public().key().algorithm();
    let unsigned = Unsigned::new(class, algorithm, key.public().kid(), claims);
    let signature = key.sign(unsigned.signing_input()).expect("a signature");
    let token = unsigned.finish(&signature).expect("a short token");
    String::from_utf8(token.expose().to_vec()).expect("ASCII")
}

/// What a token is bound to, where it is bound to this key.
#[allow(dead_code, reason = "the example binds tokens by their proofs")]
pub(crate) fn bound_to(key: &PublicKey) -> Confirmation {
    Confirmation::Key(Thumbprint::of_key(key))
}

fn fresh_jti() -> String {
    let bytes = marque_crypto::random::bytes::<8>(&marque_crypto::random::SystemRandom);
    format!("tok_{:x}", u64::from_be_bytes(bytes))
}
