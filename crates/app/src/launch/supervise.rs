//! One command from its start to its end, and nothing of it after that.
//!
//! The run ends with its command; the command ends with its run. Signals that only this process
//! got are passed on.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitStatus;
use std::time::Duration;

use marque_plane::view::EndedView;
use rustix::process::{Pid, Signal};
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use super::children;
use crate::client::Unheld;
use crate::exit::{Exit, Failure};

/// How long a command may take to end once its run is closed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);
/// What the shell sees when Marque closed the run: as if by `kill -9`.
pub(crate) const CUT: u8 = 137;

/// How a command ended.
pub(crate) struct Ended {
    /// What the shell sees.
    pub(crate) code: u8,
    /// Why it ended.
    pub(crate) cause: Cause,
    /// Whether no process of it is left.
    pub(crate) is_clean: bool,
}

/// Why a command ended.
pub(crate) enum Cause {
    /// By itself.
    Itself,
    /// Its run was closed.
    Closed(Box<EndedView>),
    /// The server that holds the run is gone.
    Lost(Failure),
    /// It may make user namespaces, and what was locked at this path was replaced.
    Unlocked(PathBuf),
}

/// Runs `words` with exactly `variables`, until it ends, or `hold` says that its run is closed or
/// that the server is gone: nobody says who listens at the proxy's port from then on.
///
/// Dropping `hold` abandons the run, so that is the caller's to do, once the run was ended.
pub(crate) async fn supervise(
    words: &[OsString],
    variables: &BTreeMap<OsString, OsString>,
    hold: Pin<&mut impl Future<Output = Result<EndedView, Unheld>>>,
) -> Result<Ended, Failure> {
    let failed = |what: &str, error: &io::Error| {
        Failure::new(Exit::Failed, format!("cannot {what}: {error}"))
    };
    let (program, arguments) =
        words.split_first().ok_or_else(|| Failure::new(Exit::Usage, "there is no command"))?;
    children::adopt().map_err(|error| failed("adopt what the command leaves", &error))?;
    let mut signals = Signals::listen(io::stdin().is_terminal())
        .map_err(|error| failed("listen for signals", &error))?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(variables);
    let mut child = command.spawn().map_err(|error| cannot_start(program, &error))?;
    let (status, cause) = wait(&mut child, &mut signals, hold).await;
    let status = status.map_err(|error| failed("wait for the command", &error))?;
    let is_clean = children::end_all().await;
    let code = match cause {
        Cause::Itself => code(status),
        Cause::Closed(_) | Cause::Lost(_) | Cause::Unlocked(_) => CUT,
    };
    Ok(Ended { code, cause, is_clean })
}

async fn wait(
    child: &mut Child,
    signals: &mut Signals,
    mut hold: Pin<&mut impl Future<Output = Result<EndedView, Unheld>>>,
) -> (io::Result<ExitStatus>, Cause) {
    let main = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let mut cause = Cause::Itself;
    let mut deadline = None;
    loop {
        let insist = async {
            match deadline {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // ORDER: a command that has ended is over, whatever else happened at that moment.
            biased;
            status = child.wait() => return (status, cause),
            ended = hold.as_mut(), if deadline.is_none() => {
                cause = match ended {
                    Ok(ended) => Cause::Closed(Box::new(ended)),
                    Err(why) => Cause::Lost(why.into()),
                };
                tell(main, Signal::TERM);
                deadline = Some(Instant::now() + PATIENCE);
            }
            () = insist => {
                tell(main, Signal::KILL);
                deadline = Some(Instant::now() + PATIENCE);
            }
            passed = signals.next() => match passed {
                Some(passed) => tell(main, passed),
                None => children::reap(main),
            },
        }
    }
}

// INVARIANT: `main` has not been waited for while this is called, so its number is still its own.
fn tell(main: Option<Pid>, what: Signal) {
    if let Some(main) = main {
        let _ = rustix::process::kill_process(main, what);
    }
}

/// The signals this process passes on.
pub(crate) struct Signals {
    interrupt: Stream,
    quit: Stream,
    terminate: Stream,
    hang_up: Stream,
    resize: Stream,
    child: Stream,
    at_terminal: bool,
}

impl Signals {
    /// `at_terminal`: whether the command hears of keys and sizes by itself.
    pub(crate) fn listen(at_terminal: bool) -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            resize: signal(SignalKind::window_change())?,
            child: signal(SignalKind::child())?,
            at_terminal,
        })
    }

    /// The next one to pass on; none if some child ended. A terminal tells its whole foreground
    /// group of keys and of its size, so the command knows those already.
    pub(crate) async fn next(&mut self) -> Option<Signal> {
        loop {
            let (passed, by_terminal) = tokio::select! {
                _ = self.child.recv() => return None,
                _ = self.interrupt.recv() => (Signal::INT, true),
                _ = self.quit.recv() => (Signal::QUIT, true),
                _ = self.resize.recv() => (Signal::WINCH, true),
                _ = self.terminate.recv() => (Signal::TERM, false),
                _ = self.hang_up.recv() => (Signal::HUP, false),
            };
            if !(by_terminal && self.at_terminal) {
                return Some(passed);
            }
        }
    }
}

fn cannot_start(program: &OsString, error: &io::Error) -> Failure {
    // As POSIX shells have it (XCU 2.8.2).
    let code = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
    let message = format!("cannot start `{}`: {error}", program.to_string_lossy());
    Failure::new(Exit::Passed(code), message)
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}
