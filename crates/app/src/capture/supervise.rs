//! A captured command from its start to its end.
//!
//! The run ends with its command; the command ends with its run, and everything inside with it,
//! for the kernel ends what the first process inside leaves behind.

use std::io;
use std::pin::Pin;

use marque_plane::view::EndedView;
use rustix::process::Signal;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::channel::Channel;
use super::message::{FromInside, ToInside};
use super::stage::Stage;
use super::terminal::Relay;
use crate::client::Unheld;
use crate::exit::{Exit, Failure};
use crate::launch::children;
use crate::launch::supervise::{CUT, Cause, Ended, PATIENCE, Signals};

/// Most bytes of what is said while the command runs.
const WORD_MAX_BYTES: usize = 64 * 1024;

/// What is to be done beside a command.
pub(crate) struct Beside<'a> {
    /// Ends once `over` is said, and not before; whether no process of it is left.
    pub(crate) work: Pin<&'a mut dyn Future<Output = bool>>,
    /// That the command has ended.
    pub(crate) over: CancellationToken,
}

/// The signals that are passed on to a command.
enum Heard {
    /// This process's.
    Own(Signals),
    /// Those of whoever asked for the run.
    Asker(mpsc::Receiver<Signal>),
}

impl Heard {
    /// The next one; none if some child of this process ended.
    async fn next(&mut self) -> Option<Signal> {
        match self {
            Self::Own(signals) => signals.next().await,
            Self::Asker(signals) => match signals.recv().await {
                Some(signal) => Some(signal),
                None => std::future::pending().await,
            },
        }
    }
}

/// Waits for a started command, until it ends or `hold` says that its run is closed. Signals are
/// those of `asker`, or this process's own.
pub(crate) async fn supervise(
    stage: &Stage,
    asker: Option<mpsc::Receiver<Signal>>,
    beside: Beside<'_>,
    hold: Pin<&mut impl Future<Output = Result<EndedView, Unheld>>>,
) -> Result<Ended, Failure> {
    let failed = |what: &str, error: &io::Error| {
        Failure::new(Exit::Failed, format!("cannot {what}: {error}"))
    };
    let (channel, terminal) =
        stage.split().map_err(|error| failed("reach the inside of the run", &error))?;
    let relay = terminal.map(Relay::begin).transpose();
    let relay = relay.map_err(|error| failed("pass the terminal on", &error))?;
    let mut signals = match asker {
        Some(asker) => Heard::Asker(asker),
        None => Heard::Own(
            Signals::listen(false).map_err(|error| failed("listen for signals", &error))?,
        ),
    };
    let inside = Inside::new(channel).map_err(|error| failed("hear the inside", &error))?;
    let Beside { mut work, over } = beside;
    let mut early = None;
    let (code, cause) = {
        let mut waiting = std::pin::pin!(inside.wait(&mut signals, relay.as_ref(), hold));
        loop {
            tokio::select! {
                biased;
                ended = &mut waiting => break ended,
                is_clean = &mut work, if early.is_none() => early = Some(is_clean),
            }
        }
    };
    over.cancel();
    // ORDER: whoever writes to the run's terminal is gone before its last bytes are waited for; a
    // child run may have it as its output. The first process says so once nobody else is left, and
    // the kernel then takes milliseconds to clear its mounts away, for which nobody waits.
    let is_gone = code.is_some() || stage.first().is_gone().await;
    let are_gone = match early {
        Some(is_clean) => is_clean,
        None => work.await,
    };
    let is_clean = is_gone && are_gone;
    if let Some(relay) = relay {
        relay.finish();
    }
    let code = match (&cause, code) {
        (Cause::Itself, Some(code)) => code,
        _ => CUT,
    };
    Ok(Ended { code, cause, is_clean })
}

struct Inside {
    channel: Channel,
    reader: OwnedReadHalf,
}

impl Inside {
    fn new(channel: Channel) -> io::Result<Self> {
        let stream = channel.stream().try_clone()?;
        stream.set_nonblocking(true)?;
        let (reader, writer) = UnixStream::from_std(stream)?.into_split();
        // What is said goes over `channel`.
        writer.forget();
        Ok(Self { channel, reader })
    }

    /// The command's code, if it had one, and why it ended.
    async fn wait(
        self,
        signals: &mut Heard,
        relay: Option<&Relay>,
        mut hold: Pin<&mut impl Future<Output = Result<EndedView, Unheld>>>,
    ) -> (Option<u8>, Cause) {
        let Self { channel, reader } = self;
        let say = |message: ToInside| {
            let _gone = channel.send(&message, &[]);
        };
        let mut word = Box::pin(next(reader));
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
                (said, reader) = &mut word => match said {
                    Some(FromInside::Ended { code }) => return (Some(code), cause),
                    Some(FromInside::Stopped) => {
                        if let Some(relay) = relay {
                            relay.stop_with_it();
                        }
                        say(ToInside::Resume);
                        word = Box::pin(next(reader));
                    }
                    Some(FromInside::Unlocked(path)) => return (None, Cause::Unlocked(path)),
                    Some(_) => word = Box::pin(next(reader)),
                    // Whoever is inside was ended by force.
                    None => return (None, cause),
                },
                ended = hold.as_mut(), if deadline.is_none() => {
                    cause = match ended {
                        Ok(ended) => Cause::Closed(Box::new(ended)),
                        Err(why) => Cause::Lost(why.into()),
                    };
                    say(ToInside::Signal(Signal::TERM.as_raw()));
                    deadline = Some(Instant::now() + PATIENCE);
                }
                // The first process inside ends with the channel, and the kernel ends the rest.
                () = insist => {
                    let _gone = channel.stream().shutdown(std::net::Shutdown::Both);
                    return (None, cause);
                }
                passed = signals.next() => match passed {
                    Some(Signal::WINCH) => if let Some(relay) = relay { relay.resize() },
                    Some(passed) => say(ToInside::Signal(passed.as_raw())),
                    None => children::reap(None),
                },
            }
        }
    }
}

/// What is said next, and the reader again; none once nobody is there.
async fn next(mut reader: OwnedReadHalf) -> (Option<FromInside>, OwnedReadHalf) {
    let said = async {
        let length = usize::try_from(reader.read_u32().await?).map_err(io::Error::other)?;
        if length > WORD_MAX_BYTES {
            return Err(io::Error::other("too long"));
        }
        let mut bytes = vec![0; length];
        reader.read_exact(&mut bytes).await?;
        serde_json::from_slice(&bytes).map_err(io::Error::other)
    };
    let said = said.await.ok();
    (said, reader)
}
