//! Laps: how long each stage of the road took, as a metric.

use std::time::Duration;

use marque_domain::Stage;

use crate::clock::Clock;

/// Measures from one stage to the next.
pub(crate) struct Laps<'a> {
    clock: &'a dyn Clock,
    last: Duration,
}

impl<'a> Laps<'a> {
    pub(crate) fn start(clock: &'a dyn Clock) -> Self {
        Self { clock, last: clock.elapsed() }
    }

    /// Says that a stage let the request through.
    pub(crate) fn passed(&mut self, stage: Stage) {
        let now = self.clock.elapsed();
        let took = now.saturating_sub(self.last);
        metrics::histogram!("marque_stage_seconds", "stage" => stage.word()).record(took);
        self.last = now;
    }
}
