//! The one HTTP client: HTTP/1.1, to the origin of one issuer, over verified TLS.
//!
//! Owns every bound on what a server may do to us (threat 23): the time of an exchange, the length
//! of an answer, no redirect, no other host. Whoever asks drives the connection, so nothing runs
//! behind their back.

use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{Fuse, FusedFuture as _};
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use marque_crypto::Secret;
use marque_wire::oauth::Resource;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use crate::kept::Problem;

/// How long one exchange may take, from the name to the last byte.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long a connection is kept for the next question: shorter than servers keep theirs.
const IDLE_MAX: Duration = Duration::from_secs(10);
/// How many are kept.
const LINES_MAX: usize = 8;
/// Most bytes of a head.
const HEAD_MAX_BYTES: usize = 32 * 1024;

type Driver = Fuse<Connection<TokioIo<Either<TcpStream, TlsStream<TcpStream>>>, Full<Bytes>>>;

/// Why there is no answer from the issuer. Holds nothing of a token.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FetchError {
    /// No connection, or one that broke off.
    #[error("`{url}` cannot be reached: {why}; look whether the issuer is up and its CA known")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What the system or the other side said.
        why: String,
    },
    /// It took too long.
    #[error("`{0}` did not answer within {secs} seconds", secs = DEADLINE.as_secs())]
    Late(String),
    /// Another status than the one of an answer; redirects are not followed.
    #[error("`{url}` answered {status}; look at the log of the issuer")]
    Status {
        /// What was asked for.
        url: String,
        /// The status.
        status: u16,
    },
    /// More than may be held.
    #[error("`{url}` answered more than {max} bytes")]
    TooLong {
        /// What was asked for.
        url: String,
        /// The bound, in bytes.
        max: usize,
    },
    /// It is not what it should be.
    #[error("the answer of `{url}` is not used: {why}")]
    Malformed {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Problem for FetchError {}

/// What is asked.
pub(crate) struct Ask<'a> {
    pub(crate) url: &'a Resource,
    pub(crate) accept: &'static str,
    /// A form to post; `None` to get.
    pub(crate) form: Option<Secret>,
    /// The proof that goes with it.
    pub(crate) proof: Option<HeaderValue>,
    /// Most bytes of the answer.
    pub(crate) max_bytes: usize,
    /// Whether it may be asked twice, and so go over a connection that was kept.
    pub(crate) is_repeatable: bool,
}

/// What was answered, whatever its status.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Asks one issuer.
pub(crate) struct Http {
    tls: Option<Arc<ClientConfig>>,
    idle: Mutex<Vec<Line>>,
}

/// A connection.
struct Line {
    sender: SendRequest<Full<Bytes>>,
    driver: Pin<Box<Driver>>,
    since: Instant,
}

impl Http {
    /// A client that trusts as `tls` says. `None` for an issuer on loopback without TLS.
    pub(crate) fn new(tls: Option<Arc<ClientConfig>>) -> Self {
        Self { tls, idle: Mutex::new(Vec::new()) }
    }

    /// Asks, and reads the whole answer.
    pub(crate) async fn ask(&self, ask: Ask<'_>) -> Result<Answer, FetchError> {
        let exchange = timeout(DEADLINE, self.exchange(&ask)).await;
        exchange.unwrap_or_else(|_| Err(FetchError::Late(ask.url.to_string())))
    }

    async fn exchange(&self, ask: &Ask<'_>) -> Result<Answer, FetchError> {
        if let Some(line) = ask.is_repeatable.then(|| self.take()).flatten() {
            // What was kept may have been closed meanwhile, and then a fresh one is tried.
            match self.over(line, ask).await {
                Err(FetchError::Unreachable { .. }) => {}
                answered => return answered,
            }
        }
        let line = self.dial(ask.url).await?;
        self.over(line, ask).await
    }

    async fn over(&self, mut line: Line, ask: &Ask<'_>) -> Result<Answer, FetchError> {
        let request = request(ask)?;
        let sender = &mut line.sender;
        let exchange = async {
            let broken = |error: hyper::Error| unreachable(ask.url, &error);
            sender.ready().await.map_err(broken)?;
            let (head, body) = sender.send_request(request).await.map_err(broken)?.into_parts();
            let body = Limited::new(body, ask.max_bytes).collect().await;
            let body = body.map_err(|error| cut(ask, &*error))?;
            Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
        };
        // The connection only carries the exchange; when it ends first, the exchange tells why.
        let driver = &mut line.driver;
        let carry = async {
            let _ = driver.await;
            std::future::pending().await
        };
        let answer = tokio::select! {
            answer = exchange => answer?,
            never = carry => never,
        };
        self.keep(line);
        Ok(answer)
    }

    fn take(&self) -> Option<Line> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|line| line.since.elapsed() < IDLE_MAX);
        idle.pop()
    }

    fn keep(&self, line: Line) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < LINES_MAX && !line.driver.is_terminated() && !line.sender.is_closed() {
            idle.push(Line { since: Instant::now(), ..line });
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the client of a product of its own; the server's dialler is not here"
    )]
    async fn dial(&self, url: &Resource) -> Result<Line, FetchError> {
        let parsed: Uri = url.as_str().parse().map_err(|error| unreachable(url, &error))?;
        let host = parsed.host().unwrap_or_default();
        let is_plain = parsed.scheme_str() == Some("http");
        let port = parsed.port_u16().unwrap_or(if is_plain { 80 } else { 443 });
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((bare, port)).await;
        let stream = stream.map_err(|error| unreachable(url, &error))?;
        let stream = match (&self.tls, is_plain) {
            (_, true) => Either::Left(stream),
            (None, false) => return Err(unreachable(url, &"no authority is known to prove it")),
            (Some(tls), false) => {
                let name = ServerName::try_from(bare.to_owned());
                let name = name.map_err(|error| unreachable(url, &error))?;
                let tls = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await;
                Either::Right(tls.map_err(|error| unreachable(url, &error))?)
            }
        };
        let mut builder = http1::Builder::new();
        builder.max_buf_size(HEAD_MAX_BYTES);
        let opened = builder.handshake(TokioIo::new(stream)).await;
        let (sender, driver) = opened.map_err(|error| unreachable(url, &error))?;
        Ok(Line { sender, driver: Box::pin(driver.fuse()), since: Instant::now() })
    }
}

fn request(ask: &Ask<'_>) -> Result<Request<Full<Bytes>>, FetchError> {
    let origin = ask.url.origin();
    let authority = origin.split_once("://").map_or("", |(_, authority)| authority);
    let target = if ask.url.tail().is_empty() { "/" } else { ask.url.tail() };
    let mut request = Request::builder()
        .method(if ask.form.is_some() { Method::POST } else { Method::GET })
        .uri(target)
        .header(HOST, authority)
        .header(ACCEPT, ask.accept);
    if let Some(proof) = &ask.proof {
        request = request.header("dpop", proof);
    }
    let body = match &ask.form {
        None => Bytes::new(),
        Some(form) => {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
            Bytes::from_owner(Wiped(form.duplicate()))
        }
    };
    request.body(Full::new(body)).map_err(|error| unreachable(ask.url, &error))
}

/// Bytes that are wiped once the last reader is done.
struct Wiped(Secret);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        self.0.expose()
    }
}

fn cut(ask: &Ask<'_>, error: &(dyn Error + Send + Sync + 'static)) -> FetchError {
    if error.is::<LengthLimitError>() {
        FetchError::TooLong { url: ask.url.to_string(), max: ask.max_bytes }
    } else {
        unreachable(ask.url, &error)
    }
}

fn unreachable(url: &Resource, why: &dyn std::fmt::Display) -> FetchError {
    FetchError::Unreachable { url: url.to_string(), why: why.to_string() }
}

impl Answer {
    /// The answer, if its status is 200.
    pub(crate) fn ok(self, url: &Resource) -> Result<Self, FetchError> {
        let status = self.status.as_u16();
        if status == 200 {
            Ok(self)
        } else {
            Err(FetchError::Status { url: url.to_string(), status })
        }
    }
}

/// Why what `url` answered is of no use.
pub(crate) fn malformed(url: &Resource, why: impl std::fmt::Display) -> FetchError {
    FetchError::Malformed { url: url.to_string(), why: why.to_string() }
}
