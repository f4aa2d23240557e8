//! The inside of a run, seen from outside: made, furnished, and started.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use marque_plane::DoorKind;
use rustix::fs::FileType;
use rustix::termios::isatty;

use super::channel::Channel;
use super::executed::Executed;
use super::first::First;
use super::inside::Part;
use super::leaf::Leaf;
use super::message::{Build, FromInside, Lending, Open, Opening, Sight, Start, ToInside};
use super::view::{View, Wanted, Work, view};
use crate::exit::{Exit, Failure};
use crate::launch::Laid;
use crate::launch::children::Apart;

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
    work: Work,
    /// What is looked at meanwhile, and what was seen; nothing for a run below another one.
    looking: Option<Mutex<Option<JoinHandle<Executed>>>>,
    before: OnceLock<Executed>,
}

/// What was made inside and is used outside.
pub(crate) struct Opened {
    /// The listeners for the server.
    pub(crate) doors: Vec<(DoorKind, OwnedFd)>,
    /// What the launcher keeps: where child runs are asked for.
    pub(crate) launch: UnixListener,
    /// And what lends them the run's directories.
    pub(crate) lender: Lender,
}

/// Lends a run's directories to runs below it.
pub(crate) struct Lender(Mutex<Channel>);

impl Lender {
    fn lend(&self) -> io::Result<Vec<OwnedFd>> {
        let channel = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        channel.send(&Lending::Lend, &[])?;
        match channel.receive()? {
            (Lending::Lent, lent) => Ok(lent),
            (Lending::Failed(why), _) => Err(io::Error::other(why)),
            (Lending::Lend, _) => Err(io::Error::other("it asked for itself")),
        }
    }
}

/// What a run below another one is given of it.
pub(crate) struct Below<'a> {
    /// What the run above works on.
    pub(crate) work: &'a Work,
    /// Lends it.
    pub(crate) lender: &'a Lender,
    /// The standard streams of the one below.
    pub(crate) streams: [OwnedFd; 3],
}

impl Stage {
    /// Makes the namespaces and what is seen in them; or says why this machine does not let us.
    ///
    /// Blocks for some milliseconds.
    pub(crate) fn build(wanted: &Wanted<'_>) -> Result<Result<Self, Unfit>, Failure> {
        let view = view(wanted, None)?;
        Self::make(view, Streams::ours(), true)
    }

    /// The same for a run below another one, inside what that one sees.
    pub(crate) fn build_below(
        wanted: &Wanted<'_>,
        below: Below<'_>,
    ) -> Result<Result<Self, Unfit>, Failure> {
        let view = view(wanted, Some(below.work))?;
        let lent = below.lender.lend().map_err(|error| {
            let message = format!("the directories of the run above cannot be lent: {error}");
            Failure::new(Exit::Failed, message)
        })?;
        // What it writes is told at the end of the run above. Processes of that one could have us
        // look anywhere meanwhile, and tell them of it.
        Self::make(view, Ok(Streams { passed: below.streams.map(Some), lent, size: None }), false)
    }

    fn make(
        view: View,
        streams: io::Result<Streams>,
        is_looked_at: bool,
    ) -> Result<Result<Self, Unfit>, Failure> {
        let View { sights, work } = view;
        let unfit = |error: io::Error| {
            let step = "start the first process inside".to_owned();
            Ok(Err(Unfit { step, why: error.to_string() }))
        };
        let streams = match streams {
            Ok(streams) => streams,
            Err(error) => return unfit(error),
        };
        streams.must_be_streams()?;
        // Before the command starts, which is soon enough.
        let looking = is_looked_at.then(|| look(&work)).transpose();
        let (channel, first, mut entrance) = match enter() {
            Ok(Ok(entered)) => entered,
            Ok(Err(unfit)) => return Ok(Err(unfit)),
            Err(error) => return unfit(error),
        };
        let answer = furnish(&channel, sights, streams);
        // It is over by now, and took some time to be.
        let _over = entrance.wait();
        let (answer, looking) = match (answer, looking) {
            (Ok(answer), Ok(looking)) => (answer, looking),
            (Err(error), _) | (_, Err(error)) => return unfit(error),
        };
        Ok(match answer {
            (FromInside::Built, terminal) => {
                let (terminal, before) = (terminal.into_iter().next(), OnceLock::new());
                Ok(Self { channel, first, terminal, work, looking, before })
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
    ) -> Result<Opened, Failure> {
        let lendable = self.work.roots().cloned().collect();
        let asked = ToInside::Open(Open { ports, files, trusted_at, lendable });
        match self.ask(&asked)? {
            (FromInside::Opened(openings), made) if openings.len() == made.len() => {
                sorted(openings.into_iter().zip(made))
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
        if self.looking.is_none() {
            return (Vec::new(), true);
        }
        let (now, before) = (Executed::of(&self.work.directory, &self.work.git), self.before());
        self.take_away(&now);
        (now.since(before), now.is_whole && before.is_whole)
    }

    /// What there was. Where it was not looked to the end, nothing: then all there is counts as
    /// new.
    fn before(&self) -> &Executed {
        self.before.get_or_init(|| {
            let looking = self.looking.as_ref().and_then(|looking| looking.lock().ok()?.take());
            looking.and_then(|looking| looking.join().ok()).unwrap_or_default()
        })
    }

    // A repository's `commondir` says where its configuration and hooks lie
    // (gitrepository-layout(5)). The main one has none, and a shell whose prompt asks git would
    // follow it at once.
    fn take_away(&self, now: &Executed) {
        for planted in self.work.git.iter().map(|git| git.join("commondir")) {
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
        &self.work.directory
    }

    /// What the run works on.
    pub(crate) fn work(&self) -> &Work {
        &self.work
    }

    /// Puts all that is inside into a cgroup of the run's own, where one can be made.
    pub(crate) fn leaf(&self, run: &str) -> Option<Leaf> {
        Leaf::around(run, &self.first)
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

fn sorted(made: impl Iterator<Item = (Opening, OwnedFd)>) -> Result<Opened, Failure> {
    let (mut doors, mut launch, mut lender) = (Vec::new(), None, None);
    for (opening, made) in made {
        match opening {
            Opening::Door(kind) => doors.push((kind, made)),
            Opening::Launch => launch = Some(UnixListener::from(made)),
            Opening::Lender => lender = Some(Channel::of(made)),
        }
    }
    let (Some(launch), Some(lender)) = (launch, lender) else {
        return Err(Failure::new(Exit::Failed, "the inside of the run opened too little"));
    };
    let bounded = lender.stream().set_read_timeout(Some(STEP));
    bounded.and_then(|()| launch.set_nonblocking(true)).map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot use what the run's inside opened: {error}"))
    })?;
    Ok(Opened { doors, launch, lender: Lender(Mutex::new(lender)) })
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
fn enter() -> io::Result<Result<(Channel, First, Apart), Unfit>> {
    let (ours, theirs) = Channel::pair()?;
    ours.stream().set_read_timeout(Some(STEP))?;
    let mut command = Part::Enter.command();
    // What it has to say comes over the channel.
    command.env_clear().stdin(Stdio::from(OwnedFd::from(theirs.into_stream())));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut entrance = Apart::start(&mut command)?;
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

/// The standard streams of a run, and what it is lent.
struct Streams {
    /// Those that are passed on; a terminal of the run's own stands for the others.
    passed: [Option<OwnedFd>; 3],
    lent: Vec<OwnedFd>,
    /// How large that terminal is.
    size: Option<(u16, u16)>,
}

impl Streams {
    /// This process's own: a terminal stays outside, all else is passed on.
    fn ours() -> io::Result<Self> {
        let streams = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
        let size = streams.iter().find_map(|stream| rustix::termios::tcgetwinsize(stream).ok());
        let size = size.map(|size| (size.ws_row, size.ws_col));
        let mut passed = [None, None, None];
        for (passed, stream) in passed.iter_mut().zip(streams) {
            if !isatty(stream) {
                *passed = Some(stream.try_clone_to_owned()?);
            }
        }
        Ok(Self { passed, lent: Vec::new(), size })
    }

    /// Refuses a directory in the place of a standard stream: it would lead to everything below it.
    fn must_be_streams(&self) -> Result<(), Failure> {
        let is_directory = |stream: &OwnedFd| {
            rustix::fs::fstat(stream)
                .is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Directory)
        };
        if self.passed.iter().flatten().any(is_directory) {
            let message = "a standard stream is a directory, which a run could look into";
            return Err(
                Failure::new(Exit::Usage, message).hint("give it a file, a pipe or a terminal")
            );
        }
        Ok(())
    }
}

/// Looks at what would be executed, beside whatever else is done.
fn look(work: &Work) -> io::Result<Mutex<Option<JoinHandle<Executed>>>> {
    let (directory, git) = (work.directory.clone(), work.git.clone());
    let looking = Builder::new().name("before".to_owned());
    let looking = looking.spawn(move || Executed::of(&directory, &git))?;
    Ok(Mutex::new(Some(looking)))
}

/// Has it build what is seen, and passes it its streams and what it is lent.
fn furnish(
    channel: &Channel,
    sights: Vec<Sight>,
    streams: Streams,
) -> io::Result<(FromInside, Vec<OwnedFd>)> {
    let Streams { passed, lent, size } = streams;
    let terminals = passed.each_ref().map(Option::is_none);
    let descriptors: Vec<BorrowedFd<'_>> =
        passed.iter().flatten().chain(&lent).map(AsFd::as_fd).collect();
    channel.send(&ToInside::Build(Build { sights, terminals, size }), &descriptors)?;
    channel.receive()
}
