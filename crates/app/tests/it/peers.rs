//! Libraries of others read what we print and ask what we read: nothing of ours is on their side.

mod real;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marque_crypto::token_key::{TokenAlgorithm, TokenKey};
use marque_wire::jose::{Jwk, JwkSet, NumericDate, TokenClass, Unsigned, Unverified};
use marque_wire::oauth::{
    Audience, ClientAssertion, ClientProof, DpopProof, ExpectedProof, Form, GRANT_TYPES, Grant,
    Htu, Issuer, Resource, ServerMetadata, Thumbprint, TokenRequest,
};
use serde_json::json;

use super::support::{Json, Library, Peers, Seen, Upstream};

const METADATA: &str = "/.well-known/oauth-authorization-server";
const RESOURCE: &str = "https://items.test/v1";
const SCOPE: &str = "items:read";
const CLIENT: &str = "agent-7";
const IS_JSON: &str = "200 OK\r\nContent-Type: application/json";

/// An issuer of which only the published parts are there.
struct Published {
    upstream: Upstream,
    issuer: String,
    ca_file: tempfile::NamedTempFile,
}

impl Published {
    fn new() -> Self {
        let upstream = Upstream::private("127.0.0.1");
        let issuer = format!("https://{}", upstream.address);
        let ca_file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(ca_file.path(), upstream.authority.as_ref().unwrap()).unwrap();
        let at = |path: &str| format!("{issuer}{path}");
        let metadata = ServerMetadata {
            issuer: issuer.clone(),
            jwks_uri: at("/oauth/jwks"),
            token_endpoint: at("/oauth/token"),
            grant_types_supported: GRANT_TYPES.map(str::to_owned).to_vec(),
            ..ServerMetadata::default()
        };
        let metadata = serde_json::to_string(&metadata).unwrap();
        upstream.answers(METADATA, IS_JSON, metadata);
        Self { upstream, issuer, ca_file }
    }

    fn publishes(&self, keys: &[(&str, &TokenKey)]) {
        let keys = keys.iter().map(|(id, key)| Jwk {
            key: key.public().key().clone(),
            key_id: Some((*id).to_owned()),
        });
        let set = JwkSet::new(keys.collect()).unwrap().to_json().to_string();
        self.upstream.answers("/oauth/jwks", IS_JSON, set);
    }

    /// What every case is given.
    fn input(&self, more: &Json) -> Json {
        let mut input = json!({
            "issuer": self.issuer, "ca_file": self.ca_file.path(), "resource": RESOURCE,
            "scope": SCOPE, "client": { "id": CLIENT, "secret": "of-nobody" },
            "protected_url": format!("{RESOURCE}/7"),
        });
        for (name, value) in more.as_object().unwrap() {
            input[name] = value.clone();
        }
        input
    }

    /// An access token that `key` signs, bound to the other key.
    fn token(&self, (id, key): (&str, &TokenKey), bound: &TokenKey) -> String {
        let now = now().as_seconds();
        let jkt = Thumbprint::of_key(bound.public().key()).to_string();
        let claims = json!({
            "iss": self.issuer, "aud": RESOURCE, "sub": "usr_1", "client_id": CLIENT,
            "iat": now, "nbf": now, "exp": now + 300, "jti": "tok_1", "scope": SCOPE,
            "cnf": { "jkt": jkt }, "act": { "sub": "spiffe://acme.test/agent/a", "iss": self.issuer },
        });
        let algorithm = key.algorithm().algorithm();
        let claims = claims.as_object().unwrap();
        let unsigned = Unsigned::new(TokenClass::AccessToken, algorithm, id, claims);
        let signature = key.sign(unsigned.signing_input()).unwrap();
        String::from_utf8(unsigned.finish(&signature).unwrap().expose().to_vec()).unwrap()
    }
}

fn now() -> NumericDate {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    NumericDate::from_seconds(since.as_secs()).unwrap()
}

fn pem(key: &TokenKey) -> String {
    in_pem("PRIVATE KEY", key.to_pkcs8().unwrap().expose())
}

fn in_pem(what: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    format!("-----BEGIN {what}-----\n{text}\n-----END {what}-----\n")
}

#[test]
fn verifiers_of_others_take_our_access_tokens_and_refuse_spoilt_ones() {
    let Some(peers) = Peers::there() else { return };
    let bound = TokenKey::generate(TokenAlgorithm::Es256).unwrap();
    for algorithm in [TokenAlgorithm::Es256, TokenAlgorithm::Rs256] {
        let (issuer, key) = (Published::new(), TokenKey::generate(algorithm).unwrap());
        issuer.publishes(&[("key-1", &key)]);
        let token = issuer.token(("key-1", &key), &bound);
        let input = issuer.input(&json!({
            "token": token, "token_alg": algorithm.to_string(), "proof_key": pem(&bound),
        }));
        for library in Library::VERIFIERS {
            let came = peers.run(library, "verify", &input);
            let claims = &came.ok()["claims"];
            assert_eq!((&claims["sub"], &claims["scope"]), (&json!("usr_1"), &json!(SCOPE)));
            let came = peers.run(library, "refuses", &input);
            let refused = came.ok()["refused"].as_object().unwrap();
            let spoilt = ["wrong_audience", "altered_claims", "altered_signature", "unsecured"];
            assert!(spoilt.iter().all(|name| refused.contains_key(*name)), "{refused:#?}");
            let elsewhere = json!({ "resource": "https://other.test/", "token": token });
            peers.run(library, "verify", &issuer.input(&elsewhere)).refused();
        }
    }
}

#[test]
fn verifiers_of_others_follow_a_key_that_was_published_before_its_use() {
    let Some(peers) = Peers::there() else { return };
    let issuer = Published::new();
    let [old, new, bound] = [(); 3].map(|()| TokenKey::generate(TokenAlgorithm::Es256).unwrap());
    issuer.publishes(&[("old", &old), ("new", &new)]);
    let input = issuer.input(&json!({ "token": issuer.token(("old", &old), &bound) }));
    for library in [Library::Jose, Library::Authlib, Library::PyJwt] {
        let came =
            peers.run_with(library, "rotate", &input, || issuer.token(("new", &new), &bound));
        assert_eq!((&came.ok()["old_kid"], &came.ok()["new_kid"]), (&json!("old"), &json!("new")));
    }
}

#[test]
fn what_clients_of_others_ask_is_read_as_they_meant_it() {
    let Some(peers) = Peers::there() else { return };
    let [client, proof] = [(); 2].map(|()| TokenKey::generate(TokenAlgorithm::Es256).unwrap());
    for library in Library::CLIENTS {
        let issuer = Published::new();
        let answer = json!({
            "access_token": "some.access.token", "token_type": "DPoP", "expires_in": 300,
            "scope": SCOPE, "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        });
        issuer.upstream.answers("/oauth/token", IS_JSON, answer.to_string());
        let input = issuer.input(&json!({
            "client": { "id": CLIENT, "key": pem(&client), "kid": "client-1" },
            "proof_key": pem(&proof), "subject_token": "a.b.c", "assertion": "d.e.f",
        }));
        for case in ["client_credentials", "exchange", "jwt_bearer"] {
            let came = peers.run(library, case, &input);
            assert_eq!(came.ok()["token"]["access_token"], "some.access.token");
            let saw = issuer.upstream.saw();
            let asked = saw.iter().rfind(|seen| seen.method() == "POST").unwrap();
            is_understood(&issuer, asked, case, [&client, &proof]);
        }
    }
}

/// Reads the request as the token endpoint would.
fn is_understood(issuer: &Published, asked: &Seen, case: &str, [client, proof]: [&TokenKey; 2]) {
    let form = Form::parse(asked.body.as_bytes()).unwrap();
    let request = TokenRequest::parse(form).unwrap();
    let is_meant = match request.grant {
        Grant::ClientCredentials => case == "client_credentials",
        Grant::TokenExchange(exchange) => {
            case == "exchange" && exchange.subject_token.expose() == b"a.b.c"
        }
        Grant::JwtBearer(assertion) => case == "jwt_bearer" && assertion.expose() == b"d.e.f",
        Grant::Deferred(_) => false,
    };
    assert!(is_meant, "{case}: {}", asked.body);
    assert_eq!(request.resource.iter().map(Resource::as_str).collect::<Vec<_>>(), [RESOURCE]);
    assert_eq!(request.scope.to_string(), SCOPE);
    let ClientProof::Assertion(assertion) = request.client_proof else { panic!("{}", asked.body) };
    let unverified = Unverified::parse(TokenClass::ClientAssertion, assertion.expose()).unwrap();
    let verified = unverified.verify(client.public().key()).unwrap();
    let expected = Issuer::parse(&issuer.issuer).unwrap();
    ClientAssertion::read(verified, CLIENT, Audience::Issuer(&expected), now()).unwrap();
    let target = Htu::parse(&format!("{}/oauth/token", issuer.issuer)).unwrap();
    let expected = ExpectedProof {
        method: "POST",
        target: &target,
        now: now(),
        nonces: None,
        access_token: None,
        key: Some(Thumbprint::of_key(proof.public().key())),
    };
    DpopProof::check(asked.field("dpop").unwrap().as_bytes(), &expected).unwrap();
}
