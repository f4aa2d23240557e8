//! Metrics of the whole process, in the Prometheus text format.
//!
//! Names and labels only; a label never holds what a caller wrote.

use std::sync::Arc;

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

/// Upper bounds of the latency histograms, in seconds.
const SECONDS: &[f64] =
    &[0.000_01, 0.000_03, 0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0];

/// What the process counts, ready to be printed.
#[derive(Clone)]
pub struct Metrics(Arc<PrometheusHandle>);

impl Metrics {
    /// Starts counting for this process. Fails if something counts already.
    pub fn install() -> Result<Self, BuildError> {
        let builder = PrometheusBuilder::new().set_buckets(SECONDS)?;
        Ok(Self(Arc::new(builder.install_recorder()?)))
    }

    /// Folds what was counted since the last time, so that it does not pile up unseen. Every few
    /// seconds.
    pub fn fold(&self) {
        self.0.run_upkeep();
    }

    pub(crate) fn text(&self) -> String {
        self.0.render()
    }
}
