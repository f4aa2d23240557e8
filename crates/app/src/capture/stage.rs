//! The inside of a run, seen from outside: made, furnished, and started.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::{Mutex, OnceLock};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use marque_plane::DoorKind;
use rustix::fs::FileType;
use rustix::termios::isatty;

use super::channel::Channel;
use super::executed::Executed;
use super::first::First;
use super::inside::Part;
use super::message::{Build, FromInside, Open, Sight, Start, ToInside};
use super::view::{View, Wanted, view};
use crate::exit::{Exit, Failure};
use crate::launch::Laid;

/// How long a step inside may take.
const STEP: Duration = Duration::from_secs(20);

/// Why nothing can be captured here.
#[derive(Debug)]
pub(crate) struct Unfit {
    /// What was being done.
    pub(crate) step: String,
    /// What the kernel said.
    pub(crate) why: String,
}

/// The inside of a run. Dropping it ends whatever is inside.
pub(crate) struct Stage {
    channel: Channel,
    first: First,
    terminal: Option<OwnedFd>,
    directory: PathBuf,
    git: Vec<PathBuf>,
    /// What is looked at meanwhile, and what was seen.
    looking: Mutex<Option<JoinHandle<Executed>>>,
    before: OnceLock<Executed>,
}

impl Stage {
    /// Makes the namespaces and what is seen in them; or says why this machine does not let us.
    ///
    /// Blocks for some milliseconds.
    pub(crate) fn build(wanted: &Wanted<'_>) -> Result<Result<Self, Unfit>, Failure> {
        let View { sights, git } = view(wanted)?;
        must_be_streams()?;
        let directory = wanted.directory.canonicalize().unwrap_or_else(|_| wanted.directory.into());
        // Before the command starts, which is soon enough.
        let looked = (directory.clone(), git.clone());
        let looking = Builder::new()
            .name("before".to_owned())
            .spawn(move || Executed::of(&looked.0, &looked.1));
        let unfit = |error: io::Error| {
            let step = "start the first process inside".to_owned();
            Ok(Err(Unfit { step, why: error.to_string() }))
        };
        let (channel, first, mut entrance) = match enter() {
            Ok(Ok(entered)) => entered,
            Ok(Err(unfit)) => return Ok(Err(unfit)),
            Err(error) => return unfit(error),
        };
        let answer = furnish(&channel, sights);
        // It is over by now, and took some time to be.
        let _over = entrance.wait();
        let (answer, looking) = match (answer, looking) {
            (Ok(answer), Ok(looking)) => (answer, Mutex::new(Some(looking))),
            (Err(error), _) | (_, Err(error)) => return unfit(error),
        };
        Ok(match answer {
            (FromInside::Built, terminal) => {
                let (terminal, before) = (terminal.into_iter().next(), OnceLock::new());
                Ok(Self { channel, first, terminal, directory, git, looking, before })
            }
            (FromInside::Failed { step, why, .. }, _) => Err(Unfit { step, why }),
            (other, _) => Err(Unfit { step: "build".to_owned(), why: format!("{other:?}") }),
        })
    }

    /// Opens its listeners and lays the run's files.
    pub(crate) fn open(
        &self,
        ports: Vec<u16>,
        files: Vec<Laid>,
        trusted_at: Vec<PathBuf>,
    ) -> Result<Vec<(DoorKind, OwnedFd)>, Failure> {
        let asked = ToInside::Open(Open { ports, files, trusted_at });
        match self.ask(&asked)? {
            (FromInside::Opened(kinds), listeners) if kinds.len() == listeners.len() => {
                Ok(kinds.into_iter().zip(listeners).collect())
            }
            (other, _) => Err(failed(other)),
        }
    }

    /// Starts the command.
    pub(crate) fn start(&self, start: Start) -> Result<(), Failure> {
        // ORDER: what is there is known before anything of the run can change it.
        self.before();
        match self.ask(&ToInside::Start(start))? {
            (FromInside::Started, _) => Ok(()),
            (other, _) => Err(failed(other)),
        }
    }

    /// What is new or changed that a human's tools would execute, and whether all was looked at.
    pub(crate) fn executed_since(&self) -> (Vec<PathBuf>, bool) {
        let (now, before) = (Executed::of(&self.directory, &self.git), self.before());
        self.take_away(&now);
        (now.since(before), now.is_whole && before.is_whole)
    }

    /// What there was; nothing, where it could not be looked at: then all there is counts as new.
    fn before(&self) -> &Executed {
        self.before.get_or_init(|| {
            let looking = self.looking.lock().ok().and_then(|mut looking| looking.take());
            looking.and_then(|looking| looking.join().ok()).unwrap_or_default()
        })
    }

    // A repository's `commondir` says where its configuration and hooks lie
    // (gitrepository-layout(5)). The main one has none, and a shell whose prompt asks git would
    // follow it at once.
    fn take_away(&self, now: &Executed) {
        for planted in self.git.iter().map(|git| git.join("commondir")) {
            if now.has(&planted) && !self.before().has(&planted) {
                let aside = planted.with_extension("from-run");
                // Something may have been put in the way.
                let moved = std::fs::rename(&planted, aside);
                let _gone = moved.or_else(|_| std::fs::remove_file(&planted));
            }
        }
    }

    /// Where the command begins.
    pub(crate) fn directory(&self) -> &PathBuf {
        &self.directory
    }

    /// The first process inside.
    pub(super) fn first(&self) -> &First {
        &self.first
    }

    /// The channel to the inside, and its terminal's other side.
    pub(super) fn split(&self) -> io::Result<(Channel, Option<OwnedFd>)> {
        let channel = Channel::of(self.channel.stream().try_clone()?.into());
        let terminal = self.terminal.as_ref().map(OwnedFd::try_clone).transpose()?;
        Ok((channel, terminal))
    }

    fn ask(&self, message: &ToInside) -> Result<(FromInside, Vec<OwnedFd>), Failure> {
        let exchanged = self.channel.send(message, &[]).and_then(|()| self.channel.receive());
        exchanged.map_err(|error| {
            Failure::new(Exit::Failed, format!("the inside of the run is gone: {error}"))
        })
    }
}

fn failed(answer: FromInside) -> Failure {
    match answer {
        FromInside::Failed { step, why, code } => {
            let exit = code.map_or(Exit::Failed, Exit::Passed);
            Failure::new(exit, format!("cannot {step} inside the run: {why}"))
                .hint("nothing was started; `marque doctor` tells what this machine allows")
        }
        other => Failure::new(Exit::Failed, format!("the inside of the run said {other:?}")),
    }
}

/// Starts the first process inside: it, the channel to it, and who started it, to be waited for.
fn enter() -> io::Result<Result<(Channel, First, Child), Unfit>> {
    let (ours, theirs) = Channel::pair()?;
    ours.stream().set_read_timeout(Some(STEP))?;
    let mut command = Part::Enter.command();
    // What it has to say comes over the channel.
    command.env_clear().stdin(Stdio::from(OwnedFd::from(theirs.into_stream())));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut entrance = command.spawn()?;
    // Our copy of their end is gone with it, so that theirs is the last.
    drop(command);
    let said = match ours.receive::<FromInside>() {
        Ok((FromInside::Entered(number), _)) => {
            return Ok(Ok((ours, First::new(number)?, entrance)));
        }
        other => other,
    };
    let status = entrance.wait()?;
    match said {
        Ok((FromInside::Failed { step, why, .. }, _)) => Ok(Err(Unfit { step, why })),
        Ok((other, _)) => Err(io::Error::other(format!("it said {other:?}"))),
        Err(error) => Err(io::Error::other(format!("{error}; it ended: {status}"))),
    }
}

/// Has it build what is seen, and passes it the standard streams that are no terminal.
fn furnish(channel: &Channel, sights: Vec<Sight>) -> io::Result<(FromInside, Vec<OwnedFd>)> {
    let streams = streams();
    let terminals = streams.each_ref().map(isatty);
    let passed: Vec<BorrowedFd<'_>> =
        streams.iter().filter(|stream| !isatty(stream)).map(|stream| stream.as_fd()).collect();
    let size = streams.iter().find_map(|stream| rustix::termios::tcgetwinsize(stream).ok());
    let size = size.map(|size| (size.ws_row, size.ws_col));
    channel.send(&ToInside::Build(Build { sights, terminals, size }), &passed)?;
    channel.receive()
}

/// Refuses a directory in the place of a standard stream: it would lead to everything below it.
fn must_be_streams() -> Result<(), Failure> {
    let is_directory = |stream: &BorrowedFd<'_>| {
        rustix::fs::fstat(stream)
            .is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Directory)
    };
    if streams().iter().any(is_directory) {
        let message = "a standard stream is a directory, which a run could look into";
        return Err(Failure::new(Exit::Usage, message).hint("give it a file, a pipe or a terminal"));
    }
    Ok(())
}

fn streams() -> [BorrowedFd<'static>; 3] {
    [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()]
}
