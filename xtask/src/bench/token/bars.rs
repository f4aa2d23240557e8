//! What must hold of Marque, and beside the same flow of `oidc-provider` in the same round.

use super::flow::{Binding, Flow};
use super::throughput::{Compared, MANY, Pace, Span};
use crate::bench::bars::{Bar, ratios};

/// As the servers are called.
const OURS: &str = "Marque";
const THEIRS: &str = "oidc-provider";

/// All bars; none where Marque was not measured.
pub(super) fn all(all: &[Compared]) -> Vec<Bar> {
    if all.iter().all(|compared| compared.side != OURS) {
        return Vec::new();
    }
    let signed = Flow::Assertion(Binding::None);
    let cpu = |side, flow| cpu(all, side, flow);
    // The more CPU a request takes, the fewer a second of CPU gives.
    let times = |flow| ratios(&cpu(THEIRS, flow), &cpu(OURS, flow));
    let [one, eight] = [1, 8].map(|hops| cpu(OURS, Flow::Exchange(hops, Binding::Proof)));
    vec![
        Bar::at_least("signed JWT, tokens a CPU-second, times oidc-provider", 2.0, times(signed)),
        Bar::at_most("signed JWT, CPU of a token, µs", 165.0, cpu(OURS, signed)),
        Bar::at_least("secret, tokens a CPU-second, times oidc-provider", 3.0, times(Flow::Secret)),
        Bar::at_most("secret, CPU of a token, µs", 80.0, cpu(OURS, Flow::Secret)),
        Bar::at_least(
            "introspections a CPU-second, times oidc-provider",
            4.0,
            times(Flow::Introspection),
        ),
        Bar::at_most("CPU of an introspection, µs", 40.0, cpu(OURS, Flow::Introspection)),
        Bar::at_most("CPU of an exchange, 8 in the chain to 1", 1.2, ratios(&eight, &one)),
    ]
}

/// Of each round with 64 connections.
fn cpu(all: &[Compared], side: &str, flow: Flow) -> Vec<f64> {
    let is_meant = |compared: &&Compared| {
        (compared.side, compared.flow) == (side, flow) && compared.pace == Pace::Closed(MANY)
    };
    let of = |span: &Span| span.cpu_micros;
    all.iter().find(is_meant).map(|compared| compared.each(of)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{OURS, THEIRS, all};
    use crate::bench::bars::missed;
    use crate::bench::token::flow::Flow;
    use crate::bench::token::throughput::{Compared, MANY, Pace, Span};

    fn compared(side: &'static str, flow: Flow, cpu_micros: f64) -> Compared {
        let span =
            Span { per_second: 1.0, p50: 1.0, p99: 1.0, cpu_micros, peak_kib: 1, failed: 0.0 };
        Compared { side, flow, pace: Pace::Closed(MANY), spans: vec![span] }
    }

    #[test]
    fn nothing_is_judged_where_marque_is_not_measured() {
        assert!(all(&[compared(THEIRS, Flow::Secret, 300.0)]).is_empty());
    }

    #[test]
    fn twice_as_much_cpu_is_half_as_many_requests() {
        let flow = Flow::Secret;
        let misses = |ours, theirs| {
            let bars = all(&[compared(OURS, flow, ours), compared(THEIRS, flow, theirs)]);
            let missed = missed(&bars);
            missed.iter().filter(|line| line.starts_with("secret")).count()
        };
        assert_eq!(misses(80.0, 240.0), 0);
        assert_eq!(misses(80.0, 200.0), 1, "not three times as many");
        assert_eq!(misses(100.0, 300.0), 1, "too much of it");
        assert_eq!(all(&[compared(OURS, flow, 80.0)]).len(), 7, "what is not measured is missed");
    }
}
