//! Clients with certificates (RFC 8705), and the certificate of the server.

use std::sync::Arc;
use std::time::Duration;

use marque_api::{EdgeLimits, tls};
use marque_crypto::hash::sha256;
use marque_crypto::intercept::{InterceptAuthority, Leaf};
use marque_domain::client::ClientKeys;
use marque_domain::{Digest, Limits, Timestamp};
use marque_plane::spec::{ClientSpec, Lines};
use marque_wire::oauth::{Confirmation, Thumbprint};
use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SignatureScheme};
use rustls_pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::TlsConnector;

use super::served::{Answer, BILLING, Edge, escaped, exchange, post};

const HOUR: Duration = Duration::from_secs(3_600);

#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesServerCert for Shows {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

impl ResolvesClientCert for Shows {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Certificates that are good by the clock of this machine, as the TLS library reads it.
fn authority() -> (InterceptAuthority, Timestamp) {
    let now = marque_testkit::MockClock::of_this_moment();
    let now = marque_plane::Clock::now(&now);
    (InterceptAuthority::create_for_server(now, HOUR).unwrap(), now)
}

fn certified(leaf: &Leaf) -> Arc<CertifiedKey> {
    let key = PrivateKeyDer::Pkcs8(leaf.expose_key());
    let provider = aws_lc_rs::default_provider();
    Arc::new(CertifiedKey::from_der(leaf.chain().to_vec(), key, &provider).unwrap())
}

struct Served {
    edge: Edge,
    authority: InterceptAuthority,
    now: Timestamp,
}

impl Served {
    async fn new() -> Self {
        let (authority, now) = authority();
        let shown = Arc::new(Shows(certified(&authority.leaf("id.test", now).unwrap())));
        let config: Arc<ServerConfig> = tls::server_config(shown, &[b"http/1.1"]).unwrap();
        let edge = Edge::with(EdgeLimits::default(), Some(config)).await;
        Self { edge, authority, now }
    }

    /// A certificate that nobody vouches for here.
    fn certificate(&self) -> Leaf {
        let (stranger, now) = authority();
        let _ = self;
        stranger.leaf("bot.test", now).unwrap()
    }

    async fn asks(&self, shows: Option<Arc<CertifiedKey>>, request: &str) -> Option<Answer> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.ca_der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match shows {
            Some(shown) => builder.with_client_cert_resolver(Arc::new(Shows(shown))),
            None => builder.with_no_client_auth(),
        };
        let connector = TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from("id.test").unwrap();
        let stream = connector.connect(name, self.edge.connects().await).await.ok()?;
        let answered = exchange(stream, request);
        let caught = futures_util::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(answered));
        caught.await.ok()
    }

    async fn has_client(&self, leaf: &Leaf) -> String {
        let thumbprint = Digest::from_bytes(*sha256(&leaf.chain()[0]).as_bytes());
        let spec = ClientSpec {
            name: "bot-mtls".parse().unwrap(),
            agent: "bot".parse().unwrap(),
            proof: ClientKeys::Certificate { thumbprint },
            task: None,
            mandate: Lines::default(),
            limits: Limits::default(),
            run_ttl_secs: 3_600,
            endpoint_audience_until: None,
        };
        let plane = self.edge.plane.plane();
        plane.add_client(&self.edge.alice.acting().await, spec).await.unwrap().id.to_string()
    }
}

fn form(client: &str) -> String {
    let resource = escaped(BILLING);
    let form = format!("grant_type=client_credentials&client_id={client}&resource={resource}");
    post("/oauth/token", "", &form)
}

#[tokio::test]
async fn a_certificate_of_its_own_proves_a_client_and_binds_its_token() {
    let served = Served::new().await;
    let leaf = served.certificate();
    let client = served.has_client(&leaf).await;
    let answer = served.asks(Some(certified(&leaf)), &form(&client)).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["token_type"], "Bearer");
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    let claims = served.edge.client.claims_of(&token);
    let thumbprint = Thumbprint::from_bytes(*sha256(&leaf.chain()[0]).as_bytes());
    assert_eq!(claims.cnf, Some(Confirmation::Certificate(thumbprint)));
    served.edge.ends().await;
}

#[tokio::test]
async fn another_certificate_or_none_proves_nobody() {
    let served = Served::new().await;
    let (leaf, other) = (served.certificate(), served.certificate());
    let client = served.has_client(&leaf).await;
    for shown in [None, Some(certified(&other))] {
        let answer = served.asks(shown, &form(&client)).await.unwrap();
        answer.is_refused(401, "invalid_client");
    }
    assert!(served.now <= served.authority.ends());
    served.edge.ends().await;
}

// Whoever copies a certificate has not its key.
#[tokio::test]
async fn a_certificate_without_its_key_ends_the_handshake() {
    let served = Served::new().await;
    let (leaf, other) = (served.certificate(), served.certificate());
    let client = served.has_client(&leaf).await;
    let stolen = CertifiedKey::new(leaf.chain().to_vec(), Arc::clone(&certified(&other).key));
    let answer = served.asks(Some(Arc::new(stolen)), &form(&client)).await;
    assert!(answer.is_none(), "{answer:?}");
    let plain = served.asks(None, &form(&client)).await.unwrap();
    plain.is_refused(401, "invalid_client");
    served.edge.ends().await;
}
