//! Limits: how fast and how often, as pure arithmetic over a stored moment.
//!
//! The rate is the generic cell rate algorithm: one moment per meter, no window to fill or reset.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// What may be spent. `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Calls in a minute, evenly spread beyond the burst.
    pub calls_per_minute: Option<u32>,
    /// Calls at once before the rate holds; one tenth of the rate, at least one, if not set.
    pub burst: Option<u32>,
    /// Calls in all.
    pub calls: Option<u64>,
}

/// What has been spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meter {
    /// Microseconds since the epoch at which the spent calls would all have been earned back.
    pub earned_at_micros: u64,
    /// Calls so far.
    pub calls: u64,
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
    Ok(Meter { earned_at_micros: earned, calls })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{Limits, Meter, OverLimit, spend};
    use crate::Timestamp;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let limits = Limits { calls_per_minute: Some(60), burst: Some(2), calls: None };
        let now = Timestamp::from_millis(1_000_000);
        let one = spend(&limits, &Meter::default(), now).unwrap();
        let two = spend(&limits, &one, now).unwrap();
        let wait = OverLimit::Rate { limit: 60, wait_millis: 1_000 };
        assert_eq!(spend(&limits, &two, now), Err(wait));
        assert!(spend(&limits, &two, now.plus(Duration::from_secs(1))).is_ok());
    }

    #[test]
    fn the_total_is_exact_and_zero_means_none() {
        let limits = Limits { calls: Some(1), ..Limits::default() };
        let now = Timestamp::from_millis(1);
        let one = spend(&limits, &Meter::default(), now).unwrap();
        assert_eq!(spend(&limits, &one, now), Err(OverLimit::Calls { limit: 1 }));
        let none = Limits { calls_per_minute: Some(0), ..Limits::default() };
        assert!(spend(&none, &Meter::default(), now).is_err());
    }

    proptest! {
        // A clock that steps back never earns anything.
        #[test]
        fn no_order_of_moments_passes_more_than_burst_and_rate(
            steps in prop::collection::vec(0u64..5_000, 1..200),
        ) {
            let limits = Limits { calls_per_minute: Some(120), burst: Some(5), calls: None };
            let (mut meter, mut passed) = (Meter::default(), 0u64);
            let start = 1_000_000;
            for step in &steps {
                if let Ok(next) = spend(&limits, &meter, Timestamp::from_millis(start + step)) {
                    (meter, passed) = (next, passed + 1);
                }
            }
            let span = steps.iter().max().unwrap() - steps.iter().min().unwrap();
            prop_assert!(passed <= 5 + span / 500 + 1);
        }
    }
}
