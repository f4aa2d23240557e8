//! Starting the first process inside, beside whatever else is done.

use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use super::channel::Channel;
use super::first::First;
use super::inside::Part;
use super::message::FromInside;
use super::stage::{Unfit, not_begun};
use crate::launch::children::Apart;

/// How long a step inside may take.
pub(super) const STEP: Duration = Duration::from_secs(20);

/// The process that makes the namespaces, on its way.
///
/// Dropping it gives up what it makes: the first process inside ends with the channel to it.
pub(super) struct Entrance {
    channel: Channel,
    process: Apart,
}

/// The first process inside, and the channel to it.
pub(super) struct Entered {
    pub(super) channel: Channel,
    pub(super) first: First,
    /// Who started it: over by then, which takes the kernel a moment to say.
    pub(super) entrance: Apart,
}

impl Entrance {
    /// Starts it.
    pub(super) fn begin() -> io::Result<Self> {
        let (channel, theirs) = Channel::pair()?;
        channel.stream().set_read_timeout(Some(STEP))?;
        let mut command = Part::Enter.command();
        // What it has to say comes over the channel.
        command.env_clear().stdin(Stdio::from(OwnedFd::from(theirs.into_stream())));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let process = Apart::start(&mut command)?;
        // Our copy of their end is gone with the command, so that theirs is the last.
        Ok(Self { channel, process })
    }

    /// Waits until the first process is inside.
    pub(super) fn entered(mut self) -> Result<Entered, Unfit> {
        let failed = |error: io::Error| not_begun(&error);
        let said = self.channel.receive::<FromInside>();
        if let Ok((FromInside::Entered(number), _)) = said {
            let first = First::new(number).map_err(failed)?;
            return Ok(Entered { channel: self.channel, first, entrance: self.process });
        }
        let status = self.end().map_err(failed)?;
        Err(match said {
            Ok((FromInside::Failed { step, why, .. }, _)) => Unfit { step, why },
            Ok((other, _)) => failed(io::Error::other(format!("it said {other:?}"))),
            Err(error) => failed(io::Error::other(format!("{error}; it ended: {status}"))),
        })
    }

    /// Gives up what it makes, and takes leave of it.
    pub(super) fn give_up(mut self) {
        let _over = self.end();
    }

    fn end(&mut self) -> io::Result<ExitStatus> {
        let _gone = self.channel.stream().shutdown(Shutdown::Both);
        self.process.wait()
    }
}
