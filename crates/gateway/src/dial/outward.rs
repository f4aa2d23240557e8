//! The plane's own questions to the world outside: one document each, over the same checked
//! addresses and the same verified TLS as every upstream.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_ENCODING, HOST, USER_AGENT};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use marque_domain::Endpoint;
use marque_plane::outbound::{Document, Fetching, Outbound, Unfetched, Wanted};
use marque_wire::address::Reach;
use marque_wire::host::Authority;
use marque_wire::http1::{HEAD_MAX_BYTES, ResponseGuard};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::{Dialer, Protocol, connect, permitted, prove, resolve, speaking};
use crate::failure::Failure;
use crate::guarded::Guarded;

/// How long a document may take, from its name to its last byte.
const PATIENCE: Duration = Duration::from_secs(10);

/// Fetches documents for the plane. Cheap to clone.
#[derive(Clone)]
pub struct Outward {
    dialer: Arc<Dialer>,
    patience: Duration,
}

impl Default for Outward {
    fn default() -> Self {
        Self::patient(PATIENCE)
    }
}

impl Outbound for Outward {
    fn get(&self, wanted: Wanted) -> Fetching {
        let outward = self.clone();
        Box::pin(async move {
            let fetched = timeout(outward.patience, outward.fetch(&wanted)).await;
            let seconds = outward.patience.as_secs();
            fetched.unwrap_or_else(|_| failed(format!("it did not answer in {seconds} seconds")))
        })
    }
}

impl Outward {
    pub(super) fn patient(patience: Duration) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let dialer = Dialer::new(provider, TaskTracker::new(), patience);
        Self { dialer: Arc::new(dialer), patience }
    }

    async fn fetch(&self, wanted: &Wanted) -> Result<Document, Unfetched> {
        let (authority, target) = parts(wanted.url.as_str())?;
        let host = authority.host.to_string();
        let endpoint = Endpoint { host, port: authority.port };
        let line = self.line(wanted, &endpoint).await;
        let line = line.map_err(|failure| Unfetched::Failed(words(&failure, wanted.private)))?;
        let request = Request::builder()
            .method(Method::GET)
            .uri(target)
            .header(HOST, named(&authority))
            .header(ACCEPT, "application/json, application/jwk-set+json")
            .header(USER_AGENT, concat!("marque/", env!("CARGO_PKG_VERSION")))
            .body(Empty::<Bytes>::new())
            .map_err(|_| Unfetched::Failed("its URL cannot be asked for".to_owned()))?;
        ask(line, request, wanted.max_bytes).await
    }

    async fn line(
        &self,
        wanted: &Wanted,
        endpoint: &Endpoint,
    ) -> Result<Guarded<Tls, ResponseGuard>, Failure> {
        let host = &endpoint.host;
        let may = |reach| may_reach(reach, wanted.private);
        let addresses = permitted(host, resolve(endpoint).await?, may)?;
        let stream = connect(host, &addresses).await?;
        let config = match &wanted.authority_pem {
            Some(pem) => self.dialer.own_trust(host, pem)?,
            None => self.dialer.system_trust(host).await?,
        };
        let stream = prove(speaking(&config, Protocol::Http1), host, stream).await?;
        Ok(Guarded::new(stream, ResponseGuard::new(), self.patience))
    }
}

type Tls = tokio_rustls::client::TlsStream<crate::read_ahead::ReadAhead<tokio::net::TcpStream>>;

/// Whether an address of that kind may be asked: one of a metadata service or of this link never
/// is, whoever named it (threats 23 and 76).
pub(super) fn may_reach(reach: Reach, private: bool) -> bool {
    match reach {
        Reach::Public => true,
        Reach::Loopback | Reach::Private | Reach::Shared => private,
        _ => false,
    }
}

#[expect(clippy::disallowed_methods, reason = "the line was dialled with its address checked")]
async fn ask(
    line: Guarded<Tls, ResponseGuard>,
    request: Request<Empty<Bytes>>,
    max_bytes: usize,
) -> Result<Document, Unfetched> {
    let guard = line.guard();
    if guard.lock().expect_response(request.method()).is_err() {
        return broken();
    }
    let mut builder = http1::Builder::new();
    builder.max_buf_size(2 * HEAD_MAX_BYTES);
    let Ok((mut sender, driver)) = builder.handshake(TokioIo::new(line)).await else {
        return broken();
    };
    let asking = async {
        let Ok(response) = sender.send_request(request).await else { return broken() };
        if response.status() != StatusCode::OK {
            return Err(Unfetched::Status(response.status().as_u16()));
        }
        let headers = response.headers();
        if headers.get(CONTENT_ENCODING).is_some_and(|value| value != "identity") {
            return failed("it is packed, and nobody asked for that".to_owned());
        }
        let cache_control = joined(headers);
        match Limited::new(response.into_body(), max_bytes).collect().await {
            Ok(body) => Ok(Document { body: body.to_bytes().to_vec(), cache_control }),
            Err(error) if error.is::<LengthLimitError>() => {
                failed(format!("it is longer than {max_bytes} bytes"))
            }
            Err(_) => broken(),
        }
    };
    // Whoever asks is told of the end by what is asked for.
    let driving = async {
        let _ended = driver.await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        answer = asking => answer,
        () = driving => broken(),
    }
}

fn joined(headers: &HeaderMap) -> String {
    let fields = headers.get_all(CACHE_CONTROL).iter();
    fields.filter_map(|field| field.to_str().ok()).collect::<Vec<_>>().join(",")
}

// The authority of a URL, and the target of a request for it.
fn parts(url: &str) -> Result<(Authority, &str), Unfetched> {
    let bad = || Unfetched::Failed("it is not `https://`".to_owned());
    let rest = url.strip_prefix("https://").ok_or_else(bad)?;
    let (authority, target) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let authority = Authority::parse_or(authority, 443).map_err(|_| bad())?;
    Ok((authority, if target.is_empty() { "/" } else { target }))
}

fn named(authority: &Authority) -> String {
    match authority.port {
        443 => authority.host.to_string(),
        port => format!("{}:{port}", authority.host),
    }
}

fn words(failure: &Failure, private: bool) -> String {
    match failure {
        Failure::Address { host, reach } if may_reach(*reach, true) && !private => {
            format!("`{host}` leads to a {reach} address: allow that with `--private-network`")
        }
        Failure::Address { host, reach } => {
            format!("`{host}` leads to a {reach} address, which is never asked")
        }
        other => other.to_string(),
    }
}

fn broken<T>() -> Result<T, Unfetched> {
    failed("it broke off, or its answer is no HTTP/1.1".to_owned())
}

fn failed<T>(why: String) -> Result<T, Unfetched> {
    Err(Unfetched::Failed(why))
}

#[cfg(test)]
mod tests;
