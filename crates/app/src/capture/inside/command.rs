//! The command: started once, signalled as a group, stopped and resumed with its terminal.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::Winsize;

use super::super::message::Start;
use super::exec::option;
use super::{During as _, Part, Trouble, root};

/// The command's standard streams.
pub(super) struct Streams {
    passed: [Option<OwnedFd>; 3],
    terminal: Option<OwnedFd>,
}

impl Streams {
    /// Those that came from outside, and a terminal for the others; with the terminal's other side.
    pub(super) fn new(
        terminals: [bool; 3],
        size: Option<(u16, u16)>,
        passed: Vec<OwnedFd>,
    ) -> Result<(Self, Option<OwnedFd>), Trouble> {
        let mut passed = passed.into_iter();
        let passed = terminals.map(|is_terminal| if is_terminal { None } else { passed.next() });
        if !terminals.contains(&true) {
            return Ok((Self { passed, terminal: None }, None));
        }
        let (ours, theirs) = terminal(size).during("make a terminal")?;
        Ok((Self { passed, terminal: Some(ours) }, Some(theirs)))
    }

    fn take(&mut self, which: usize) -> io::Result<Stdio> {
        let passed = self.passed.get_mut(which).and_then(Option::take);
        match (passed, &self.terminal) {
            (Some(passed), _) => Ok(passed.into()),
            (None, Some(terminal)) => Ok(terminal.as_fd().try_clone_to_owned()?.into()),
            (None, None) => Ok(Stdio::null()),
        }
    }
}

/// A terminal that is this session's: the command's side, and the other.
fn terminal(size: Option<(u16, u16)>) -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let theirs = openpt(flags)?;
    unlockpt(&theirs)?;
    let ours = ioctl_tiocgptpeer(&theirs, flags)?;
    if let Some((ws_row, ws_col)) = size {
        let size = Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&ours, size)?;
    }
    rustix::process::ioctl_tiocsctty(&ours)?;
    Ok((ours, theirs))
}

/// A command that was started.
pub(super) struct Running {
    /// Its first process, which leads its group.
    pub(super) main: Pid,
    terminal: Option<OwnedFd>,
}

impl Running {
    /// Starts it.
    pub(super) fn start(start: Start, mut streams: Streams) -> Result<Self, Trouble> {
        let at_terminal = streams.terminal.is_some();
        // Held until it has started: whoever writes there could make it a link in between.
        let directory = root::open(&start.directory)?;
        let mut command = Part::Exec.command();
        command
            .arg(if at_terminal { option::TERMINAL } else { option::NO_TERMINAL })
            .arg(if start.user_namespaces { option::NESTING } else { option::NO_NESTING })
            .args(start.words)
            .env_clear()
            .envs(start.variables)
            .current_dir(root::through(&directory))
            .process_group(0)
            .stdin(streams.take(0).during("pass the standard streams on")?)
            .stdout(streams.take(1).during("pass the standard streams on")?)
            .stderr(streams.take(2).during("pass the standard streams on")?);
        let child = command.spawn().during("start the command")?;
        let main = i32::try_from(child.id()).during("name the command")?;
        // Nothing of this process's keeps the streams open: their readers see their end.
        drop(command);
        Ok(Self { main: Pid::from_raw(main), terminal: streams.terminal })
    }

    /// Passes a signal on to its group.
    pub(super) fn tell(&self, signal: i32) {
        if let Ok(signal) = Signal::try_from(signal) {
            let _gone = killpg(self.main, signal);
        }
    }

    /// Gives it the terminal back and lets it go on.
    pub(super) fn resume(&self) {
        if let (Some(terminal), Some(group)) =
            (&self.terminal, rustix::process::Pid::from_raw(self.main.as_raw()))
        {
            let _gone = rustix::termios::tcsetpgrp(terminal, group);
        }
        let _gone = killpg(self.main, Signal::SIGCONT);
    }
}
