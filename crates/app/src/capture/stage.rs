//! The inside of a run, seen from outside: made, furnished, and started.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use marque_plane::DoorKind;
use rustix::fs::FileType;
use rustix::termios::isatty;

use super::awaited::Awaited;
use super::channel::{Channel, send};
use super::entrance::{Entered, Entrance, STEP};
use super::executed::Executed;
use super::first::First;
use super::leaf::Leaf;
use super::message::{Build, FromInside, Lending, Open, Opening, Sight, Start, ToInside};
use super::view::{Unreadable, View, Wanted, Work, view};
use crate::exit::{Exit, Failure};
use crate::launch::Laid;

/// Why nothing can be captured here.
#[derive(Debug)]
pub(crate) struct Unfit {
    /// What was being done.
    pub(crate) step: String,
    /// What the kernel said.
    pub(crate) why: String,
}

/// What was built; or why it cannot be here; or what is wrong with what was asked.
pub(crate) type Building<T> = Result<Result<T, Unfit>, Failure>;

/// The inside of a run. Dropping it ends whatever is inside.
pub(crate) struct Stage {
    channel: Channel,
    first: First,
    terminal: Option<OwnedFd>,
    work: Work,
    /// A cgroup of the run's own, where one can be made.
    leaf: Awaited<Option<Leaf>>,
    /// What a human would execute, before anything could change it; nothing for a run below another
    /// one.
    before: Option<Awaited<Executed>>,
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
    pub(crate) fn build(wanted: &Wanted) -> Building<Self> {
        let unreadable = Unreadable::begin();
        Self::make(|| {
            let view = view(wanted, None, &unreadable)?;
            // Before the command starts, which is soon enough.
            let before = look(&view.work);
            let streams = Streams::ours().and_then(|streams| Ok((streams, Some(before?))));
            Decided::of(view, streams)
        })
    }

    /// The same for a run below another one, inside what that one sees.
    pub(crate) fn build_below(wanted: &Wanted, below: Below<'_>) -> Building<Self> {
        let unreadable = Unreadable::begin();
        Self::make(|| {
            let view = view(wanted, Some(below.work), &unreadable)?;
            let lent = below.lender.lend().map_err(|error| {
                let message = format!("the directories of the run above cannot be lent: {error}");
                Failure::new(Exit::Failed, message)
            })?;
            let streams = Streams { passed: below.streams.map(Some), lent, size: None };
            // What it writes is told at the end of the run above. Processes of that one could have
            // us look anywhere meanwhile, and tell them of it.
            Decided::of(view, Ok((streams, None)))
        })
    }

    fn make(decide: impl FnOnce() -> Building<Decided>) -> Building<Self> {
        let entrance = match Entrance::begin() {
            Ok(entrance) => entrance,
            Err(error) => return Ok(Err(not_begun(&error))),
        };
        // The namespaces are made meanwhile.
        match decide() {
            Ok(Ok(decided)) => Ok(Self::within(entrance, decided)),
            Ok(Err(unfit)) => {
                entrance.give_up();
                Ok(Err(unfit))
            }
            Err(failure) => {
                entrance.give_up();
                Err(failure)
            }
        }
    }

    fn within(entrance: Entrance, decided: Decided) -> Result<Self, Unfit> {
        let Decided { view: View { sights, work }, streams, before } = decided;
        let Entered { channel, first, mut entrance } = entrance.entered()?;
        let leaf = Leaf::around(&first);
        let answer = furnish(&channel, sights, streams);
        let _over = entrance.wait();
        let leaf = leaf.map_err(|error| not_begun(&error))?;
        match answer.map_err(|error| not_begun(&error))? {
            (FromInside::Built, terminal) => {
                let terminal = terminal.into_iter().next();
                Ok(Self { channel, first, terminal, work, leaf, before })
            }
            (FromInside::Failed { step, why, .. }, _) => Err(Unfit { step, why }),
            (other, _) => Err(Unfit { step: "build".to_owned(), why: format!("{other:?}") }),
        }
    }

    /// Says whose inside it is, to whoever looks from outside.
    pub(crate) fn is_of(&self, run: &str) {
        if let Some(leaf) = self.leaf.get() {
            leaf.is_of(run);
        }
    }

    /// Opens its listeners and lays the run's files, the certificates it trusts among them.
    pub(crate) fn open(
        &self,
        ports: Vec<u16>,
        files: Vec<Laid>,
        (bundle, trusted_at): (&str, Vec<PathBuf>),
    ) -> Result<Opened, Failure> {
        let lendable = self.work.roots().cloned().collect();
        let asked = ToInside::Open(Open { ports, files, trusted_at, lendable });
        let sent = self.channel.send(&asked, &[]);
        let sent = sent.and_then(|()| send(self.channel.stream(), bundle.as_bytes(), &[]));
        match sent.and_then(|()| self.channel.receive()).map_err(|error| gone(&error))? {
            (FromInside::Opened(openings), made) if openings.len() == made.len() => {
                sorted(openings.into_iter().zip(made))
            }
            (other, _) => Err(failed(other)),
        }
    }

    /// Starts the command.
    pub(crate) fn start(&self, start: Start) -> Result<(), Failure> {
        // ORDER: what is there is known before anything of the run can change it, and whatever it
        // starts is born where its first process is.
        self.before();
        self.leaf.get();
        match self.ask(&ToInside::Start(start))? {
            (FromInside::Started, _) => Ok(()),
            (other, _) => Err(failed(other)),
        }
    }

    /// What is new or changed that a human's tools would execute, and whether all was looked at.
    pub(crate) fn executed_since(&self) -> (Vec<PathBuf>, bool) {
        let Some(before) = self.before() else { return (Vec::new(), true) };
        let now = Executed::of(&self.work.directory, &self.work.git);
        self.take_away(before, &now);
        (now.since(before), now.is_whole && before.is_whole)
    }

    /// What there was. Where it was not looked to the end, nothing: then all there is counts as
    /// new.
    fn before(&self) -> Option<&Executed> {
        self.before.as_ref().map(Awaited::get)
    }

    // A repository's `commondir` says where its configuration and hooks lie
    // (gitrepository-layout(5)). The main one has none, and a shell whose prompt asks git would
    // follow it at once.
    fn take_away(&self, before: &Executed, now: &Executed) {
        for planted in self.work.git.iter().map(|git| git.join("commondir")) {
            if now.has(&planted) && !before.has(&planted) {
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
        exchanged.map_err(|error| gone(&error))
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

fn gone(error: &io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("the inside of the run is gone: {error}"))
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

/// What is decided before anything is built.
struct Decided {
    view: View,
    streams: Streams,
    /// What is looked at meanwhile.
    before: Option<Awaited<Executed>>,
}

impl Decided {
    fn of(view: View, with: io::Result<(Streams, Option<Awaited<Executed>>)>) -> Building<Self> {
        let (streams, before) = match with {
            Ok(with) => with,
            Err(error) => return Ok(Err(not_begun(&error))),
        };
        streams.must_be_streams()?;
        Ok(Ok(Self { view, streams, before }))
    }
}

pub(super) fn not_begun(error: &io::Error) -> Unfit {
    Unfit { step: "start the first process inside".to_owned(), why: error.to_string() }
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
fn look(work: &Work) -> io::Result<Awaited<Executed>> {
    let (directory, git) = (work.directory.clone(), work.git.clone());
    Awaited::begin("before", move || Executed::of(&directory, &git))
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
