//! Laps: how long each stage of the road took, as a metric.

use std::time::Duration;

use marque_domain::Stage;
use metrics::Histogram;

use crate::clock::Clock;

/// What the stages took so far, each looked up once: by name it would cost more than the stage.
pub(crate) struct StageTimes([Histogram; Stage::ALL.len()]);

impl StageTimes {
    /// Those of whatever counts for this process by now.
    pub(crate) fn new() -> Self {
        let of =
            |stage: Stage| metrics::histogram!("marque_stage_seconds", "stage" => stage.word());
        Self(Stage::ALL.map(of))
    }
}

/// Measures from one stage to the next.
pub(crate) struct Laps<'a> {
    clock: &'a dyn Clock,
    times: &'a StageTimes,
    last: Duration,
}

impl<'a> Laps<'a> {
    pub(crate) fn start((clock, times): (&'a dyn Clock, &'a StageTimes)) -> Self {
        Self { clock, times, last: clock.elapsed() }
    }

    /// Says that a stage let the request through.
    pub(crate) fn passed(&mut self, stage: Stage) {
        let now = self.clock.elapsed();
        if let Some(times) = self.times.0.get(stage as usize) {
            times.record(now.saturating_sub(self.last));
        }
        self.last = now;
    }
}
