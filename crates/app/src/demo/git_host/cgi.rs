//! `git http-backend`, a process for each request: RFC 3875, and git-http-backend(1).
//!
//! Owns the process: whoever drops its output ends it and what it started. The environment is the
//! request's own and nothing else.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response, StatusCode, response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::USER;

/// How long either side may be silent.
const PATIENCE: Duration = Duration::from_secs(60);
/// The most bytes the header of an answer may take.
const HEADER_MAX_BYTES: usize = 16 * 1024;
const CHUNK_BYTES: usize = 64 * 1024;

/// What a request carries below its header.
pub(super) struct Body {
    /// Read already.
    pub(super) begun: Bytes,
    /// To come.
    pub(super) rest: Incoming,
}

impl Body {
    /// Reads one piece more; false at the end.
    pub(super) async fn more(&mut self) -> anyhow::Result<bool> {
        let frame = timeout(PATIENCE, self.rest.frame()).await.context("nothing comes")?;
        let Some(frame) = frame.transpose()? else { return Ok(false) };
        if let Ok(data) = frame.into_data() {
            self.begun = [std::mem::take(&mut self.begun), data].concat().into();
        }
        Ok(true)
    }

    /// Hands everything on, and stops when nobody listens any more.
    async fn pour(self, mut input: ChildStdin) -> io::Result<()> {
        let Self { begun, mut rest } = self;
        input.write_all(&begun).await?;
        while let Ok(Some(Ok(frame))) = timeout(PATIENCE, rest.frame()).await {
            if let Ok(data) = frame.into_data() {
                timeout(PATIENCE, input.write_all(&data)).await??;
            }
        }
        Ok(())
    }
}

/// Where git is, and what it serves.
pub(super) struct Backend {
    program: PathBuf,
    path: OsString,
    root: PathBuf,
    tasks: TaskTracker,
}

impl Backend {
    /// Asks git where its parts are.
    pub(super) async fn find(
        path: OsString,
        root: PathBuf,
        tasks: TaskTracker,
    ) -> anyhow::Result<Self> {
        let mut backend = Self { program: PathBuf::from("git"), path, root, tasks };
        let asked = backend.git().arg("--exec-path").output();
        let told = timeout(PATIENCE, asked).await?.context("the git host needs `git`")?;
        let folder = PathBuf::from(String::from_utf8(told.stdout)?.trim_end());
        backend.program = folder.join("git-http-backend");
        if !backend.program.is_file() {
            bail!("the git host needs `git http-backend`, and `{}` has none", folder.display());
        }
        Ok(backend)
    }

    /// git itself, without anybody's settings.
    pub(super) fn git(&self) -> Command {
        self.with("git".into())
    }

    /// The directory of the repositories.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    fn with(&self, program: PathBuf) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", &self.path)
            .env("HOME", &self.root)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .current_dir(&self.root)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Starts git for a request, in its place among the processes; the header of its answer, and
    /// what follows.
    pub(super) async fn ask(
        &self,
        head: &Parts,
        body: Body,
        place: OwnedSemaphorePermit,
    ) -> anyhow::Result<(response::Parts, Output)> {
        let mut command = self.with(self.program.clone());
        command
            .env("GIT_PROJECT_ROOT", &self.root)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("REMOTE_USER", USER)
            .env("REMOTE_ADDR", "127.0.0.1")
            .env("REQUEST_METHOD", head.method.as_str())
            .env("PATH_INFO", head.uri.path())
            .env("QUERY_STRING", head.uri.query().unwrap_or_default());
        for (name, variable) in [
            (CONTENT_TYPE, "CONTENT_TYPE"),
            (CONTENT_LENGTH, "CONTENT_LENGTH"),
            (CONTENT_ENCODING, "HTTP_CONTENT_ENCODING"),
            (HeaderName::from_static("git-protocol"), "GIT_PROTOCOL"),
        ] {
            if let Some(value) = head.headers.get(name) {
                command.env(variable, value.to_str()?);
            }
        }
        let mut child = command.stdin(Stdio::piped()).process_group(0).spawn()?;
        let input = child.stdin.take().context("no pipe to git")?;
        let output = child.stdout.take().context("no pipe from git")?;
        let listening = CancellationToken::new();
        let pouring = self.tasks.spawn(async move {
            // What git makes of half a body, it says itself.
            let _ = body.pour(input).await;
        });
        let mut output = Output {
            pipe: BufReader::with_capacity(CHUNK_BYTES, output),
            minding: self.tasks.spawn(mind(child, listening.clone(), place)),
            _pouring: AbortOnDropHandle::new(pouring),
            _listening: listening.drop_guard(),
        };
        Ok((output.header().await?, output))
    }
}

/// What git still has to say.
pub(super) struct Output {
    pipe: BufReader<ChildStdout>,
    minding: JoinHandle<()>,
    _pouring: AbortOnDropHandle<()>,
    _listening: DropGuard,
}

impl Output {
    /// The next piece; none at the end, when the process is gone.
    pub(super) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let mut piece = BytesMut::with_capacity(CHUNK_BYTES);
        if timeout(PATIENCE, self.pipe.read_buf(&mut piece)).await?? > 0 {
            return Ok(Some(piece.freeze()));
        }
        timeout(PATIENCE, &mut self.minding).await??;
        Ok(None)
    }

    // RFC 3875 section 6: fields as of HTTP, `Status` for the status, an empty line.
    async fn header(&mut self) -> anyhow::Result<response::Parts> {
        let mut parts = Response::new(()).into_parts().0;
        let mut left = HEADER_MAX_BYTES;
        loop {
            let mut line = Vec::new();
            let mut some = (&mut self.pipe).take(u64::try_from(left)?);
            timeout(PATIENCE, some.read_until(b'\n', &mut line)).await??;
            left -= line.len();
            let line = std::str::from_utf8(&line)?;
            let line = line.strip_suffix('\n').context("git ends before its header does")?;
            let line = line.trim_end_matches('\r');
            if line.is_empty() {
                return Ok(parts);
            }
            let (name, value) = line.split_once(':').context("no header field")?;
            let value = value.trim();
            if name.eq_ignore_ascii_case("status") {
                let code = value.split(' ').next().unwrap_or_default();
                parts.status = StatusCode::from_bytes(code.as_bytes())?;
            } else {
                parts.headers.append(name.parse::<HeaderName>()?, HeaderValue::from_str(value)?);
            }
        }
    }
}

/// Stays with a process, the head of a group of its own, until it is gone: by itself, or because
/// nobody listens to it any more.
async fn mind(mut process: Child, dropped: CancellationToken, place: OwnedSemaphorePermit) {
    let ended = tokio::select! {
        ended = process.wait() => ended,
        () = dropped.cancelled() => {
            let id = process.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
            // It may end by itself between the two.
            let _ = id.map(|id| kill_process_group(id, Signal::KILL));
            process.wait().await
        }
    };
    // How it ended, its answer says.
    let _ = ended;
    drop(place);
}
