//! Portions: bytes are reserved before they flow, and what was reserved in vain goes back.
//!
//! A call reserves a first portion when it is decided and more while its bodies flow. Two calls
//! that reserve from one meter never get the same byte; when a call is over, the meter holds
//! exactly what it sent and received.

use serde::{Deserialize, Serialize};

use crate::limits::{Limits, Meter, OverLimit};

/// What a call reserves before its first byte, unless it announced more.
pub const FIRST: u64 = 64 * 1_024;
/// What a call reserves at once at most, however long it streams.
pub const LARGEST: u64 = 8 * 1_024 * 1_024;

/// How much a call wants at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Portion {
    /// With less than that it cannot go on.
    pub least: u64,
    /// More than that it does not take.
    pub most: u64,
}

/// What one call has reserved in one meter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// Bytes since the call began.
    pub bytes: u64,
    /// The day of the last portion.
    day: u64,
    /// What of it was reserved on that day.
    of_day: u64,
}

impl Portion {
    /// What a call reserves when it is decided: its body if it announced how long that is.
    pub fn first(announced: u64) -> Self {
        Self { least: announced, most: announced.max(FIRST) }
    }

    /// What a call reserves when it lacks `least` bytes and took `before` the last time.
    pub fn next(least: u64, before: u64) -> Self {
        let doubled = before.saturating_mul(2).clamp(FIRST, LARGEST);
        Self { least, most: doubled.max(least) }
    }
}

/// What is neither spent nor reserved; `None` if there is no limit.
pub fn left(limits: &Limits, meter: &Meter) -> Option<u64> {
    limits.bytes.map(|limit| limit.saturating_sub(meter.bytes))
}

/// How many bytes may be reserved: as many as are wanted or left, at least one, and never fewer
/// than the call needs.
pub fn reserve(limits: &Limits, meter: &Meter, wanted: Portion) -> Result<u64, OverLimit> {
    let (Some(limit), Some(left)) = (limits.bytes, left(limits, meter)) else {
        return Ok(wanted.most);
    };
    if left < wanted.least.max(1) {
        return Err(OverLimit::Bytes { limit, left });
    }
    Ok(wanted.most.min(left))
}

impl Meter {
    /// The meter once so many bytes are reserved.
    #[must_use]
    pub fn reserved(self, bytes: u64) -> Self {
        Self { bytes: self.bytes.saturating_add(bytes), ..self }
    }

    /// The meter once a call is over: what it held and did not spend goes back, what it spent
    /// without holding it is added.
    #[must_use]
    pub fn settled(self, holding: &Holding, spent: u64) -> Self {
        let unspent = holding.bytes.saturating_sub(spent);
        // Portions are used up in order, so what is left is of the last ones. What was reserved on
        // a day that is over is no longer in the meter and cannot go back.
        let back = if self.day == holding.day { unspent.min(holding.of_day) } else { 0 };
        let beyond = spent.saturating_sub(holding.bytes);
        Self { bytes: self.bytes.saturating_sub(back).saturating_add(beyond), ..self }
    }
}

impl Holding {
    /// What the call holds once it reserved `bytes` more in `meter`.
    #[must_use]
    pub fn and(self, bytes: u64, meter: &Meter) -> Self {
        let earlier = if self.day == meter.day { self.of_day } else { 0 };
        Self {
            bytes: self.bytes.saturating_add(bytes),
            day: meter.day,
            of_day: earlier.saturating_add(bytes),
        }
    }
}

#[cfg(test)]
#[path = "portion_tests.rs"]
mod tests;
