//! A gateway with a reverse door, a client of the token service, and upstreams that write down what
//! they saw.
#![expect(clippy::disallowed_methods, reason = "tests dial their own sockets and own their tasks")]
#![expect(clippy::disallowed_types, reason = "a TLS client needs the real time")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use marque_crypto::intercept::InterceptAuthority;
use marque_domain::{Service, Timestamp};
use marque_plane::oauth::EndpointAsk;
use marque_plane::spec::{ConnectionSpec, Lines, TokenTargetSpec};
use marque_testkit::{GATEWAY, Got, Human, OAuthClient, Setup, TestPlane, connection, issuing};
use marque_wire::oauth::access_token_hash;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use super::super::upstream::{Seen, serve};
use super::super::world::{provider, read_answer};
use crate::{Gateway, GatewaySettings, ReverseSettings};

/// Lines of every client, over the connections `plain` and `other`.
const ALLOWED: [&str; 4] = ["token", "GET /v1/**", "PUT /v1/**", "GET /slow"];

/// How long a connection may take to prove something.
pub(super) const PROOF: Duration = Duration::from_secs(3);

pub(super) struct Gate {
    pub(super) plane: TestPlane,
    pub(super) alice: Human,
    /// A workload of the agent `bot`.
    pub(super) client: OAuthClient,
    pub(super) seen: Arc<Seen>,
    pub(super) upstream: SocketAddr,
    /// The upstream behind `/c/echo/`, and what it answers.
    pub(super) echo_address: SocketAddr,
    pub(super) echo: Arc<Mutex<Vec<u8>>>,
    address: SocketAddr,
    /// Signs the door's certificate, and those of clients.
    authority: InterceptAuthority,
    stop: CancellationToken,
}

impl Gate {
    /// A door behind something that ends TLS.
    pub(super) async fn plain() -> Self {
        Self::over(TestPlane::with(issuing()).await, false).await
    }

    /// A door that ends TLS, and asks its clients for certificates.
    pub(super) async fn private() -> Self {
        Self::over(TestPlane::with(issuing()).await, true).await
    }

    pub(super) async fn over(plane: TestPlane, is_private: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::at(listener, plane, is_private).await
    }

    /// The same at that listener.
    pub(super) async fn at(listener: TcpListener, plane: TestPlane, is_private: bool) -> Self {
        let alice = plane.alice();
        let seen: Arc<Seen> = Arc::default();
        let upstream = listen().await;
        let upstream_address = upstream.local_addr().unwrap();
        tokio::spawn(serve(upstream, Arc::clone(&seen), None));
        let (echo, echoing) = (Arc::default(), listen().await);
        let echo_address = echoing.local_addr().unwrap();
        tokio::spawn(repeat(echoing, Arc::clone(&echo)));
        alice.registers("bot").await;
        for name in ["plain", "other"] {
            alice.connects_as(http(name, upstream_address)).await;
        }
        alice.connects_as(http("echo", echo_address)).await;
        let own = |name: &str| ALLOWED.map(|line| format!("{name}:{line}"));
        let mut lines = Lines { allow: [own("plain"), own("other")].concat(), ..Lines::default() };
        lines.allow.extend(["echo:token".to_owned(), "echo:GET /v1/**".to_owned()]);
        lines.ask.push("plain:POST /v1/**".to_owned());
        lines.never.push("plain:GET /v1/secrets/**".to_owned());
        alice.grants_lines("bot", lines).await;
        let client = alice.has_client("worker", "bot").await;
        let address = listener.local_addr().unwrap();
        let authority = InterceptAuthority::create("door", now(), Duration::from_secs(3_600));
        let authority = authority.unwrap();
        let stop = CancellationToken::new();
        let gate = Self {
            plane,
            alice,
            client,
            seen,
            upstream: upstream_address,
            echo_address,
            echo,
            address,
            authority,
            stop,
        };
        gate.opens(listener, is_private).await;
        gate
    }

    /// Another plane serves the door from now on.
    pub(super) async fn goes_on_with(&mut self, plane: TestPlane) {
        self.stop.cancel();
        let listener = listen().await;
        self.address = listener.local_addr().unwrap();
        (self.plane, self.stop) = (plane, CancellationToken::new());
        self.opens(listener, false).await;
    }

    async fn opens(&self, listener: TcpListener, is_private: bool) {
        let base = self.plane.plane().oauth().unwrap().gateway.clone().unwrap();
        let host = base.split("://").nth(1).unwrap().split(':').next().unwrap();
        let tls = is_private.then(|| asking(&self.authority, host));
        let settings = GatewaySettings { proof: PROOF, ..GatewaySettings::default() };
        let gateway = Gateway::new(self.plane.plane().clone(), settings);
        let gateway = gateway.with_reverse(listener, ReverseSettings { base, tls }).unwrap();
        let (_handed, doors) = mpsc::channel(1);
        tokio::spawn(gateway.serve(listen().await, doors, self.stop.clone()));
    }

    /// A token for that connection, bound to the client's key.
    pub(super) async fn token(&self, connection: &str) -> String {
        let got = self.client.takes(&format!("{GATEWAY}/c/{connection}"), "").await;
        got.unwrap_or_else(|refused| panic!("{refused:?}")).token
    }

    /// A token for `plain` that is bound to what comes with this request.
    pub(super) async fn token_by(&self, ask: EndpointAsk, connection: &str) -> Got {
        let resource = format!("{GATEWAY}/c/{connection}");
        let parameters = [("grant_type", "client_credentials"), ("resource", resource.as_str())];
        let got = self.client.asks_with(ask, &self.client.assertion(), &parameters).await;
        got.unwrap_or_else(|refused| panic!("{refused:?}"))
    }

    /// A token for `plain` that covers just this.
    pub(super) async fn token_for(&self, details: &str) -> String {
        let resource = format!("{GATEWAY}/c/plain");
        let parameters = [
            ("grant_type", "client_credentials"),
            ("resource", resource.as_str()),
            ("authorization_details", details),
        ];
        let got = self.client.asks(&parameters).await;
        got.unwrap_or_else(|refused| panic!("{refused:?}")).token
    }

    /// The fields that present a token with a fresh proof for `METHOD /path?query`.
    pub(super) fn fields(&self, token: &str, line: &str) -> String {
        let (method, target) = line.split_once(' ').unwrap();
        let path = target.split('?').next().unwrap();
        let nonce = self.plane.plane().dpop_nonce();
        let proof = self.proof(token, (method, &format!("{GATEWAY}{path}")), Some(&nonce));
        format!("Authorization: DPoP {token}\r\nDPoP: {proof}\r\n")
    }

    /// A proof for that token, method and address.
    pub(super) fn proof(
        &self,
        token: &str,
        (method, url): (&str, &str),
        nonce: Option<&str>,
    ) -> String {
        let hash = access_token_hash(token.as_bytes());
        let proof = self.client.proof_as(method, url, Some(&hash), nonce);
        String::from_utf8(proof).unwrap()
    }

    /// Presents a token with a fresh proof for `METHOD /path`, and hears the answer.
    pub(super) async fn asks(&self, token: &str, line: &str) -> String {
        self.says(line, &self.fields(token, line)).await
    }

    /// Sends a request without a body, with these fields.
    pub(super) async fn says(&self, line: &str, fields: &str) -> String {
        self.says_all(&format!("{line} HTTP/1.1\r\nHost: gw.test\r\n{fields}\r\n")).await
    }

    /// Sends these bytes and hears one answer.
    pub(super) async fn says_all(&self, bytes: &str) -> String {
        let mut stream = self.connects().await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
        read_answer(&mut stream).await
    }

    pub(super) async fn connects(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Shakes hands as for `name`, with or without a certificate of the client's.
    pub(super) async fn shakes_hands(
        &self,
        name: &str,
        protocols: &[&str],
        shows: Option<&Shown>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.ca_der().clone()).unwrap();
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match shows {
            Some(shown) => {
                config.with_client_auth_cert(shown.chain.clone(), shown.key.clone_key()).unwrap()
            }
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let stream = self.connects().await;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    /// The same for whichever name, without looking at the door's certificate.
    pub(super) async fn shakes_hands_blindly(&self, name: &str) -> TlsStream<TcpStream> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody))
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let stream = self.connects().await;
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    }

    /// The same for `gw.test`, then one request with these fields.
    pub(super) async fn says_inside(
        &self,
        shows: Option<&Shown>,
        line: &str,
        fields: &str,
    ) -> String {
        let mut stream = self.shakes_hands("gw.test", &[], shows).await.unwrap();
        let request = format!("{line} HTTP/1.1\r\nHost: gw.test\r\n{fields}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        read_answer(&mut stream).await
    }

    /// A certificate with its key.
    pub(super) fn certificate(&self, name: &str) -> Shown {
        let leaf = self.authority.leaf(name, now()).unwrap();
        let key = PrivateKeyDer::Pkcs8(leaf.expose_key());
        Shown { chain: leaf.chain().to_vec(), key }
    }

    /// The authority that the door's certificate is of.
    pub(super) fn ca_pem(&self) -> String {
        self.authority.ca_pem()
    }

    /// The codes of what was refused so far.
    pub(super) fn refused(&self) -> Vec<String> {
        self.plane.log().codes()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What a client shows in TLS.
pub(super) struct Shown {
    pub(super) chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// A plane whose tokens are for a door at that address.
pub(super) fn issuing_for(gateway: &str) -> Setup {
    let mut setup = issuing();
    setup.settings.oauth.as_mut().unwrap().gateway = Some(gateway.to_owned());
    setup
}

/// A connection of that name whose tokens may be bound to nobody.
pub(super) fn for_bearers(name: &str, address: SocketAddr) -> ConnectionSpec {
    let tokens = TokenTargetSpec { bearer: true, ..TokenTargetSpec::default() };
    ConnectionSpec { tokens: Some(tokens), ..http(name, address) }
}

/// A git connection like that.
pub(super) fn git(name: &str, address: SocketAddr) -> ConnectionSpec {
    ConnectionSpec { service: Service::Git, ..for_bearers(name, address) }
}

fn http(name: &str, address: SocketAddr) -> ConnectionSpec {
    ConnectionSpec {
        plain_http: true,
        hosts: vec![format!("{name}.test")],
        pin: Some(address),
        ..connection(name)
    }
}

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// Answers every request with the same bytes.
async fn repeat(listener: TcpListener, answer: Arc<Mutex<Vec<u8>>>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let answer = answer.lock().unwrap().clone();
        tokio::spawn(async move {
            let mut some = [0; 4_096];
            let _head = stream.read(&mut some).await;
            let _told = stream.write_all(&answer).await;
        });
    }
}

fn now() -> Timestamp {
    let elapsed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp::from_millis(u64::try_from(elapsed.as_millis()).unwrap())
}

fn asking(authority: &InterceptAuthority, host: &str) -> Arc<ServerConfig> {
    let leaf = authority.leaf(host, now()).unwrap();
    let key = PrivateKeyDer::Pkcs8(leaf.expose_key());
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(Arc::new(Anybody))
        .with_single_cert(leaf.chain().to_vec(), key)
        .unwrap();
    Arc::new(config)
}

/// Takes any certificate whose key the client holds: a token says which one it must be.
#[derive(Debug)]
struct Anybody;

impl ClientCertVerifier for Anybody {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &provider().signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        ClientCertVerifier::verify_tls12_signature(self, message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        ClientCertVerifier::verify_tls13_signature(self, message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ClientCertVerifier::supported_verify_schemes(self)
    }
}
