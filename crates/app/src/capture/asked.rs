//! How a process inside a captured run asks the launcher outside for a child run.
//!
//! Whoever asks is not trusted: what they send is bounded in bytes, descriptors and time, and what
//! they hand over as standard streams must be able to be nothing else.

use std::ffi::OsString;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Waiting;
use std::path::PathBuf;
use std::time::Duration;

use marque_plane::spec::RunSpec;
use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, Interest};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::channel::send;
use super::view::Home;
use crate::exit::{Exit, Failure};

/// Most bytes of what is asked.
const ASKED_MAX_BYTES: usize = 4 * 1024 * 1024;
/// Most bytes of one thing that is told.
const TOLD_MAX_BYTES: usize = 256 * 1024;
/// How long either may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long an asker waits until the launcher takes what it asks.
const TURN: Duration = Duration::from_secs(20);
/// Most paths that are hidden besides.
const HIDDEN_MAX: usize = 256;
const LENGTH_BYTES: usize = 4;
const STREAMS: usize = 3;

/// What is asked for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// The run.
    pub(crate) spec: RunSpec,
    /// The command.
    pub(crate) words: Vec<OsString>,
    /// The variables it may have of whoever asks.
    pub(crate) variables: Vec<(OsString, OsString)>,
    /// Names of variables that are passed on besides.
    pub(crate) also: Vec<String>,
    /// Where it begins.
    pub(crate) directory: PathBuf,
    /// How much of home it sees, at most.
    pub(crate) home: Home,
    /// What it does not see besides.
    pub(crate) hide: Vec<PathBuf>,
    /// Whether it commits as its own.
    pub(crate) has_git: bool,
    /// Whether it has a key of its own for tokens.
    pub(crate) has_token_key: bool,
    /// Whether what is told about the run is JSON.
    pub(crate) is_json: bool,
}

/// What whoever asked is told.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Told {
    /// A remark.
    Remark(String),
    /// Something they should know.
    Warning(String),
    /// It came to nothing, or something failed beside it.
    Failed {
        /// The code to end with.
        exit: u8,
        /// What and why.
        message: String,
        /// What to do next.
        hint: Option<String>,
        /// What it is about.
        reference: Option<String>,
    },
    /// The command has ended, with this code.
    Ended(u8),
}

impl From<&Failure> for Told {
    fn from(failure: &Failure) -> Self {
        let Failure { exit, message, hint, reference } = failure.clone();
        Self::Failed { exit: exit.code(), message, hint, reference }
    }
}

/// Asks, with the standard streams of the command.
pub(crate) fn ask(stream: UnixStream, asked: &Asked) -> Result<UnixStream, Failure> {
    let asked = serde_json::to_vec(asked)
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot ask for a run: {error}")))?;
    if asked.len() > ASKED_MAX_BYTES {
        let message = "the command and its variables are too long for a child run";
        return Err(Failure::new(Exit::Usage, message).hint("pass long arguments in a file"));
    }
    let sent = || {
        let stream = stream.into_std()?;
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(TURN))?;
        let streams = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
        match send(&stream, &asked, &streams) {
            // Whoever refuses without listening has said why before.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            sent => sent?,
        }
        stream.set_nonblocking(true)?;
        UnixStream::from_std(stream)
    };
    sent().map_err(|error: io::Error| gone(&error))
}

/// That the launcher does not answer.
pub(crate) fn gone(error: &io::Error) -> Failure {
    Failure::new(Exit::Unavailable, format!("the launcher of this run does not answer: {error}"))
        .hint("a run ends with its launcher; start it again outside")
}

/// Reads what is asked, and the streams.
pub(crate) async fn hear(stream: &mut UnixStream) -> Result<(Asked, [OwnedFd; STREAMS]), Failure> {
    let wrong = |why: String| {
        Failure::new(Exit::Usage, format!("a child run was not asked for as it should: {why}"))
    };
    let heard = timeout(DEADLINE, async {
        let came = stream.async_io(Interest::READABLE, || first(stream));
        let (length, streams) = came.await?;
        let bytes = rest(stream, length, ASKED_MAX_BYTES).await?;
        let asked: Asked = serde_json::from_slice(&bytes)?;
        io::Result::Ok((asked, streams))
    });
    let heard = heard.await.map_err(|_| wrong("it took too long".to_owned()))?;
    let (asked, streams) = heard.map_err(|error| wrong(error.to_string()))?;
    if asked.words.is_empty() || asked.hide.len() > HIDDEN_MAX {
        return Err(wrong("there is no command, or too much to hide".to_owned()));
    }
    let streams: [OwnedFd; STREAMS] =
        streams.try_into().map_err(|_| wrong("three streams come with it".to_owned()))?;
    for stream in &streams {
        judge(stream).map_err(|error| wrong(format!("a standard stream of it is {error}")))?;
    }
    Ok((asked, streams))
}

/// The length, and what came with it.
fn first(stream: &UnixStream) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(STREAMS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let mut length = [0; LENGTH_BYTES];
    let came = recvmsg(stream, &mut [IoSliceMut::new(&mut length)], &mut control, flags)?;
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    if came.bytes != LENGTH_BYTES || came.flags.contains(ReturnFlags::CTRUNC) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let length = usize::try_from(u32::from_be_bytes(length)).map_err(io::Error::other)?;
    Ok((length, descriptors))
}

async fn rest(
    stream: &mut (impl AsyncRead + Unpin),
    length: usize,
    most: usize,
) -> io::Result<Vec<u8>> {
    if length > most {
        return Err(io::Error::other("it is too long"));
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(length).map_err(io::Error::other)?;
    if stream.take(limit).read_to_end(&mut bytes).await? < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

/// A stream that leads nowhere but to bytes: a directory would open what the run above sees, a
/// connection would speak as that run.
fn judge(stream: &OwnedFd) -> io::Result<()> {
    if fcntl_getfl(stream)?.contains(OFlags::PATH) {
        return Err(io::Error::other("a path and not open"));
    }
    match FileType::from_raw_mode(fstat(stream)?.st_mode) {
        FileType::RegularFile | FileType::Fifo | FileType::CharacterDevice => Ok(()),
        FileType::Socket => {
            // Of a pair, as some programs make instead of pipes.
            let socket = Waiting::from(stream.try_clone()?);
            let is_pair = socket.peer_addr().is_ok_and(|peer| peer.is_unnamed())
                && socket.local_addr().is_ok_and(|own| own.is_unnamed());
            if is_pair { Ok(()) } else { Err(io::Error::other("a connection")) }
        }
        _ => Err(io::Error::other("neither a file, a pipe nor a terminal")),
    }
}

/// Tells one thing, within a deadline.
pub(crate) async fn tell(stream: &mut (impl AsyncWrite + Unpin), told: &Told) -> io::Result<()> {
    let framed = framed(told)?;
    timeout(DEADLINE, stream.write_all(&framed)).await?
}

/// Tells one thing if there is room for it at once.
pub(crate) fn tell_now(stream: &UnixStream, told: &Told) {
    if let Ok(framed) = framed(told) {
        let _told = stream.try_write(&framed);
    }
}

fn framed(told: &Told) -> io::Result<Vec<u8>> {
    let bytes = serde_json::to_vec(told)?;
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    Ok([&length.to_be_bytes()[..], &bytes].concat())
}

/// The next thing that is told.
pub(crate) async fn told<T: DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
) -> io::Result<T> {
    let length = usize::try_from(stream.read_u32().await?).map_err(io::Error::other)?;
    let bytes = rest(stream, length, TOLD_MAX_BYTES).await?;
    Ok(serde_json::from_slice(&bytes)?)
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::judge;

    #[test]
    fn a_standard_stream_is_nothing_that_leads_further() {
        let dir = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(dir.path().join("a")).unwrap();
        let (pipe, _other) = rustix::pipe::pipe().unwrap();
        let (pair, _kept) = UnixStream::pair().unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        for fine in [file.into(), pipe, pair.into(), null.into()] {
            judge(&fine).unwrap();
        }
        let listener = UnixListener::bind(dir.path().join("b")).unwrap();
        let connected = UnixStream::connect(dir.path().join("b")).unwrap();
        let directory: OwnedFd = std::fs::File::open(dir.path()).unwrap().into();
        let flags = rustix::fs::OFlags::PATH;
        let path =
            rustix::fs::open(dir.path().join("a"), flags, rustix::fs::Mode::empty()).unwrap();
        let network = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        for wrong in [listener.into(), connected.into(), directory, path, network.into()] {
            assert!(judge(&wrong).is_err(), "{wrong:?}");
        }
    }
}
