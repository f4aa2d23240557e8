//! `marque-exec`: takes the terminal, gives up every power, and becomes the command.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{During as _, Trouble, filter, nesting, powers};

/// Most processes and threads of a run (of root's the kernel counts none).
const PROCESSES_MAX: u64 = 16_384;
/// Bytes of the image of a process that ended badly. At none the kernel still starts a program
/// that takes it, outside; at one it does not (core(5)).
const IMAGE_MAX_BYTES: u64 = 1;

/// The words that come before the command's.
pub(super) mod option {
    /// Its standard streams are the run's terminal.
    pub(in super::super) const TERMINAL: &str = "terminal";
    /// They are not.
    pub(in super::super) const NO_TERMINAL: &str = "no-terminal";
    /// It may make user namespaces.
    pub(in super::super) const NESTING: &str = "nesting";
    /// It may not.
    pub(in super::super) const NO_NESTING: &str = "no-nesting";
}

pub(super) fn exec(mut words: impl Iterator<Item = OsString>) -> ExitCode {
    let at_terminal = words.next().is_some_and(|word| word == option::TERMINAL);
    let may_nest = words.next().is_some_and(|word| word == option::NESTING);
    let Some(program) = words.next() else { return ExitCode::FAILURE };
    if let Err(Trouble { step, why, .. }) = prepare(at_terminal, may_nest) {
        say(&format!("error: cannot {step}: {why}; nothing was started"));
        return ExitCode::from(126);
    }
    let error = Command::new(&program).args(words).exec();
    say(&format!("error: cannot start `{}`: {error}", program.to_string_lossy()));
    // As POSIX shells have it (XCU 2.8.2).
    ExitCode::from(if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 })
}

fn prepare(at_terminal: bool, may_nest: bool) -> Result<(), Trouble> {
    if at_terminal {
        take_terminal().during("take the terminal")?;
    }
    bound(Resource::Nproc, PROCESSES_MAX).during("bound its processes")?;
    bound(Resource::Core, IMAGE_MAX_BYTES).during("forbid images of its processes")?;
    if may_nest {
        nesting::must_be_bounded()?;
    }
    powers::give_up().during("give up capabilities")?;
    filter::apply(may_nest)
}

/// Lowers a limit for good. One that is lower already stays.
fn bound(what: Resource, most: u64) -> io::Result<()> {
    let Rlimit { current, maximum } = getrlimit(what);
    let lower = |limit: Option<u64>| Some(limit.map_or(most, |limit| limit.min(most)));
    let maximum = lower(maximum);
    let current = if what == Resource::Core { maximum } else { lower(current) };
    Ok(setrlimit(what, Rlimit { current, maximum })?)
}

// Whoever is not in the foreground is stopped for this, unless it blocks the signal (tcsetpgrp(3)).
fn take_terminal() -> io::Result<()> {
    let mut stop = SigSet::empty();
    stop.add(Signal::SIGTTOU);
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&stop), None)?;
    let terminal = std::fs::File::open("/dev/tty")?;
    let group = rustix::process::getpgrp();
    rustix::termios::tcsetpgrp(&terminal, group)?;
    Ok(sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&stop), None)?)
}

#[expect(clippy::print_stderr, reason = "the only word of a process that has no other output")]
pub(super) fn say(line: &str) {
    eprintln!("{line}");
}
