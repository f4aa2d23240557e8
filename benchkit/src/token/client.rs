//! A client of the token service that signs assertions, as a library would.

use std::cell::Cell;

use anyhow::Context as _;
use marque_crypto::proof_key::ProofKey;
use marque_domain::client::ClientKeys;
use marque_domain::{Limits, User};
use marque_plane::spec::{ClientSpec, Lines};
use marque_plane::{Acting, Plane};
use marque_wire::jose::{Jwk, JwkSet, NumericDate, TokenClass, Unsigned};
use marque_wire::oauth::{ClientAssertion, Form, Issuer, TokenRequest};

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How long an assertion is good, in seconds.
const LIFETIME_SECS: u64 = 300;

/// A registered client and its key.
pub(super) struct Client {
    id: String,
    key: ProofKey,
    next: Cell<u64>,
}

impl Client {
    /// Registers it for that agent, with all the agent was granted.
    pub(super) async fn register(
        plane: &Plane,
        acting: &Acting<User>,
        agent: &str,
    ) -> anyhow::Result<Self> {
        let key = ProofKey::generate()?;
        let set = JwkSet::new(vec![Jwk { key: key.public().clone(), key_id: None }])?;
        let spec = ClientSpec {
            name: agent.parse()?,
            agent: agent.parse()?,
            proof: ClientKeys::Keys { jwks: set.to_json().to_string() },
            task: None,
            mandate: Lines::default(),
            limits: Limits::default(),
            run_ttl_secs: 3_600,
            endpoint_audience_until: None,
        };
        let id = plane.add_client(acting, spec).await?.id.to_string();
        Ok(Self { id, key, next: Cell::new(0) })
    }

    /// A fresh assertion for that issuer.
    pub(super) fn assertion(&self, issuer: &str, now: NumericDate) -> anyhow::Result<String> {
        self.next.set(self.next.get() + 1);
        let claims = ClientAssertion {
            client_id: self.id.clone(),
            jti: format!("name-{}", self.next.get()),
            exp: now.plus_seconds(LIFETIME_SECS),
        };
        let claims = claims.to_json(&Issuer::parse(issuer)?, now);
        let (algorithm, kid) = (self.key.public().algorithm(), self.key.public().thumbprint());
        let unsigned = Unsigned::new(TokenClass::ClientAssertion, algorithm, kid, &claims);
        let signature = self.key.sign(unsigned.signing_input())?;
        Ok(String::from_utf8(unsigned.finish(&signature)?.expose().to_vec())?)
    }
}

/// A request with that assertion.
pub(super) fn request(grant: &[(&str, &str)], assertion: &str) -> anyhow::Result<TokenRequest> {
    let own = [("client_assertion_type", ASSERTION), ("client_assertion", assertion)];
    let pairs = grant.iter().chain(&own);
    let pairs: Vec<_> = pairs.map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    let form = Form::parse(pairs.join("&").as_bytes())?;
    TokenRequest::parse(form).ok().context("a request that is none")
}

fn escaped(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}
