//! Limits: how fast, how often and how much, as pure arithmetic over stored meters.
//!
//! The rate is the generic cell rate algorithm: one moment per meter, no window to fill or reset.
//! Bytes are reserved before they flow and settled after; `portion.rs` has the rules.

use serde::{Deserialize, Serialize};

use crate::size::print_size;
use crate::time::Timestamp;

/// What may be spent. `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Calls in a minute, evenly spread beyond the burst.
    pub calls_per_minute: Option<u32>,
    /// Calls at once before the rate holds; one tenth of the rate, at least one, if not set.
    pub burst: Option<u32>,
    /// Calls in the period that counts.
    pub calls: Option<u64>,
    /// Bytes of bodies, both ways, in the period that counts.
    pub bytes: Option<u64>,
}

/// Over what time calls and bytes count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// As long as it lives: a run.
    Life,
    /// A day in UTC: an agent, a connection.
    Day,
}

/// What has been spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meter {
    /// Microseconds since the epoch at which the spent calls would all have been earned back.
    pub earned_at_micros: u64,
    /// Calls so far.
    pub calls: u64,
    /// Bytes so far: those that flowed, and those reserved by calls under way.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes: u64,
    /// The day that calls and bytes are of, counted from the epoch; 0 where they are not by day.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub day: u64,
}

// Entries written before a number was counted keep their canonical form.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out a reference")]
pub(crate) fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A limit is reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverLimit {
    /// Too fast.
    #[error("{limit} calls a minute are allowed; the next one is earned in {wait_millis} ms")]
    Rate {
        /// Calls a minute.
        limit: u32,
        /// How long until one more would pass.
        wait_millis: u64,
    },
    /// Too many in all.
    #[error("all {limit} calls are spent")]
    Calls {
        /// Calls in all.
        limit: u64,
    },
    /// Too much in all.
    #[error(
        "{} are allowed, and {} of them are neither spent nor held by calls under way",
        print_size(*limit),
        print_size(*left)
    )]
    Bytes {
        /// Bytes in all.
        limit: u64,
        /// What is neither spent nor reserved.
        left: u64,
    },
}

impl Limits {
    /// Whether calls or bytes are bounded, so that what was spent must be kept.
    pub fn counts(&self) -> bool {
        self.calls.is_some() || self.bytes.is_some()
    }

    /// These limits with those of `newer` in their place where it has any.
    #[must_use]
    pub fn overlaid(self, newer: Self) -> Self {
        Self {
            calls_per_minute: newer.calls_per_minute.or(self.calls_per_minute),
            burst: newer.burst.or(self.burst),
            calls: newer.calls.or(self.calls),
            bytes: newer.bytes.or(self.bytes),
        }
    }

    /// Each limit as people read it; empty if there is none.
    pub fn lines(&self, period: Period) -> Vec<String> {
        let over = period.words();
        let burst = self.burst.map(|burst| format!(", {burst} at once")).unwrap_or_default();
        let rate = self.calls_per_minute.map(|rate| format!("{rate} calls a minute{burst}"));
        let calls = self.calls.map(|calls| format!("{calls} calls {over}"));
        let bytes = self.bytes.map(|bytes| format!("{} {over}", print_size(bytes)));
        [rate, calls, bytes].into_iter().flatten().collect()
    }
}

impl Period {
    /// As it follows an amount.
    pub fn words(self) -> &'static str {
        match self {
            Self::Life => "in all",
            Self::Day => "a day",
        }
    }
}

impl Meter {
    /// The meter as it stands at `now`: what was spent on a day that is over counts no more.
    ///
    /// A clock that steps back into an earlier day gives nothing back.
    #[must_use]
    pub fn at(self, period: Period, now: Timestamp) -> Self {
        let today = now.day();
        match period {
            Period::Day if today > self.day => Self { calls: 0, bytes: 0, day: today, ..self },
            Period::Day | Period::Life => self,
        }
    }
}

/// The meter after one more call, or why there may be none.
pub fn spend(limits: &Limits, meter: &Meter, now: Timestamp) -> Result<Meter, OverLimit> {
    if let Some(limit) = limits.calls.filter(|limit| meter.calls >= *limit) {
        return Err(OverLimit::Calls { limit });
    }
    let calls = meter.calls.saturating_add(1);
    let Some(rate) = limits.calls_per_minute else {
        return Ok(Meter { calls, ..*meter });
    };
    let now_micros = now.as_millis().saturating_mul(1_000);
    let spacing = 60_000_000 / u64::from(rate.max(1));
    let burst = u64::from(limits.burst.unwrap_or(rate / 10).max(1));
    let earned = meter.earned_at_micros.max(now_micros).saturating_add(spacing);
    let room = now_micros.saturating_add(spacing.saturating_mul(burst));
    if rate == 0 || earned > room {
        let wait_millis = earned.saturating_sub(room).div_ceil(1_000);
        return Err(OverLimit::Rate { limit: rate, wait_millis });
    }
    Ok(Meter { earned_at_micros: earned, calls, ..*meter })
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
