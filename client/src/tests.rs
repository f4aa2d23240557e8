//! The verifier, the layer and the source against an issuer on loopback, with a clock whose hands
//! the tests move.

#[path = "../testing/issuer.rs"]
mod issuer;

mod keys;
mod layer;
mod policy;
mod proofs;
mod properties;
mod revocation;
mod source;
mod tokens;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::http::Request;
use ::http::request::Parts;
use marque_crypto::proof_key::ProofKey;
use marque_domain::Timestamp;
use marque_wire::jose::NumericDate;
use marque_wire::oauth::{AccessTokenClaims, Confirmation, Htu, ProofDraft, access_token_hash};

use self::issuer::{FakeIssuer, bound_to};
use crate::ambient::Clock;
use crate::client_key::fresh_name;
use crate::{Caller, Reason, Refusal, Verifier, VerifierBuilder};

/// What tokens are for, and where requests go.
const RESOURCE: &str = "https://api.acme.example/invoices";
const URL: &str = "https://api.acme.example/invoices/7";
/// When tests begin.
const START: u64 = 1_795_316_400;

/// A clock that stands still until somebody moves its hands.
struct Hands(AtomicU64);

impl Hands {
    fn pass(&self, secs: u64) {
        self.0.fetch_add(secs, Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst) * 1000)
    }
}

/// An issuer, a clock, and the key of a run.
struct Stage {
    issuer: Arc<FakeIssuer>,
    hands: Arc<Hands>,
    key: ProofKey,
}

impl Stage {
    async fn new() -> Self {
        let hands = Arc::new(Hands(AtomicU64::new(START)));
        let told = Arc::clone(&hands);
        let now = Arc::new(move || told.0.load(Ordering::SeqCst));
        let issuer = FakeIssuer::start(([127, 0, 0, 1], 0).into(), now).await;
        Self { issuer, hands, key: ProofKey::generate().unwrap() }
    }

    fn builder(&self) -> VerifierBuilder {
        let clock = Arc::clone(&self.hands);
        Verifier::builder(self.issuer.issuer.as_str(), RESOURCE).clock(clock)
    }

    fn verifier(&self) -> Verifier {
        self.builder().build().unwrap()
    }

    /// The claims of a token that is bound to the run's key.
    fn claims(&self) -> AccessTokenClaims {
        self.issuer.claims(RESOURCE, Some(bound_to(self.key.public())))
    }

    fn token(&self) -> String {
        self.issuer.sign(&self.claims())
    }

    /// A proof for a request with this token, changed as a test likes.
    fn proof(&self, token: &str, change: impl FnOnce(&mut Draft)) -> String {
        let mut draft = Draft {
            jti: fresh_name(),
            method: "GET".to_owned(),
            target: URL.to_owned(),
            iat: self.issuer.date(),
            hash: Some(access_token_hash(token.as_bytes())),
            nonce: None,
        };
        change(&mut draft);
        draft.sign(&self.key)
    }

    /// A request that is as it should be.
    fn request(&self, token: &str) -> Parts {
        parts(&format!("DPoP {token}"), &self.proof(token, |_| {}))
    }

    async fn verify(&self, verifier: &Verifier, token: &str) -> Result<Caller, Refusal> {
        verifier.verify(&self.request(token)).await
    }
}

/// A proof before it is signed.
struct Draft {
    jti: String,
    method: String,
    target: String,
    iat: NumericDate,
    hash: Option<String>,
    nonce: Option<String>,
}

impl Draft {
    fn sign(&self, key: &ProofKey) -> String {
        let draft = ProofDraft {
            jti: &self.jti,
            method: &self.method,
            target: &Htu::parse(&self.target).unwrap(),
            iat: self.iat,
            access_token_hash: self.hash.as_deref(),
            nonce: self.nonce.as_deref(),
        };
        let unsigned = draft.unsigned(key.public());
        let signature = key.sign(unsigned.signing_input()).unwrap();
        String::from_utf8(unsigned.finish(&signature).unwrap().expose().to_vec()).unwrap()
    }
}

fn parts(authorization: &str, proof: &str) -> Parts {
    let request = Request::get(URL).header("authorization", authorization).header("dpop", proof);
    request.body(()).unwrap().into_parts().0
}

fn bearer(token: &str) -> Parts {
    let request = Request::get(URL).header("authorization", format!("Bearer {token}"));
    request.body(()).unwrap().into_parts().0
}

fn reason(verified: Result<Caller, Refusal>) -> Reason {
    verified.expect_err("this must be refused").reason().clone()
}

/// What a refusal's status and first challenge say.
fn told(verified: Result<Caller, Refusal>) -> (u16, String) {
    let refusal = verified.expect_err("this must be refused");
    let challenge = refusal.headers().get("www-authenticate").cloned();
    let challenge = challenge.map(|field| field.to_str().unwrap().to_owned());
    (refusal.status().as_u16(), challenge.unwrap_or_default())
}

fn unbound() -> Option<Confirmation> {
    None
}
