//! The human's terminal in front of the run's own: bytes both ways, size, and its manners.
//!
//! Two plain threads, for a terminal cannot be made non-blocking without the shell noticing.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::Signal;
use rustix::termios::{
    OptionalActions, OutputModes, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize,
};

/// A soft reset (DECSTR), and plain letters: what a run hid or moved is seen again.
const PLAIN: &[u8] = b"\x1b[!p\x1b[0m";
/// Bytes passed on at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// A terminal passed on. Dropping it gives the human's back as it was.
pub(super) struct Relay {
    theirs: OwnedFd,
    /// As the human's was, if it is one that is typed into.
    manners: Option<Termios>,
    output: Option<JoinHandle<()>>,
    /// Dropped to end the reading of the human's.
    _stop: OwnedFd,
}

impl Relay {
    /// Begins passing on between the human's terminal and the other side of the run's.
    pub(super) fn begin(theirs: OwnedFd) -> io::Result<Self> {
        let (stdin, stdout, stderr) =
            (rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr());
        let manners = if isatty(stdin) { Some(tcgetattr(stdin)?) } else { None };
        if let Some(manners) = &manners {
            tcsetattr(&theirs, OptionalActions::Now, manners)?;
        } else {
            // Lines are ended by the human's terminal, once.
            let mut plain = tcgetattr(&theirs)?;
            plain.output_modes.remove(OutputModes::OPOST);
            tcsetattr(&theirs, OptionalActions::Now, &plain)?;
        }
        let shown = if isatty(stdout) { stdout } else { stderr };
        let output = spawn(&theirs, shown, pass_output)?;
        let (ended, stop) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        if manners.is_some() {
            let to = File::from(theirs.try_clone()?);
            let from = File::from(stdin.try_clone_to_owned()?);
            std::thread::Builder::new()
                .name("terminal-in".to_owned())
                .spawn(move || pass_input(from, to, &ended))?;
        }
        let relay = Self { theirs, manners, output: Some(output), _stop: stop };
        relay.resize();
        relay.take()?;
        Ok(relay)
    }

    /// Passes every key on, from now on.
    pub(super) fn take(&self) -> io::Result<()> {
        if let Some(manners) = &self.manners {
            let mut raw = manners.clone();
            raw.make_raw();
            tcsetattr(rustix::stdio::stdin(), OptionalActions::Flush, &raw)?;
        }
        Ok(())
    }

    /// Gives the human's terminal its own manners back.
    pub(super) fn give_back(&self) {
        if let Some(manners) = &self.manners {
            let _gone = tcsetattr(rustix::stdio::stdin(), OptionalActions::Drain, manners);
        }
    }

    /// Makes the run's terminal as large as the human's; the run hears of it from the kernel.
    pub(super) fn resize(&self) {
        let streams = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
        if let Some(size) = streams.iter().find_map(|stream| tcgetwinsize(stream).ok()) {
            let _gone = tcsetwinsize(&self.theirs, size);
        }
    }

    /// Stops with the command, as the human's shell expects of a job, until it is resumed.
    pub(super) fn stop_with_it(&self) {
        self.give_back();
        let _told = rustix::process::kill_process(rustix::process::getpid(), Signal::STOP);
        let _gone = self.take();
        self.resize();
    }

    /// Passes on what is still to be shown, once nobody writes any more.
    pub(super) fn finish(mut self) {
        if let Some(output) = self.output.take() {
            let _shown = output.join();
        }
        let (stdout, stderr) = (rustix::stdio::stdout(), rustix::stdio::stderr());
        let shown = if isatty(stdout) { stdout } else { stderr };
        if let Ok(shown) = shown.try_clone_to_owned() {
            let _gone = File::from(shown).write_all(PLAIN);
        }
    }
}

impl Drop for Relay {
    // What the terminal was made to answer by the run is not for the shell that comes after it.
    fn drop(&mut self) {
        if let Some(manners) = &self.manners {
            let _gone = tcsetattr(rustix::stdio::stdin(), OptionalActions::Flush, manners);
        }
    }
}

fn spawn(
    theirs: &OwnedFd,
    shown: BorrowedFd<'_>,
    pass: fn(File, File),
) -> io::Result<JoinHandle<()>> {
    let (from, to) = (File::from(theirs.try_clone()?), File::from(shown.try_clone_to_owned()?));
    std::thread::Builder::new().name("terminal-out".to_owned()).spawn(move || pass(from, to))
}

// Ends in EIO, once the run's side is closed everywhere.
fn pass_output(mut from: File, mut to: File) {
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if to.write_all(buffer.get(..length).unwrap_or_default()).is_err() {
            return;
        }
    }
}

fn pass_input(mut from: File, mut to: File, ended: &OwnedFd) {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let mut ready = [PollFd::new(&from, PollFlags::IN), PollFd::new(ended, PollFlags::IN)];
        if poll(&mut ready, None).is_err() {
            continue;
        }
        let [typed, over] = ready.map(|one| !one.revents().is_empty());
        if over || !typed {
            return;
        }
        match from.read(&mut buffer) {
            Ok(length @ 1..) => {
                if to.write_all(buffer.get(..length).unwrap_or_default()).is_err() {
                    return;
                }
            }
            _ => return,
        }
    }
}
