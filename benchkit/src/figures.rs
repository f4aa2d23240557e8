//! What counts of many measurements.

use std::time::Duration;

/// Microseconds.
pub(crate) fn micros(span: Duration) -> f64 {
    span.as_secs_f64() * 1e6
}

/// A count as a number, below 2^32.
pub(crate) fn real(count: impl TryInto<u32>) -> f64 {
    f64::from(count.try_into().unwrap_or(u32::MAX))
}

/// Spans, in order.
pub(crate) struct Sorted(Vec<Duration>);

impl Sorted {
    pub(crate) fn of(mut spans: Vec<Duration>) -> Self {
        spans.sort_unstable();
        Self(spans)
    }

    /// The microseconds that so many of a thousand do not exceed; not a number of nothing.
    pub(crate) fn permille(&self, part: usize) -> f64 {
        let at = (self.0.len() * part / 1000).min(self.0.len().saturating_sub(1));
        self.0.get(at).map_or(f64::NAN, |span| micros(*span))
    }
}
