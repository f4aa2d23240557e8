//! The clocks: the plane's, as the binary has it, and the CPU of this thread.

use std::time::Duration;

use marque_domain::Timestamp;
use marque_plane::Clock;
use rustix::time::{ClockId, clock_gettime};

/// The binary's clock: the wall, and how long the machine is up.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let millis = read(ClockId::Realtime).as_millis();
        Timestamp::from_millis(u64::try_from(millis).unwrap_or(0))
    }

    fn elapsed(&self) -> Duration {
        read(ClockId::Boottime)
    }
}

/// A moment, for what lies between two of them.
pub(crate) fn moment() -> Duration {
    read(ClockId::Monotonic)
}

/// What this thread has computed so far. Unlike the time, it says little of the neighbours.
pub(crate) fn computed() -> Duration {
    read(ClockId::ThreadCPUTime)
}

fn read(clock: ClockId) -> Duration {
    Duration::try_from(clock_gettime(clock)).unwrap_or_default()
}
