//! Clients of the token service, as a library would be one: a key, assertions and proofs.

use std::sync::atomic::{AtomicU64, Ordering};

use marque_crypto::proof_key::ProofKey;
use marque_plane::Settings;
use marque_plane::oauth::{EndpointAsk, OAuthSettings, Refused};
use marque_plane::spec::{ClientSpec, ConnectionSpec, Lines, TokenTargetSpec};
use marque_plane::view::{ClientView, ConnectionView};
use marque_wire::jose::{Jwk, JwkSet, NumericDate, TokenClass, Unsigned, Unverified};
use marque_wire::oauth::{
    AccessTokenClaims, ClientAssertion, Form, Htu, IntrospectionRequest, Issuer, ProofDraft,
    TokenRequest, TokenResponse,
};

use crate::{Human, Setup, TestPlane};

/// Who issues in tests.
pub const ISSUER: &str = "https://id.test";
/// Where the gateway serves connections in tests.
pub const GATEWAY: &str = "https://gw.test";

static NAMES: AtomicU64 = AtomicU64::new(1);

/// A name that was never given before.
pub fn fresh_name() -> String {
    format!("name-{}", NAMES.fetch_add(1, Ordering::Relaxed))
}

/// A plane whose token service is on.
pub fn issuing() -> Setup {
    let oauth = OAuthSettings {
        issuer: Issuer::parse(ISSUER).unwrap(),
        gateway: Some(GATEWAY.to_owned()),
        token_ttl: std::time::Duration::from_secs(300),
        rotate_after: std::time::Duration::from_secs(30 * 24 * 3_600),
        runs_per_client: 10_000,
    };
    Setup { settings: Settings { oauth: Some(oauth), ..Settings::default() }, ..Setup::default() }
}

/// A client with a key for its assertions and another one for its proofs.
pub struct OAuthClient {
    plane: TestPlane,
    /// Its `client_id`.
    pub id: String,
    /// Signs its assertions.
    pub key: ProofKey,
    /// Signs its proofs.
    pub proof_key: ProofKey,
}

/// A token and the answer it came in.
pub struct Got {
    /// The token.
    pub token: String,
    /// What it says.
    pub claims: AccessTokenClaims,
    /// The answer.
    pub response: TokenResponse,
}

/// The public half of a key as a JWK set.
pub fn jwks(key: &ProofKey) -> String {
    let jwk = Jwk { key: key.public().clone(), key_id: None };
    JwkSet::new(vec![jwk]).unwrap().to_json().to_string()
}

impl Human {
    /// Registers a resource server.
    pub async fn has_resource(&self, name: &str, audience: &str) -> ConnectionView {
        self.has_resource_as(
            name,
            TokenTargetSpec { audience: Some(audience.to_owned()), ..TokenTargetSpec::default() },
        )
        .await
    }

    /// Registers a resource server whose tokens are like that.
    pub async fn has_resource_as(&self, name: &str, tokens: TokenTargetSpec) -> ConnectionView {
        let spec = ConnectionSpec {
            service: marque_domain::Service::Resource,
            hosts: Vec::new(),
            slot: None,
            plain_http: false,
            tokens: Some(tokens),
            ..crate::actors::connection(name)
        };
        self.connects_as(spec).await
    }

    /// Registers a workload of that agent with a key of its own.
    pub async fn has_client(&self, name: &str, agent: &str) -> OAuthClient {
        let key = ProofKey::generate().unwrap();
        let spec = ClientSpec {
            name: name.parse().unwrap(),
            agent: agent.parse().unwrap(),
            proof: marque_domain::client::ClientKeys::Keys { jwks: jwks(&key) },
            task: None,
            mandate: Lines::default(),
            limits: marque_domain::Limits::default(),
            run_ttl_secs: 3_600,
            endpoint_audience_until: None,
        };
        let view: ClientView =
            self.plane.plane().add_client(&self.acting().await, spec).await.unwrap();
        OAuthClient::new(self.plane.clone(), view.id.to_string(), key)
    }
}

impl OAuthClient {
    /// The client of that id, whose assertions this key signs.
    pub fn new(plane: TestPlane, id: String, key: ProofKey) -> Self {
        Self { plane, id, key, proof_key: ProofKey::generate().unwrap() }
    }

    fn now(&self) -> NumericDate {
        NumericDate::of(self.plane.plane().now())
    }

    /// A fresh assertion for this server.
    pub fn assertion(&self) -> String {
        let now = self.now();
        let claims = ClientAssertion {
            client_id: self.id.clone(),
            jti: fresh_name(),
            exp: now.plus_seconds(60),
        };
        self.sign_assertion(&claims.to_json(&Issuer::parse(ISSUER).unwrap(), now))
    }

    /// An assertion with these claims.
    pub fn sign_assertion(&self, claims: &serde_json::Map<String, serde_json::Value>) -> String {
        let algorithm = self.key.public().algorithm();
        let kid = self.key.public().thumbprint();
        let unsigned = Unsigned::new(TokenClass::ClientAssertion, algorithm, kid, claims);
        let signature = self.key.sign(unsigned.signing_input()).unwrap();
        let token = unsigned.finish(&signature).unwrap();
        String::from_utf8(token.expose().to_vec()).unwrap()
    }

    /// A fresh proof for a request without a token.
    pub fn proof(&self, url: &str) -> Vec<u8> {
        let nonce = self.plane.plane().dpop_nonce();
        self.proof_as("POST", url, None, Some(&nonce))
    }

    /// A fresh proof.
    pub fn proof_as(
        &self,
        method: &str,
        url: &str,
        token_hash: Option<&str>,
        nonce: Option<&str>,
    ) -> Vec<u8> {
        let target = Htu::parse(url).unwrap();
        let draft = ProofDraft {
            jti: &fresh_name(),
            method,
            target: &target,
            iat: self.now(),
            access_token_hash: token_hash,
            nonce,
        };
        let unsigned = draft.unsigned(self.proof_key.public());
        let signature = self.proof_key.sign(unsigned.signing_input()).unwrap();
        unsigned.finish(&signature).unwrap().expose().to_vec()
    }

    /// What comes with its requests to the token endpoint.
    pub fn ask(&self) -> EndpointAsk {
        EndpointAsk {
            proof: Ok(Some(self.proof(&format!("{ISSUER}/oauth/token")))),
            ..EndpointAsk::bare()
        }
    }

    /// Asks with these parameters beside its fresh assertion and proof.
    pub async fn asks(&self, parameters: &[(&str, &str)]) -> Result<Got, Refused> {
        let assertion = self.assertion();
        self.asks_with(self.ask(), &assertion, parameters).await
    }

    /// Asks with that assertion.
    pub async fn asks_with(
        &self,
        ask: EndpointAsk,
        assertion: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Got, Refused> {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let own = [("client_assertion_type", kind), ("client_assertion", assertion)];
        let all: Vec<_> = parameters.iter().copied().chain(own).collect();
        let response = self.plane.plane().token(ask, request(&all)).await.outcome?;
        let token = String::from_utf8(response.access_token.expose().to_vec()).unwrap();
        let claims = self.claims_of(&token);
        Ok(Got { token, claims, response })
    }

    /// Asks for a token for itself.
    pub async fn takes(&self, resource: &str, scope: &str) -> Result<Got, Refused> {
        let mut parameters = vec![("grant_type", "client_credentials"), ("resource", resource)];
        if !scope.is_empty() {
            parameters.push(("scope", scope));
        }
        self.asks(&parameters).await
    }

    /// Exchanges a token that came to it.
    pub async fn exchanges(
        &self,
        subject: &str,
        resource: &str,
        scope: &str,
    ) -> Result<Got, Refused> {
        let actor = self.assertion();
        let mut parameters = vec![
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", subject),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("actor_token", actor.as_str()),
            ("actor_token_type", "urn:ietf:params:oauth:token-type:jwt"),
            ("resource", resource),
        ];
        if !scope.is_empty() {
            parameters.push(("scope", scope));
        }
        self.asks(&parameters).await
    }

    /// What a token says that this server has signed.
    pub fn claims_of(&self, token: &str) -> AccessTokenClaims {
        let published = self.plane.plane().published_token_keys().to_string();
        let set = JwkSet::parse(published.as_bytes()).unwrap();
        let unverified = Unverified::parse(TokenClass::AccessToken, token.as_bytes()).unwrap();
        let key = set.find(unverified.key_id(), unverified.algorithm()).unwrap();
        AccessTokenClaims::read(unverified.verify(key).unwrap()).unwrap()
    }

    /// A question about a token, or the wish to take it back.
    pub fn about(&self, token: &str) -> IntrospectionRequest {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let assertion = self.assertion();
        let form = form(&[
            ("token", token),
            ("client_assertion_type", kind),
            ("client_assertion", &assertion),
        ]);
        IntrospectionRequest::parse(form).unwrap()
    }
}

/// A token request of these parameters.
pub fn request(parameters: &[(&str, &str)]) -> TokenRequest {
    TokenRequest::parse(form(parameters)).unwrap_or_else(|error| panic!("{error}"))
}

fn form(parameters: &[(&str, &str)]) -> Form {
    let escaped = |text: &str| {
        let one = |byte: u8| match byte {
            b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        };
        text.bytes().map(one).collect::<String>()
    };
    let pairs: Vec<_> =
        parameters.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    Form::parse(pairs.join("&").as_bytes()).unwrap()
}
