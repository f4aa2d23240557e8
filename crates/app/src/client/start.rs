//! Starting a server in the background, where none answers.
//!
//! Two launchers may race: the store's lock lets one server live, and both talk to that one.

use std::fs::OpenOptions;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use marque_plane::view::StatusView;
use tokio::time::Instant;

use super::{Client, Request};
use crate::context::Context;
use crate::exit::{Exit, Failure};

/// How long a server has until it answers. One whose database does not needs five seconds to know.
const PATIENCE: Duration = Duration::from_secs(8);
const PAUSE: Duration = Duration::from_millis(10);
/// When to start another: the first may have met an older server on its way out.
const AGAIN: Duration = Duration::from_millis(500);
/// How much of the server's last words are repeated.
const LAST_WORDS_BYTES: u64 = 2_048;

/// What a server in the background inherits; everything else may hold somebody's secret.
const INHERITED: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "XDG_RUNTIME_DIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "MARQUE_TRACE",
    crate::database::URL_VARIABLE,
    crate::database::FILE_VARIABLE,
];

/// How the server stands, once one answers; started if none did.
pub(crate) async fn connect_or_start(
    context: &Context,
    client: &Client,
) -> Result<StatusView, Failure> {
    if client.is_up().await.is_err() {
        if !client.is_answered().await {
            context.data.prepare()?;
            start(context)?;
        }
        wait_until_ready(context, client).await?;
    }
    client.send(&Request::get("/v1/status")).await
}

fn start(context: &Context) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(Exit::Unavailable, format!("cannot start a server: {error}"))
            .hint("start one yourself with `marque up`")
    };
    let trace = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(context.data.server_trace())
        .map_err(failed)?;
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    command
        .arg("--data-dir")
        .arg(context.data.path())
        .args(["up", "--background"])
        .env_clear()
        .envs(INHERITED.iter().filter_map(|name| Some((name, context.environment.os(name)?))))
        .current_dir(context.data.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(trace);
    if context.config_was_named {
        command.arg("--config").arg(&context.config_file);
    }
    // It detaches, starts the server and ends at once, so that the server is nobody's child here.
    let ended = command.status().map_err(failed)?;
    if ended.success() {
        return Ok(());
    }
    Err(Failure::new(Exit::Unavailable, "a server could not be started")
        .hint(format!("see `{}`", context.data.server_trace().display())))
}

async fn wait_until_ready(context: &Context, client: &Client) -> Result<(), Failure> {
    let ready = async {
        let mut again = Instant::now() + AGAIN;
        loop {
            match client.is_up().await {
                Err(failure) if failure.exit == Exit::Unavailable => {
                    tokio::time::sleep(PAUSE).await;
                }
                answer => return answer,
            }
            if Instant::now() >= again && !client.is_answered().await {
                start(context)?;
                again = Instant::now() + AGAIN;
            }
        }
    };
    let answer = tokio::time::timeout(PATIENCE, ready).await;
    answer.unwrap_or_else(|_| Err(did_not_come_up(context)))
}

fn did_not_come_up(context: &Context) -> Failure {
    let message = match last_words(context) {
        Some(words) => format!("the server did not come up; its last words: {words}"),
        None => "the server did not come up".to_owned(),
    };
    let trace = context.data.server_trace();
    Failure::new(Exit::Unavailable, message)
        .hint(format!("see `{}`, or run `marque up` in a terminal", trace.display()))
}

fn last_words(context: &Context) -> Option<String> {
    let mut trace = std::fs::File::open(context.data.server_trace()).ok()?;
    let length = trace.metadata().ok()?.len();
    trace.seek(SeekFrom::Start(length.saturating_sub(LAST_WORDS_BYTES))).ok()?;
    let mut tail = Vec::new();
    trace.take(LAST_WORDS_BYTES).read_to_end(&mut tail).ok()?;
    let tail = String::from_utf8_lossy(&tail);
    tail.lines().rev().find(|line| !line.trim().is_empty()).map(|line| line.trim().to_owned())
}
