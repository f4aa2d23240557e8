//! Moments and spans, in whole milliseconds. The clock itself lives outside: `now` is always a
//! parameter.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z. Prints as RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// 9999-12-31T23:59:59.999Z, the last moment RFC 3339 can print.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// The moment this many milliseconds after the epoch, at most [`Timestamp::MAX`].
    pub const fn from_millis(millis: u64) -> Self {
        if millis > Self::MAX.0 { Self::MAX } else { Self(millis) }
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// This moment and `span` more, at most [`Timestamp::MAX`].
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self::from_millis(
            self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
        )
    }

    /// This moment and `span` less, not before the epoch.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self::from_millis(self.0.saturating_sub(millis))
    }

    /// The day it falls on in UTC, counted from the epoch.
    pub const fn day(self) -> u64 {
        self.0 / 86_400_000
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = i64::try_from(self.0).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_millisecond(millis) {
            Ok(moment) => write!(f, "{moment:.3}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

/// The text is neither a moment nor a span of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTime {
    /// Not an RFC 3339 moment.
    #[error("`{0}` is not a moment: write it like `2026-12-31T18:00:00Z`")]
    Moment(String),
    /// Not a span.
    #[error(
        "`{0}` is not a span of time: write a number and a unit, like `90s`, `60m`, `12h` or `30d`"
    )]
    Span(String),
}

impl FromStr for Timestamp {
    type Err = BadTime;

    fn from_str(text: &str) -> Result<Self, BadTime> {
        let bad = || BadTime::Moment(text.chars().take(80).collect());
        let moment: jiff::Timestamp = text.parse().map_err(|_| bad())?;
        let millis = u64::try_from(moment.as_millisecond()).map_err(|_| bad())?;
        Ok(Self::from_millis(millis))
    }
}

/// Reads a span such as `90s`, `60m`, `12h` or `30d`. At most ten years, never zero.
pub fn parse_span(text: &str) -> Result<Duration, BadTime> {
    let bad = || BadTime::Span(text.chars().take(80).collect());
    let unit_secs = match text.chars().last().ok_or_else(bad)? {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(bad()),
    };
    let digits = text.get(..text.len() - 1).ok_or_else(bad)?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad());
    }
    let secs = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(unit_secs));
    match secs {
        Some(secs @ 1..=315_360_000) => Ok(Duration::from_secs(secs)),
        _ => Err(bad()),
    }
}

/// Prints a span the way [`parse_span`] reads it, in the largest unit that divides it.
pub fn print_span(span: Duration) -> String {
    let secs = span.as_secs();
    for (unit_secs, unit) in [(86_400, 'd'), (3_600, 'h'), (60, 'm')] {
        if secs > 0 && secs.is_multiple_of(unit_secs) {
            return format!("{}{unit}", secs / unit_secs);
        }
    }
    format!("{secs}s")
}

#[cfg(test)]
#[path = "time_tests.rs"]
mod tests;
