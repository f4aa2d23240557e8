//! `marque-exec`: takes the terminal, gives up every power, and becomes the command.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};

use super::{During as _, Trouble, filter, powers};

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
    powers::give_up().during("give up capabilities")?;
    filter::apply(may_nest)
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
