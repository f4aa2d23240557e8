//! What the gateway counts, for Prometheus.
//!
//! Labels are of closed sets only: no host, run or path ever becomes a label.

use metrics::{Counter, Gauge, counter, gauge};

/// Where requests come in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Door {
    /// The proxy, which all runs share.
    Proxy,
    /// Those of a captured run.
    Captured,
    /// The one for tokens.
    Reverse,
}

/// How a request ends that the upstream answered: the word nearly all of them get.
pub(crate) const ANSWERED: &str = "answered";

/// What every request counts, looked up once.
pub(crate) struct Tally {
    answered: [Counter; 3],
    sent: Counter,
    received: Counter,
    in_flight: Gauge,
}

impl Tally {
    /// That of whatever counts for this process by now.
    pub(crate) fn new() -> Self {
        Self {
            answered: [Door::Proxy, Door::Captured, Door::Reverse]
                .map(|door| requests(door, ANSWERED)),
            sent: counter!("marque_gateway_body_bytes_total", "way" => "sent"),
            received: counter!("marque_gateway_body_bytes_total", "way" => "received"),
            in_flight: gauge!("marque_gateway_requests_in_flight"),
        }
    }

    /// Counts a request that ended, by how: the word of its outcome, or of the notice it got.
    pub(crate) fn ended(&self, door: Door, result: &'static str) {
        match self.answered.get(door as usize).filter(|_| result == ANSWERED) {
            Some(answered) => answered.increment(1),
            None => requests(door, result).increment(1),
        }
    }

    /// Counts the bytes of bodies that crossed for one request.
    pub(crate) fn crossed(&self, sent_bytes: u64, received_bytes: u64) {
        self.sent.increment(sent_bytes);
        self.received.increment(received_bytes);
    }

    /// One more request is under way.
    pub(crate) fn entered(&self) {
        self.in_flight.increment(1.0);
    }

    /// One less.
    pub(crate) fn left(&self) {
        self.in_flight.decrement(1.0);
    }
}

/// Counts credentials found in answers.
pub(crate) fn echoed(count: usize) {
    counter!("marque_gateway_echoes_total").increment(count as u64);
}

fn requests(door: Door, result: &'static str) -> Counter {
    let door = match door {
        Door::Proxy => "proxy",
        Door::Captured => "captured",
        Door::Reverse => "reverse",
    };
    counter!("marque_gateway_requests_total", "door" => door, "result" => result)
}
