//! A token service that listens, and what is asked of it byte for byte.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use marque_api::{EdgeLimits, TokenService};
use marque_plane::spec::TokenTargetSpec;
use marque_testkit::{Human, ISSUER, OAuthClient, TestPlane, issuing};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(super) const BILLING: &str = "https://billing.test/";
pub(super) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A token service at an address of this machine.
pub(super) struct Edge {
    pub(super) plane: TestPlane,
    pub(super) alice: Human,
    pub(super) client: OAuthClient,
    /// The secret with which `billing` asks about tokens.
    pub(super) secret: String,
    /// The client id of `billing`.
    pub(super) billing: String,
    pub(super) address: SocketAddr,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// Asserts that it is a refusal as RFC 6749 §5.2 has it.
    #[track_caller]
    pub(super) fn is_refused(&self, status: u16, error: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.json()["error"], error, "{self:?}");
        assert_eq!(self.field("content-type"), Some("application/json"), "{self:?}");
        assert_eq!(self.field("cache-control"), Some("no-store"), "{self:?}");
    }
}

impl Edge {
    /// In the clear, with the bounds that ship.
    pub(super) async fn new() -> Self {
        Self::with(EdgeLimits::default(), None).await
    }

    pub(super) async fn with(limits: EdgeLimits, tls: Option<Arc<ServerConfig>>) -> Self {
        Self::on(TestPlane::with(issuing()).await, limits, tls).await
    }

    /// Whose tokens live a quarter of an hour.
    pub(super) async fn listing() -> Self {
        let mut setup = issuing();
        if let Some(oauth) = setup.settings.oauth.as_mut() {
            oauth.token_ttl = std::time::Duration::from_secs(900);
        }
        Self::on(TestPlane::with(setup).await, EdgeLimits::default(), None).await
    }

    async fn on(plane: TestPlane, limits: EdgeLimits, tls: Option<Arc<ServerConfig>>) -> Self {
        let alice = plane.alice();
        alice.registers("bot").await;
        let target = TokenTargetSpec {
            audience: Some(BILLING.to_owned()),
            secret: true,
            ..TokenTargetSpec::default()
        };
        let billing = alice.has_resource_as("billing", target).await;
        alice.has_resource("ledger", "https://ledger.test/").await;
        alice.grants("bot", &["billing:token", "billing:scope *"]).await;
        let client = alice.has_client("bot-prod", "bot").await;
        let secret = billing.tokens.as_ref().and_then(|tokens| tokens.secret.clone()).unwrap();
        let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = TokenService::new(plane.plane().clone(), limits, shutdown.clone()).unwrap();
        tasks.spawn(async move { service.serve(listener, tls).await });
        let billing = billing.id.to_string();
        Self { plane, alice, client, secret, billing, address, shutdown, tasks }
    }

    #[expect(clippy::disallowed_methods, reason = "a test is a client of the service")]
    pub(super) async fn connects(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends these bytes on a connection of its own.
    pub(super) async fn sends(&self, request: &str) -> Answer {
        exchange(self.connects().await, request).await
    }

    /// Gets what is there, with these fields, each with its line end.
    pub(super) async fn gets(&self, path: &str, fields: &str) -> Answer {
        let head = format!("GET {path} HTTP/1.1\r\nhost: id.test\r\nconnection: close\r\n");
        self.sends(&format!("{head}{fields}\r\n")).await
    }

    /// Posts a form with these fields, each with its line end.
    pub(super) async fn posts(&self, path: &str, fields: &str, form: &str) -> Answer {
        self.sends(&post(path, fields, form)).await
    }

    /// Asks for a token with that assertion and a fresh proof.
    pub(super) async fn asks_with(&self, assertion: &str, more: &str) -> Answer {
        let form = format!("{}{more}", Self::credentials(assertion));
        self.posts("/oauth/token", &self.proof(), &form).await
    }

    /// A request for a token of the client's own, proven by that assertion.
    pub(super) fn credentials(assertion: &str) -> String {
        format!(
            "grant_type=client_credentials&client_assertion_type={}&client_assertion={}",
            escaped(ASSERTION_TYPE),
            escaped(assertion)
        )
    }

    /// The field with a fresh proof.
    pub(super) fn proof(&self) -> String {
        let proof = self.client.proof(&format!("{ISSUER}/oauth/token"));
        format!("dpop: {}\r\n", String::from_utf8(proof).unwrap())
    }

    /// A good token for billing.
    pub(super) async fn token(&self) -> String {
        let more = format!("&resource={}&scope=invoices:read", escaped(BILLING));
        let answer = self.asks_with(&self.client.assertion(), &more).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// What billing is told of a token.
    pub(super) async fn introspects(&self, token: &str, fields: &str) -> Answer {
        let fields = format!("{}{fields}", basic(&self.billing, &self.secret));
        self.posts("/oauth/introspect", &fields, &format!("token={}", escaped(token))).await
    }

    pub(super) async fn ends(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.plane.stop().await;
    }
}

/// One request on a connection that ends with it.
pub(super) async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &str,
) -> Answer {
    // Who is refused early may be cut off while it still sends.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

pub(super) fn post(path: &str, fields: &str, form: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: id.test\r\nconnection: close\r\n\
         content-type: application/x-www-form-urlencoded\r\n{fields}content-length: {}\r\n\r\n\
         {form}",
        form.len()
    )
}

pub(super) fn basic(user: &str, password: &str) -> String {
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    format!("authorization: Basic {pair}\r\n")
}

pub(super) fn escaped(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

pub(super) fn encoded(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}
