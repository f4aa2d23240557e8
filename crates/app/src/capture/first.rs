//! The first process inside, as the launcher holds it: by a handle, and its child.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};
use tokio_util::task::TaskTracker;

/// How long it may take to end, once nobody speaks to it, and again once it was killed.
const PATIENCE: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

/// A process; no handle, if it was gone before it could be held.
pub(super) struct First {
    number: i32,
    handle: Option<OwnedFd>,
}

impl First {
    /// The one of that number: a child of this process, which alone takes leave of it.
    pub(super) fn new(number: i32) -> io::Result<Self> {
        let pid = Pid::from_raw(number).ok_or_else(|| io::Error::other("it has no number"))?;
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) => Ok(Self { number, handle: Some(handle) }),
            Err(Errno::SRCH) => Ok(Self { number, handle: None }),
            Err(error) => Err(error.into()),
        }
    }

    /// Another hold on it.
    pub(super) fn again(&self) -> io::Result<Self> {
        let handle = self.handle.as_ref().map(OwnedFd::try_clone).transpose()?;
        Ok(Self { number: self.number, handle })
    }

    /// Its number. Somebody else's, once it is gone.
    pub(super) fn number(&self) -> i32 {
        self.number
    }

    /// Whether it has not ended.
    pub(super) fn is_alive(&self) -> bool {
        self.handle.as_ref().is_some_and(|handle| !has_ended(handle))
    }

    /// Waits until it is gone, by force after a while. Whether it is: then so is all that was
    /// inside (pid_namespaces(7)).
    pub(super) async fn is_gone(&self) -> bool {
        let Some(handle) = &self.handle else { return true };
        if !is_gone_soon(handle).await {
            let _gone = pidfd_send_signal(handle, Signal::KILL);
            if !is_gone_soon(handle).await {
                return false;
            }
        }
        // Somebody who heard of its end first may have taken leave of it.
        let how = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let _taken = waitid(WaitId::PidFd(handle.as_fd()), how);
        true
    }
}

/// Waits until it is gone, for two seconds; for that long again after a signal.
async fn is_gone_soon(handle: &OwnedFd) -> bool {
    let Ok(handle) = handle.try_clone() else { return false };
    let waiting = TaskTracker::new().spawn_blocking(move || {
        loop {
            // pidfd_open(2): readable once it has ended.
            let mut waited = [PollFd::new(&handle, PollFlags::IN)];
            match poll(&mut waited, Some(&PATIENCE)) {
                Err(Errno::INTR) => {}
                ended => return matches!(ended, Ok(1)),
            }
        }
    });
    waiting.await.unwrap_or(false)
}

/// pidfd_open(2): readable once it has ended.
fn has_ended(handle: &OwnedFd) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut looked = [PollFd::new(handle, PollFlags::IN)];
    matches!(poll(&mut looked, Some(&now)), Ok(1))
}
