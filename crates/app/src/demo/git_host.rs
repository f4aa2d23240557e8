//! The git host of the demonstration: `git http-backend` over TLS, behind Basic authentication.
//!
//! A process of its own that knows nothing of Marque: what it notes of a push it reads by itself.
//! Bodies stream both ways, whatever their size.

mod answer;
mod cgi;
mod repositories;
mod updates;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_ENCODING};
use http::{HeaderValue, Method, Request, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use marque_crypto::hash::sha256;
use marque_crypto::{Secret, SystemRandom, random};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tokio_util::task::TaskTracker;

use self::answer::Reply;
use self::cgi::{Backend, Body};
use super::api::hex;
use super::journal::{GitLine, Journal, Update};
use super::listen::{Input, certified, until_the_end};

/// The name it is reached by; nobody resolves it.
pub(super) const HOST: &str = "git.demo.test";
/// Who the token belongs to.
pub(super) const USER: &str = "x-access-token";

/// Requests of one HTTP/2 connection served at once.
const STREAMS: u32 = 32;
/// Processes of git at once.
const PROCESSES: usize = 64;
/// How long a request may wait for one of them.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a git host is told at its start.
pub(crate) struct Setting {
    /// Where the certificate of its authority goes, PEM.
    pub(crate) authority: PathBuf,
    /// Where its notes go.
    pub(crate) log: PathBuf,
    /// The directory of its bare repositories.
    pub(crate) root: PathBuf,
    /// The repositories to make, `owner/name`.
    pub(crate) repositories: Vec<String>,
    /// Whether answers repeat the credential they were asked with.
    pub(crate) echo: bool,
    /// `PATH`, to find git.
    pub(crate) path: OsString,
}

/// Serves until standard input ends. Prints where it listens.
pub(crate) async fn run(setting: Setting) -> anyhow::Result<()> {
    let mut input = Input::open();
    let pair = format!("{USER}:{}", input.token().await?);
    let root = setting.root.canonicalize().context("the directory of the repositories")?;
    let tasks = TaskTracker::new();
    let backend = Backend::find(setting.path, root, tasks.clone()).await?;
    for name in &setting.repositories {
        repositories::make(&backend, name).await.with_context(|| format!("making `{name}`"))?;
    }
    let host = Arc::new(Host {
        token: Secret::from_string(format!("Basic {}", STANDARD.encode(pair))),
        journal: Journal::create(&setting.log)?,
        backend,
        places: Arc::new(Semaphore::new(PROCESSES)),
        tasks,
        echo: setting.echo,
    });
    let acceptor = certified(HOST, &setting.authority, &[b"h2", b"http/1.1"])?;
    until_the_end(input, acceptor, move |stream| serve(stream, Arc::clone(&host))).await
}

async fn serve(stream: TlsStream<TcpStream>, host: Arc<Host>) {
    let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let tasks = Tasks(host.tasks.clone());
    let answer = service_fn(move |request| {
        let host = Arc::clone(&host);
        async move { host.answer(request).await }
    });
    let stream = TokioIo::new(stream);
    // A client that breaks off is none of our business.
    if is_h2 {
        let mut server = hyper::server::conn::http2::Builder::new(tasks);
        server.timer(TokioTimer::new()).max_concurrent_streams(STREAMS);
        let _ = server.serve_connection(stream, answer).await;
    } else {
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(stream, answer).await;
    }
}

/// Runs the streams of HTTP/2 connections.
#[derive(Clone)]
struct Tasks(TaskTracker);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, stream: F) {
        self.0.spawn(stream);
    }
}

struct Host {
    /// The whole value of the right `authorization`.
    token: Secret,
    journal: Journal,
    backend: Backend,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    echo: bool,
}

impl Host {
    async fn answer(&self, request: Request<Incoming>) -> anyhow::Result<Reply> {
        let credential = request.headers().get(AUTHORIZATION).cloned();
        let mut reply = self.judge(request, credential.as_ref()).await?;
        if let Some(credential) = credential.filter(|_| self.echo) {
            reply.headers_mut().insert("x-echo-authorization", credential);
        }
        Ok(reply)
    }

    async fn judge(
        &self,
        request: Request<Incoming>,
        credential: Option<&HeaderValue>,
    ) -> anyhow::Result<Reply> {
        let (head, body) = request.into_parts();
        let presented = credential.map(HeaderValue::as_bytes);
        let mut line = GitLine {
            nonce: hex(&random::bytes::<8>(&SystemRandom)),
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().map(str::to_owned),
            protocol: format!("{:?}", head.version),
            credential: presented.map(sha256),
            is_right: presented.is_some_and(|presented| self.token.matches(presented)),
            updates: Vec::new(),
        };
        let mut body = Body { begun: Bytes::new(), rest: body };
        let is_push = head.method == Method::POST && line.path.ends_with("/git-receive-pack");
        let mut fault = None;
        if line.is_right && is_push && head.headers.contains_key(CONTENT_ENCODING) {
            fault = Some(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        } else if line.is_right && is_push {
            match begin(&mut body).await {
                Ok(updates) => line.updates = updates,
                Err(_) => fault = Some(StatusCode::BAD_REQUEST),
            }
        }
        // ORDER: written down before it is answered, so that no answer lacks its line.
        self.journal.write(&line)?;
        if !line.is_right {
            return Ok(answer::who_are_you());
        }
        if let Some(fault) = fault {
            return Ok(answer::told(fault));
        }
        if let Some(credential) = credential.filter(|_| self.echo && line.path == "/echo") {
            return Ok(answer::echo(credential));
        }
        let place = Arc::clone(&self.places).acquire_owned();
        let Ok(place) = timeout(PATIENCE, place).await else {
            return Ok(answer::told(StatusCode::SERVICE_UNAVAILABLE));
        };
        let (head_of_answer, output) = self.backend.ask(&head, body, place?).await?;
        Ok(answer::streamed(head_of_answer, output))
    }
}

/// Reads a push as far as its commands go.
async fn begin(body: &mut Body) -> anyhow::Result<Vec<Update>> {
    loop {
        if let Some(updates) = updates::read(&body.begun)? {
            return Ok(updates);
        }
        anyhow::ensure!(body.begun.len() <= updates::MAX_BYTES, "too many commands");
        anyhow::ensure!(body.more().await?, "the body ends before its commands do");
    }
}
