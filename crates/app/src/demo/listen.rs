//! What the hosts of the demonstration have in common: a token from standard input, TLS under an
//! authority of their own, a bounded number of connections, and an end when standard input ends.
//!
//! Knows nothing of what is served.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use marque_crypto::intercept::InterceptAuthority;
use marque_plane::Clock as _;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Stdin};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::task::TaskTracker;

use crate::clock::SystemClock;
use crate::output::Output;

const LIFETIME: Duration = Duration::from_secs(60 * 60);
/// Connections served at once.
const CONNECTIONS: usize = 256;

/// Standard input, which gives the token first and lasts as long as the host.
pub(super) struct Input(BufReader<Stdin>);

impl Input {
    /// Standard input from its start.
    pub(super) fn open() -> Self {
        Self(BufReader::new(tokio::io::stdin()))
    }

    /// The token: the first line.
    pub(super) async fn token(&mut self) -> anyhow::Result<String> {
        let mut token = String::new();
        self.0.read_line(&mut token).await?;
        Ok(token.trim_end().to_owned())
    }
}

/// A certificate for `host` from an authority of its own, whose certificate goes to a file, and the
/// protocols it offers, best first.
pub(super) fn certified(
    host: &str,
    authority_file: &Path,
    protocols: &[&[u8]],
) -> anyhow::Result<TlsAcceptor> {
    let now = SystemClock::start().now();
    let authority = InterceptAuthority::create("demo", now, LIFETIME)?;
    std::fs::write(authority_file, authority.ca_pem())?;
    let leaf = authority.leaf(host, now)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(leaf.chain().to_vec(), PrivateKeyDer::Pkcs8(leaf.expose_key()))?;
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Listens, prints where, and serves every connection until standard input ends.
pub(super) async fn until_the_end<S, F>(
    mut input: Input,
    acceptor: TlsAcceptor,
    serve: S,
) -> anyhow::Result<()>
where
    S: Fn(TlsStream<TcpStream>) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    Output::bytes(format!("{}\n", listener.local_addr()?).as_bytes())?;
    let connections = TaskTracker::new();
    let accept = async {
        loop {
            let (stream, _) = listener.accept().await?;
            if connections.len() < CONNECTIONS {
                // Small answers must not wait for the last one to be acknowledged.
                let _ = stream.set_nodelay(true);
                connections.spawn(welcome(acceptor.clone(), stream, serve.clone()));
            }
        }
    };
    let mut rest = Vec::new();
    tokio::select! {
        served = accept => served,
        ended = input.0.read_to_end(&mut rest) => Ok(ended.map(drop)?),
    }
}

async fn welcome<S, F>(acceptor: TlsAcceptor, stream: TcpStream, serve: S)
where
    S: Fn(TlsStream<TcpStream>) -> F + Send,
    F: Future<Output = ()> + Send,
{
    if let Ok(stream) = acceptor.accept(stream).await {
        serve(stream).await;
    }
}
