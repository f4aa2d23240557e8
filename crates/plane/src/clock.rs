//! The clock, as a parameter. The real one lives in the binary; tests hold their own.

use std::time::Duration;

use marque_domain::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The present moment. It may step back; nothing in the plane relies on it never doing so.
    fn now(&self) -> Timestamp;

    /// How long this clock has run. Never steps back; only for measuring how long things take.
    fn elapsed(&self) -> Duration;
}
