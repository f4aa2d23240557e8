//! `marque-init`: the first process inside, and the last.
//!
//! It keeps its powers over the run's namespaces and is under no filter, so nothing inside may read
//! or trace it. When the launcher is gone, so is it, and the kernel ends whatever is left.

use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, umask};

use super::super::channel::{Channel, receive};
use super::super::message::{FromInside, Open, Opening, ToInside};
use super::super::places;
use super::command::{Running, Streams};
use super::lender::Lender;
use super::root::Watch;
use super::tree::{self, News};
use super::{During as _, Trouble, listeners, network, root};
use crate::launch::Laid;

/// What the first process knows by now.
enum Life {
    Empty,
    Built(Streams, Mode, Kept),
    Running(Running, Kept),
}

/// What it does besides, as long as anything runs.
struct Kept {
    watch: Watch,
    lender: Option<Lender>,
    /// What must stay locked, or everything ends: what a run that may make user namespaces could
    /// unlock.
    pinned: Vec<PathBuf>,
}

impl Life {
    fn kept(&self) -> Option<&Kept> {
        match self {
            Self::Empty => None,
            Self::Built(.., kept) | Self::Running(.., kept) => Some(kept),
        }
    }

    fn watch(&self) -> Option<&Watch> {
        self.kept().map(|kept| &kept.watch)
    }

    fn lender(&self) -> Option<&Lender> {
        self.kept().and_then(|kept| kept.lender.as_ref())
    }
}

/// How long to wait before what could not be locked is tried again.
const LOOK_AGAIN_MILLIS: u8 = 20;
/// How often what must stay locked is looked at: the kernel tells of a mount that went, and not of
/// one that was moved with the directory it is on.
const LOOK_AFTER_MILLIS: u8 = 50;

/// What this process makes is for others to read.
const PUBLIC: Mode = Mode::from_raw_mode(0o022);

pub(super) fn init() -> ExitCode {
    let Ok((channel, children)) = begin() else { return ExitCode::FAILURE };
    let mut life = Life::Empty;
    let mut is_locked = true;
    loop {
        while let Some(news) = tree::news() {
            if let Some(code) = heed(&channel, &life, &news) {
                return end(&channel, code);
            }
        }
        let mut ready = vec![
            PollFd::new(channel.stream().as_fd(), PollFlags::POLLIN),
            PollFd::new(children.as_fd(), PollFlags::POLLIN),
        ];
        ready.extend(life.watch().map(|watch| PollFd::new(watch.as_fd(), PollFlags::POLLPRI)));
        let lender = life.lender();
        ready.extend(lender.map(|lender| PollFd::new(lender.as_fd(), PollFlags::POLLIN)));
        let pinned = life.kept().map_or(&[][..], |kept| &kept.pinned);
        let until = match (is_locked, pinned) {
            (false, _) => LOOK_AGAIN_MILLIS.into(),
            (true, []) => PollTimeout::NONE,
            (true, _) => LOOK_AFTER_MILLIS.into(),
        };
        if poll(&mut ready, until).is_err() {
            continue;
        }
        // ORDER: before anything is locked again, which could be what took its place.
        if let Some(lost) = Watch::lost(pinned) {
            let _told = channel.send(&FromInside::Unlocked(lost.clone()), &[]);
            return ExitCode::FAILURE;
        }
        let has = |at: usize| ready.get(at).and_then(PollFd::any).unwrap_or(false);
        if let Some(watch) = life.watch().filter(|_| has(2) || !is_locked) {
            is_locked = watch.lock_again();
        }
        if has(1) {
            let _told = children.read_signal();
        }
        let (is_told, is_asked) = (has(0), has(3));
        if let Some(lender) = lender.filter(|_| is_asked) {
            lender.answer();
        }
        if !is_told {
            continue;
        }
        life = match next(&channel, life) {
            Ok(Some(life)) => life,
            // The launcher is gone.
            Ok(None) => return ExitCode::FAILURE,
            Err(Trouble { step, why, code }) => {
                let _told = channel.send(&FromInside::Failed { step, why, code }, &[]);
                return ExitCode::FAILURE;
            }
        };
    }
}

fn begin() -> io::Result<(Channel, SignalFd)> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    rustix::thread::set_name(c"marque-init")?;
    let channel = Channel::of(io::stdin().as_fd().try_clone_to_owned()?);
    let nothing = std::fs::File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    // A session of its own: the human's terminal is out of reach.
    rustix::process::setsid()?;
    let mut heard = SigSet::empty();
    heard.add(Signal::SIGCHLD);
    let mut blocked = heard;
    // It hands the terminal to others from the background.
    blocked.add(Signal::SIGTTOU);
    blocked.thread_block()?;
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    Ok((channel, SignalFd::with_flags(&heard, flags)?))
}

/// What one message makes of it; none once nobody speaks any more.
fn next(channel: &Channel, life: Life) -> Result<Option<Life>, Trouble> {
    let Ok((message, descriptors)) = channel.receive::<ToInside>() else { return Ok(None) };
    let told = |message: FromInside| channel.send(&message, &[]).during("answer the launcher");
    Ok(Some(match (message, life) {
        (ToInside::Build(build), Life::Empty) => {
            let theirs = umask(PUBLIC);
            network::capture_everything().during("make the run's network")?;
            let passed = build.terminals.iter().filter(|is_terminal| !**is_terminal).count();
            let mut descriptors = descriptors.into_iter();
            let passed = descriptors.by_ref().take(passed).collect();
            root::build(&build.sights, descriptors)?;
            let watch = Watch::over(&build.sights).during("watch over the mounts")?;
            let (streams, terminal) = Streams::new(build.terminals, build.size, passed)?;
            let terminal: Vec<_> = terminal.iter().map(std::os::fd::AsFd::as_fd).collect();
            channel.send(&FromInside::Built, &terminal).during("answer the launcher")?;
            Life::Built(streams, theirs, Kept { watch, lender: None, pinned: Vec::new() })
        }
        (ToInside::Open(open), Life::Built(streams, theirs, kept)) if kept.lender.is_none() => {
            let lender = Some(open_doors(channel, open)?);
            Life::Built(streams, theirs, Kept { lender, ..kept })
        }
        (ToInside::Start(start), Life::Built(streams, theirs, mut kept)) => {
            umask(theirs);
            if start.user_namespaces {
                kept.pinned = kept.watch.held().during("see what is locked")?;
            }
            let running = Running::start(start, streams)?;
            told(FromInside::Started)?;
            Life::Running(running, kept)
        }
        (ToInside::Signal(signal), Life::Running(running, kept)) => {
            running.tell(signal);
            Life::Running(running, kept)
        }
        (ToInside::Resume, Life::Running(running, kept)) => {
            running.resume();
            Life::Running(running, kept)
        }
        (_, life) => life,
    }))
}

fn open_doors(channel: &Channel, open: Open) -> Result<Lender, Trouble> {
    let own = Path::new(places::OWN);
    let (bundle, _) = receive(channel.stream()).during("receive the run's certificates")?;
    lay(Path::new(places::BUNDLE), &bundle, 0o644).during("write the run's certificates")?;
    for Laid { path, text, mode } in &open.files {
        lay(&own.join(path), text.as_bytes(), *mode)
            .during(format!("write `{}`", path.display()))?;
    }
    let doors = listeners::doors(&open.ports, Path::new(places::CONTROL));
    let doors = doors.during("open the run's listeners")?;
    let launch = UnixListener::bind(places::LAUNCHER).during("open the launcher's socket")?;
    let (lender, theirs) = Lender::new(&open.lendable).during("prepare to lend directories")?;
    root::seal(own)?;
    for at in open.trusted_at.iter().filter(|at| at.is_file()) {
        root::cover(at, Path::new(places::BUNDLE))?;
    }
    let mut opened: Vec<_> =
        doors.iter().map(|(kind, door)| (Opening::Door(*kind), door.as_fd())).collect();
    opened.push((Opening::Launch, launch.as_fd()));
    opened.push((Opening::Lender, theirs.stream().as_fd()));
    let (openings, descriptors): (Vec<_>, Vec<_>) = opened.into_iter().unzip();
    channel.send(&FromInside::Opened(openings), &descriptors).during("hand the listeners out")?;
    Ok(lender)
}

fn lay(at: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    if let Some(parent) = at.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(at, text)?;
    std::fs::set_permissions(at, std::fs::Permissions::from_mode(mode))
}

/// The code of the command, if it has ended.
fn heed(channel: &Channel, life: &Life, news: &News) -> Option<u8> {
    let Life::Running(running, _) = life else { return None };
    match news {
        News::Ended(pid, code) if *pid == running.main => Some(*code),
        News::Stopped(pid) if *pid == running.main => {
            let _told = channel.send(&FromInside::Stopped, &[]);
            None
        }
        News::Ended(..) | News::Stopped(_) => None,
    }
}

fn end(channel: &Channel, code: u8) -> ExitCode {
    // Where something is left the launcher waits for the kernel, which ends it with this process.
    if tree::end_all() {
        let _told = channel.send(&FromInside::Ended { code }, &[]);
    }
    ExitCode::SUCCESS
}
