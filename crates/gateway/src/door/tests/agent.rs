//! A program of an agent: TLS inside the tunnels of its run, and HTTP/1.1 or HTTP/2 in it.
#![expect(clippy::disallowed_methods, reason = "tests dial their own sockets and own their tasks")]

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use bytes::Bytes;
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use http::{HeaderMap, Request};
use marque_plane::view::OpenedRunView;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::world::{PATIENCE, provider, read_answer, read_head};

/// What the small frames of unread answers may cost a client.
const FRAME_BUDGET: usize = 64 * 1024 * 1024;

/// Whoever acts in one run.
pub(super) struct Agent {
    proxy: SocketAddr,
    pub(super) run: OpenedRunView,
}

impl Agent {
    pub(super) fn new(proxy: SocketAddr, run: OpenedRunView) -> Self {
        Self { proxy, run }
    }

    /// The value of `Proxy-Authorization` the run's tools send.
    pub(super) fn credentials(&self) -> String {
        let pair = format!("{}:{}", self.run.run.id, self.run.secret);
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
    }

    pub(super) async fn connects(&self) -> TcpStream {
        TcpStream::connect(self.proxy).await.unwrap()
    }

    /// Opens a tunnel and says what the proxy answered.
    pub(super) async fn tunnels(&self, authority: &str) -> (TcpStream, String) {
        let mut stream = self.connects().await;
        let request = format!(
            "CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\nProxy-Authorization: {}\r\n\r\n",
            self.credentials()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = read_head(&mut stream).await;
        (stream, answer)
    }

    /// Opens a tunnel to `host` and shakes hands as for `name`.
    pub(super) async fn shakes_hands(
        &self,
        host: &str,
        name: &str,
        config: &Arc<ClientConfig>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let (stream, answer) = self.tunnels(&format!("{host}:443")).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::clone(config)).connect(name, stream).await
    }

    /// Speaks HTTP/1.1 with `host`.
    pub(super) async fn speaks_http1(&self, host: &str) -> TlsStream<TcpStream> {
        self.shakes_hands(host, host, &trusting(&[self], &[])).await.unwrap()
    }

    /// Sends one request to `host` over HTTP/1.1 and reads its answer.
    pub(super) async fn says(&self, host: &str, line: &str, fields: &str) -> String {
        let mut stream = self.speaks_http1(host).await;
        let request = format!("{line} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        read_answer(&mut stream).await
    }

    /// Speaks HTTP/2 with `host`.
    pub(super) async fn speaks_http2(&self, host: &str) -> Http2 {
        let stream = self.shakes_hands(host, host, &trusting(&[self], &["h2"])).await.unwrap();
        Http2::over(stream).await
    }
}

impl Http2 {
    /// Speaks it over a connection that was agreed on.
    pub(super) async fn over(stream: TlsStream<TcpStream>) -> Self {
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        // Tests leave answers unread, however many small frames they come in.
        let mut builder = h2::client::Builder::new();
        builder.data_frame_budget(FRAME_BUDGET);
        let (sender, driver) = builder.handshake(stream).await.unwrap();
        let driver = tokio::spawn(async move {
            let _ended = driver.await;
        });
        Self { sender, driver }
    }
}

/// Settings of a client that trusts these runs' authorities and offers these protocols.
pub(super) fn trusting(agents: &[&Agent], protocols: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for agent in agents {
        roots.add(CertificateDer::from_pem_slice(agent.run.ca_pem.as_bytes()).unwrap()).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// One HTTP/2 connection inside a tunnel. Closed at once when it is dropped.
pub(super) struct Http2 {
    sender: SendRequest<Bytes>,
    driver: JoinHandle<()>,
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// An answer over HTTP/2, read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
    pub(super) trailers: HeaderMap,
}

impl Answer {
    /// The code of a no of ours.
    pub(super) fn refusal(&self) -> &str {
        self.headers.get("marque-refusal").map_or("", |code| code.to_str().unwrap())
    }
}

impl Http2 {
    /// Sends a request with this body and reads its answer.
    pub(super) async fn asks(&self, request: Request<String>) -> Result<Answer, h2::Error> {
        let (head, body) = request.into_parts();
        let (answer, mut rest) =
            self.begins(Request::from_parts(head, ()), body.is_empty()).await?;
        if !body.is_empty() {
            rest.send_data(body.into(), true)?;
        }
        whole(answer).await
    }

    /// Asks for this path without a body.
    pub(super) async fn gets(&self, url: &str) -> Result<Answer, h2::Error> {
        self.asks(get(url)).await
    }

    /// Sends a head, and lets the caller send what follows.
    pub(super) async fn begins(
        &self,
        head: Request<()>,
        is_all: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        let ready = timeout(PATIENCE, self.sender.clone().ready()).await.unwrap();
        ready?.send_request(head, is_all)
    }
}

/// Reads an answer to its end.
pub(super) async fn whole(answer: ResponseFuture) -> Result<Answer, h2::Error> {
    let reading = async {
        let (head, mut body) = answer.await?.into_parts();
        let mut read = Vec::new();
        while let Some(data) = body.data().await {
            let data = data?;
            body.flow_control().release_capacity(data.len())?;
            read.extend_from_slice(&data);
        }
        let trailers = body.trailers().await?.unwrap_or_default();
        let (status, headers) = (head.status.as_u16(), head.headers);
        Ok(Answer { status, headers, body: String::from_utf8(read).unwrap(), trailers })
    };
    timeout(PATIENCE, reading).await.unwrap()
}

pub(super) fn get<B: Default>(url: &str) -> Request<B> {
    Request::get(url).body(B::default()).unwrap()
}
