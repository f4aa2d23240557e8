//! The token service over the network: HTTP/1.1 over verified TLS, one exchange a connection.
//!
//! Bounded in time and bytes, without redirects, and to the one address that a human named.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use marque_crypto::Secret;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::either::Either;

use super::request::Wiped;
use crate::exit::{Exit, Failure};

/// How long an exchange may take, from the name to the last byte.
const DEADLINE: Duration = Duration::from_secs(10);
/// Most bytes of an answer.
const ANSWER_MAX_BYTES: usize = 256 * 1024;

/// Asks the token service.
pub(crate) struct Https {
    tls: Arc<ClientConfig>,
}

/// What goes along.
pub(crate) struct Posted {
    /// The form.
    pub(crate) form: Secret,
    /// The proof of possession.
    pub(crate) proof: Option<HeaderValue>,
}

impl Https {
    /// Trusts the authorities in that PEM text, and no others.
    pub(crate) fn trusting(authorities_pem: &str) -> Result<Self, Failure> {
        let mut roots = RootCertStore::empty();
        let found = CertificateDer::pem_slice_iter(authorities_pem.as_bytes());
        // A bundle may have some that nobody can use; they vouch for nothing.
        roots.add_parsable_certificates(found.filter_map(Result::ok));
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::new(Exit::Failed, format!("no TLS here: {error}")))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: Arc::new(config) })
    }

    /// What stands there.
    pub(crate) async fn get(&self, url: &str) -> Result<Response<Bytes>, Failure> {
        self.ask(url, None).await
    }

    /// What is answered to that.
    pub(crate) async fn post(&self, url: &str, posted: Posted) -> Result<Response<Bytes>, Failure> {
        self.ask(url, Some(posted)).await
    }

    async fn ask(&self, url: &str, posted: Option<Posted>) -> Result<Response<Bytes>, Failure> {
        let answer = timeout(DEADLINE, self.exchange(url, posted)).await;
        let late = || format!("no answer within {} seconds", DEADLINE.as_secs());
        answer.unwrap_or_else(|_| Err(late())).map_err(|why| {
            Failure::new(Exit::Unavailable, format!("cannot ask `{url}`: {why}")).hint(
                "is the server up, and its authority known? name that with `SSL_CERT_FILE`, or \
                 the data directory with `--data-dir`",
            )
        })
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a command asks its own token service; the gateway's dialler is for agents"
    )]
    async fn exchange(&self, url: &str, posted: Option<Posted>) -> Result<Response<Bytes>, String> {
        let uri: Uri = url.parse().map_err(told)?;
        let authority = uri.authority().ok_or("it has no host")?.clone();
        let is_plain = uri.scheme_str() == Some("http");
        let port = authority.port_u16().unwrap_or(if is_plain { 80 } else { 443 });
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, port)).await.map_err(told)?;
        let stream = if is_plain {
            Either::Left(stream)
        } else {
            let name = ServerName::try_from(host.to_owned()).map_err(told)?;
            let tls = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await;
            Either::Right(tls.map_err(told)?)
        };
        let request = request(&uri, posted)?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.map_err(told)?;
        let exchange = async {
            let (head, body) = sender.send_request(request).await.map_err(told)?.into_parts();
            let body = Limited::new(body, ANSWER_MAX_BYTES).collect().await.map_err(told)?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        // The connection only carries the exchange; when it ends first, the exchange tells why.
        let carry = async {
            let _ = connection.await;
            std::future::pending().await
        };
        tokio::select! {
            answer = exchange => answer,
            never = carry => never,
        }
    }
}

fn request(uri: &Uri, posted: Option<Posted>) -> Result<http::Request<Full<Bytes>>, String> {
    let target = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let host = uri.authority().map_or("", http::uri::Authority::as_str);
    let method = if posted.is_some() { Method::POST } else { Method::GET };
    let mut request = http::Request::builder().method(method).uri(target).header(HOST, host);
    request = request.header(ACCEPT, "application/json");
    let mut body = Bytes::new();
    if let Some(Posted { form, proof }) = posted {
        request = request.header(CONTENT_TYPE, super::FORM);
        if let Some(proof) = proof {
            request = request.header("dpop", proof);
        }
        body = Bytes::from_owner(Wiped(form));
    }
    request.body(Full::new(body)).map_err(told)
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}
