//! The listener of the token service: bounded connections, TLS, and one request after another.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use futures_util::FutureExt as _;
use http::{HeaderMap, Method, Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use marque_plane::Plane;
use marque_plane::oauth::EndpointAsk;
use marque_wire::oauth::{ClientProof, IntrospectionRequest, Issuer, TokenRequest};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answer::{self, No};
use super::ask;
use super::crowd::{Crowd, Source};
use super::endpoint::Endpoint;
use super::published::document;
use super::rates::Rates;
use super::status;
use crate::tls;

/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a head may take, and how long a connection may idle between requests (threat 162).
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const HEAD_MAX_BYTES: usize = 32 * 1024;
const HEAD_MAX_FIELDS: usize = 64;
/// How long a request may take.
const DEADLINE: Duration = Duration::from_secs(30);
/// How long one connection may last: whoever reads no answers goes at last.
const AGE_MAX: Duration = Duration::from_secs(15 * 60);
/// How long the end waits for requests that are being answered.
const DRAIN: Duration = Duration::from_secs(5);

/// What an answer to an introspection is called that is signed (RFC 9701 §4).
const SIGNED_INTROSPECTION: &str = "application/token-introspection+jwt";

/// How much of the token service there is for strangers.
#[derive(Debug, Clone, Copy)]
pub struct EdgeLimits {
    /// Connections at once.
    pub connections: usize,
    /// Of those, from one address (of IPv6: one network of 64 bits).
    pub connections_of_address: usize,
    /// Requests a second from one address; twice as many at once.
    pub rate_of_address: u32,
    /// Requests a second that name one client, from one address: nobody elsewhere can use up what
    /// a client has. Twice as many at once.
    pub rate_of_client: u32,
    /// Whether this machine's own address is bound by the first alone: there a proxy may stand
    /// that everybody comes through.
    pub spares_loopback: bool,
}

impl Default for EdgeLimits {
    fn default() -> Self {
        Self {
            connections: 1_024,
            connections_of_address: 128,
            rate_of_address: 1_000,
            rate_of_client: 200,
            spares_loopback: true,
        }
    }
}

/// The endpoints of one plane's token service.
#[derive(Clone)]
pub struct TokenService(Arc<Inner>);

struct Inner {
    plane: Plane,
    issuer: Issuer,
    /// The path of the issuer.
    prefix: String,
    crowd: Crowd,
    by_address: Rates,
    by_client: Rates,
    spares_loopback: bool,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

/// Who is at the other end.
struct Client {
    source: Source,
    certificate: Option<Vec<u8>>,
}

impl TokenService {
    /// Not serving yet; `None` where the token service is off. Cancelling `shutdown` ends it.
    pub fn new(plane: Plane, limits: EdgeLimits, shutdown: CancellationToken) -> Option<Self> {
        let issuer = plane.oauth()?.issuer.clone();
        let behind = issuer.as_str().split_once("://").map_or("", |(_, rest)| rest);
        let path = behind.find('/').and_then(|at| behind.get(at..)).unwrap_or_default();
        let EdgeLimits { connections, connections_of_address, spares_loopback, .. } = limits;
        Some(Self(Arc::new(Inner {
            prefix: path.trim_end_matches('/').to_owned(),
            plane,
            issuer,
            crowd: Crowd::new((connections, connections_of_address), spares_loopback),
            by_address: Rates::new(limits.rate_of_address),
            by_client: Rates::new(limits.rate_of_client),
            spares_loopback,
            tasks: TaskTracker::new(),
            shutdown,
        })))
    }

    /// Serves until the shutdown, then lets open requests end, for at most 5 seconds. Without `tls`
    /// in the clear.
    pub async fn serve(&self, listener: TcpListener, tls: Option<Arc<ServerConfig>>) {
        let inner = &self.0;
        let acceptor = tls.map(TlsAcceptor::from);
        loop {
            let accepted = tokio::select! {
                () = inner.shutdown.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            let (stream, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, most likely: wait for some to be closed.
                    tracing::warn!(%error, "the token service cannot take a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let source = Source::of(address.ip());
            let Some(seat) = inner.crowd.take(source) else {
                tracing::debug!("a connection is dropped: too many are open");
                continue;
            };
            let (inner, acceptor) = (Arc::clone(inner), acceptor.clone());
            self.0.tasks.spawn(async move {
                let _seat = seat;
                inner.welcome(stream, acceptor, source).await;
            });
        }
        inner.tasks.close();
        if tokio::time::timeout(DRAIN, inner.tasks.wait()).await.is_err() {
            tracing::warn!("requests for tokens were still open when the server stopped");
        }
    }
}

impl Inner {
    async fn welcome(
        self: Arc<Self>,
        stream: TcpStream,
        acceptor: Option<TlsAcceptor>,
        source: Source,
    ) {
        // Small answers must not wait for the last one to be acknowledged.
        let _ = stream.set_nodelay(true);
        let Some(acceptor) = acceptor else {
            return self.connection(stream, Client { source, certificate: None }).await;
        };
        let accepted = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await;
        let Ok(Ok(stream)) = accepted else {
            tracing::debug!("a handshake with the token service failed");
            return;
        };
        let certificate = tls::client_certificate(stream.get_ref().1);
        self.connection(stream, Client { source, certificate }).await;
    }

    async fn connection<S>(self: Arc<Self>, stream: S, client: Client)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let shutdown = self.shutdown.clone();
        let client = Arc::new(client);
        let service = service_fn(move |request: Request<Incoming>| {
            let (inner, client) = (Arc::clone(&self), Arc::clone(&client));
            async move { Ok::<_, std::convert::Infallible>(inner.around(&client, request).await) }
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_MAX_BYTES)
            .max_headers(HEAD_MAX_FIELDS);
        let mut served = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            ended = served.as_mut() => Some(ended),
            () = shutdown.cancelled() => None,
            () = tokio::time::sleep(AGE_MAX) => None,
        };
        let ended = if let Some(ended) = ended {
            ended
        } else {
            served.as_mut().graceful_shutdown();
            let Ok(ended) = tokio::time::timeout(DEADLINE, served).await else { return };
            ended
        };
        // A client that leaves early is its own affair.
        ended.unwrap_or_else(|error| tracing::debug!(%error, "a connection broke off"));
    }

    /// What stands around every endpoint: bounds, a trace, and no panic that reaches the socket.
    async fn around(&self, client: &Client, request: Request<Incoming>) -> Response {
        let started = self.plane.clock().elapsed();
        let endpoint = Endpoint::of(request.uri().path(), &self.prefix);
        let is_token = matches!(endpoint, Some(Endpoint::Token));
        let is_basic = ask::is_basic(request.headers());
        let passed = tokio::time::timeout(DEADLINE, self.pass(client, endpoint, request));
        let outcome = match AssertUnwindSafe(passed).catch_unwind().await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(No::too_slow()),
            Err(_) => Err(No::defect()),
        };
        let mut response =
            outcome.unwrap_or_else(|no| no.of_basic(is_basic).into_response(&self.issuer));
        if is_token {
            response = answer::with_nonce(response, &self.plane.dpop_nonce());
        }
        let endpoint = endpoint.map_or("none", Endpoint::name);
        let taken = self.plane.clock().elapsed().saturating_sub(started);
        let status = response.status().as_u16();
        // Thousands a second: what was decided is in the log, and how long it took in the metrics.
        tracing::debug!(endpoint, status, duration_micros = taken.as_micros(), "answered");
        let labels = [("endpoint", endpoint.to_owned()), ("status", status.to_string())];
        metrics::histogram!("marque_oauth_request_seconds", &labels).record(taken.as_secs_f64());
        response
    }

    async fn pass(
        &self,
        client: &Client,
        endpoint: Option<Endpoint>,
        request: Request<Incoming>,
    ) -> Result<Response, No> {
        if !self.is_spared(client) && !self.by_address.admit(client.source, self.elapsed()) {
            return Err(No::too_often());
        }
        let endpoint = endpoint.ok_or_else(No::nothing_there)?;
        if *request.method() != endpoint.method() {
            return Err(No::no_such_method(&endpoint.method()));
        }
        let (parts, body) = request.into_parts();
        let headers = &parts.headers;
        if let Endpoint::StatusList(list) = endpoint {
            return status::list(&self.plane, list, (parts.uri.query(), headers)).await;
        }
        if endpoint.method() == Method::GET {
            return self.published(endpoint, headers);
        }
        // threat 37: a query ends up in logs and histories.
        if parts.uri.query().is_some() {
            return Err(No::malformed("parameters belong in the body, never in the URL"));
        }
        let form = ask::form(headers, Body::new(body)).await?;
        let ask = ask::beside(headers, client.certificate.as_deref())?;
        if matches!(endpoint, Endpoint::Token) {
            let request = TokenRequest::parse(form)?;
            self.pace(client, &ask, (request.client_id.as_deref(), &request.client_proof))?;
            let answer = self.plane.token(ask, request).await;
            let no = |refused| No::from(refused).deferred(answer.deferred);
            let token = answer.outcome.map_err(no)?;
            return Ok(answer::json(StatusCode::OK, token.to_body().expose().to_vec()));
        }
        let request = IntrospectionRequest::parse(form)?;
        self.pace(client, &ask, (request.client_id.as_deref(), &request.client_proof))?;
        if matches!(endpoint, Endpoint::Revoke) {
            self.plane.revoke(&ask, &request).await?;
            return Ok(answer::json(StatusCode::OK, "{}"));
        }
        self.introspected(headers, &ask, &request)
    }

    fn published(&self, endpoint: Endpoint, headers: &HeaderMap) -> Result<Response, No> {
        let (kind, text) = match endpoint {
            Endpoint::Keys => {
                ("application/jwk-set+json", self.plane.published_token_keys().to_string())
            }
            Endpoint::StatusLists => return Ok(status::lists(&self.plane, headers)),
            Endpoint::Schema(kind) => ("application/schema+json", kind.schema.to_owned()),
            _ => {
                let metadata = self.plane.oauth_metadata().ok_or_else(No::nothing_there)?;
                let text = serde_json::to_string(&metadata).map_err(|_| No::defect())?;
                ("application/json", text)
            }
        };
        Ok(document(headers, kind, text))
    }

    fn introspected(
        &self,
        headers: &HeaderMap,
        ask: &EndpointAsk,
        request: &IntrospectionRequest,
    ) -> Result<Response, No> {
        let (told, asker) = self.plane.introspect(ask, request)?;
        if wants_signature(headers) {
            let signed = self.plane.sign_introspection(&asker, &told)?;
            let body = signed.expose().to_vec();
            return Ok(answer::kept_by_nobody(StatusCode::OK, SIGNED_INTROSPECTION, body));
        }
        let body = serde_json::to_vec(&told.to_json()).map_err(|_| No::defect())?;
        Ok(answer::json(StatusCode::OK, body))
    }

    // By address as well: whoever names the client of another uses up nothing of it.
    fn pace(
        &self,
        client: &Client,
        ask: &EndpointAsk,
        (client_id, proof): (Option<&str>, &ClientProof),
    ) -> Result<(), No> {
        if self.is_spared(client) {
            return Ok(());
        }
        let Some(claimed) = ask::claimed(ask, client_id, proof) else { return Ok(()) };
        let is_within = self.by_client.admit((client.source, claimed), self.elapsed());
        if is_within { Ok(()) } else { Err(No::too_often()) }
    }

    fn is_spared(&self, client: &Client) -> bool {
        self.spares_loopback && client.source == Source::Loopback
    }

    fn elapsed(&self) -> Duration {
        self.plane.clock().elapsed()
    }
}

fn wants_signature(headers: &HeaderMap) -> bool {
    ask::accepted(headers).any(|kind| kind.eq_ignore_ascii_case(SIGNED_INTROSPECTION))
}
