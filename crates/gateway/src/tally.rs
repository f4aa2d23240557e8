//! What the gateway counts, for Prometheus.
//!
//! Labels are of closed sets only: no host, run or path ever becomes a label.

use metrics::{counter, gauge};

/// Where requests come in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Door {
    /// The proxy, which all runs share.
    Proxy,
    /// Those of a captured run.
    Captured,
}

/// Counts a request that ended, by how: the word of its outcome, or of the notice it got.
pub(crate) fn ended(door: Door, result: &'static str) {
    let door = match door {
        Door::Proxy => "proxy",
        Door::Captured => "captured",
    };
    counter!("marque_gateway_requests_total", "door" => door, "result" => result).increment(1);
}

/// Counts the bytes of bodies that crossed for one request.
pub(crate) fn crossed(sent_bytes: u64, received_bytes: u64) {
    counter!("marque_gateway_body_bytes_total", "way" => "sent").increment(sent_bytes);
    counter!("marque_gateway_body_bytes_total", "way" => "received").increment(received_bytes);
}

/// One more request is under way.
pub(crate) fn entered() {
    gauge!("marque_gateway_requests_in_flight").increment(1.0);
}

/// One less.
pub(crate) fn left() {
    gauge!("marque_gateway_requests_in_flight").decrement(1.0);
}

/// Counts credentials found in answers.
pub(crate) fn echoed(count: usize) {
    counter!("marque_gateway_echoes_total").increment(count as u64);
}
