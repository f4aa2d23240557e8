//! The run's processes: all of them are below the first one, which takes leave of each.

use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// Everybody but the one who asks (kill(2)).
const ALL: Pid = Pid::from_raw(-1);
/// How often it is looked whether what is left over is gone, and how long it has between looks: two
/// seconds to end by itself, and two to be gone.
const LOOKS: u32 = 1_000;
const PAUSE: Duration = Duration::from_millis(2);

/// What became of a process.
pub(super) enum News {
    /// It ended; what a shell would see.
    Ended(Pid, u8),
    /// It was stopped.
    Stopped(Pid),
}

/// The next process there is news of.
pub(super) fn news() -> Option<News> {
    loop {
        match waitpid(ALL, Some(WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED)) {
            Ok(WaitStatus::Exited(pid, code)) => {
                return Some(News::Ended(pid, u8::try_from(code).unwrap_or(u8::MAX)));
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) => {
                let code = u8::try_from(signal as i32).unwrap_or(0).saturating_add(128);
                return Some(News::Ended(pid, code));
            }
            Ok(WaitStatus::Stopped(pid, _)) => return Some(News::Stopped(pid)),
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return None,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return None,
        }
    }
}

/// Ends every process that is left: asks for two seconds, then insists. Whether none is: only the
/// first process could start another, and it is here.
pub(super) fn end_all() -> bool {
    for how in [Signal::SIGTERM, Signal::SIGKILL] {
        if kill(ALL, how) == Err(Errno::ESRCH) {
            return true;
        }
        // A stopped process is told too, and hears it once it goes on.
        let _ = kill(ALL, Signal::SIGCONT);
        for _ in 0..LOOKS {
            while news().is_some() {}
            if kill(ALL, None) == Err(Errno::ESRCH) {
                return true;
            }
            std::thread::sleep(PAUSE);
        }
    }
    false
}
