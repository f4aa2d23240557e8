//! What must hold of Marque: by itself, beside the same flow of `oidc-provider` in the same round,
//! and beside what the machine alone takes for it.

use super::flow::{Binding, CHAIN_MAX, CHAINS, Flow, Proof};
use super::ground::Ground;
use super::start::Started;
use super::throughput::{Compared, MANY, Pace, Span};
use crate::bench::bars::{Bar, ratios};
use crate::bench::figures::real;

/// As the servers are called.
const OURS: &str = "Marque";
const THEIRS: &str = "oidc-provider";
/// KiB of a MiB.
const MIB: f64 = 1024.0;

/// What was measured of all.
struct All<'a>(&'a [Compared], &'a [Ground]);

/// All bars of what was measured of Marque.
pub(super) fn all(all: &[Compared], (grounds, starts): (&[Ground], &[Started])) -> Vec<Bar> {
    let measured = All(all, grounds);
    let has = |flow| !measured.cpu(OURS, flow).is_empty();
    let (signed, secret) = (Flow::Assertion(Binding::None), Flow::Introspection(Proof::Secret));
    let mut bars = Vec::new();
    if has(signed) {
        bars.extend(measured.times(
            "signed JWT, tokens a CPU-second, times oidc-provider",
            2.0,
            signed,
        ));
        let cpu = measured.cpu(OURS, signed);
        bars.push(Bar::at_most("signed JWT, CPU of a token, µs", 165.0, cpu));
    }
    if has(secret) {
        let what = "introspections by secret a CPU-second, times oidc-provider";
        bars.extend(measured.times(what, 4.0, secret));
        let cpu = measured.cpu(OURS, secret);
        bars.push(Bar::at_most("introspection by secret, CPU, µs", 40.0, cpu));
    }
    if has(Flow::Exchange(CHAIN_MAX, Binding::None)) {
        bars.extend(measured.exchanges());
    }
    bars.extend(measured.disk());
    bars.extend(starts.iter().filter(|started| started.side == OURS).flat_map(|started| {
        let idle = real(started.idle_kib) / MIB;
        [
            Bar::at_most("idle, MiB", 20.0, vec![idle]),
            Bar::at_most("start to the first token, ms", 200.0, started.millis.clone()),
        ]
    }));
    let peak = measured.peaks();
    if !peak.is_empty() {
        bars.push(Bar::at_most("64 connections, MiB", 50.0, peak));
    }
    bars
}

impl All<'_> {
    /// Of each round.
    fn each(&self, (side, flow, pace): (&str, Flow, Pace), of: fn(&Span) -> f64) -> Vec<f64> {
        let is_meant = |compared: &&Compared| {
            (compared.side, compared.flow) == (side, flow) && compared.pace == pace
        };
        self.0.iter().find(is_meant).map(|compared| compared.each(of)).unwrap_or_default()
    }

    fn cpu(&self, side: &str, flow: Flow) -> Vec<f64> {
        self.each((side, flow, Pace::Closed(MANY)), |span| span.cpu_micros)
    }

    // The more CPU a request takes, the fewer a second of CPU gives.
    fn times(&self, what: &'static str, least: f64, flow: Flow) -> Option<Bar> {
        let times = ratios(&self.cpu(THEIRS, flow), &self.cpu(OURS, flow));
        (!times.is_empty()).then(|| Bar::at_least(what, least, times))
    }

    // DESIGN's words: at most 1.5 times the signatures and 30 µs; the rest beside that is told.
    fn exchanges(&self) -> Vec<Bar> {
        let [first, _, last] = CHAINS;
        let mut bars = Vec::new();
        for (binding, cost, wait) in [
            (
                Binding::None,
                "exchange to 8, CPU above 1.5 times its signatures, µs",
                "exchange to 8, p99 above one write, ms",
            ),
            (
                Binding::Proof,
                "exchange to 8 with DPoP, CPU above 1.5 times its signatures, µs",
                "exchange to 8 with DPoP, p99 above one write, ms",
            ),
        ] {
            let flow = Flow::Exchange(last, binding);
            let floors = self.1.iter().map(|ground| 1.5 * ground.floor(flow));
            let above = self.cpu(OURS, flow).into_iter().zip(floors);
            bars.push(Bar::at_most(cost, 30.0, above.map(|(cpu, floor)| cpu - floor).collect()));
            let p99 = self.each((OURS, flow, Pace::Closed(MANY)), |span| span.p99);
            let above = p99.into_iter().zip(self.1).map(|(p99, ground)| p99 - ground.sync);
            bars.push(Bar::at_most(wait, 15.0, above.collect()));
        }
        let [one, eight] =
            [first, last].map(|actors| self.cpu(OURS, Flow::Exchange(actors, Binding::None)));
        let what = "CPU of an exchange, to 8 in the chain by to 2";
        bars.push(Bar::at_most(what, 1.2, ratios(&eight, &one)));
        bars
    }

    // Whatever waits for the disk: as fast as the CPU or the disk would let it, less a fifth.
    fn disk(&self) -> Vec<Bar> {
        let ours = self.0.iter().filter(|compared| {
            compared.side == OURS && compared.flow.is_of_disk() && compared.pace != Pace::Half
        });
        let bars = ours.filter_map(|compared| {
            let Pace::Closed(connections) = compared.pace else { return None };
            let (what, connections) = match connections {
                1 => ("of what CPU and disk allow, 1 connection", 1.0),
                MANY => ("of what CPU and disk allow, 64 connections", 64.0),
                _ => return None,
            };
            let part = compared.spans.iter().zip(self.1).map(|(span, ground)| {
                let of_disk = connections * 1e3 / ground.sync;
                span.per_second / of_disk.min(1e6 / span.cpu_micros)
            });
            Some((what, part.collect::<Vec<f64>>()))
        });
        let mut all: Vec<(&'static str, Vec<f64>)> = Vec::new();
        for (what, rounds) in bars {
            match all.iter_mut().find(|(known, _)| *known == what) {
                // The worst of all flows.
                Some((_, least)) => {
                    least.iter_mut().zip(rounds).for_each(|(least, part)| *least = least.min(part));
                }
                None => all.push((what, rounds)),
            }
        }
        all.into_iter().map(|(what, rounds)| Bar::at_least(what, 0.8, rounds)).collect()
    }

    /// The most memory with 64 connections, of each flow.
    fn peaks(&self) -> Vec<f64> {
        let many = self
            .0
            .iter()
            .filter(|compared| compared.side == OURS && compared.pace == Pace::Closed(MANY));
        let of = |compared: &Compared| compared.spans.iter().map(|span| span.peak_kib).max();
        many.filter_map(of).map(|kib| real(kib) / MIB).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{OURS, THEIRS, all};
    use crate::bench::bars::missed;
    use crate::bench::token::flow::{Binding, Flow};
    use crate::bench::token::ground::Ground;
    use crate::bench::token::throughput::{Compared, MANY, Pace, Span};

    const GROUND: Ground = Ground { sign: 40.0, verify: 80.0, sync: 1.0, sync_p99: 2.0 };
    const SIGNED: Flow = Flow::Assertion(Binding::None);

    fn compared(side: &'static str, flow: Flow, cpu_micros: f64, per_second: f64) -> Compared {
        let span = Span { per_second, p50: 1.0, p99: 1.0, cpu_micros, peak_kib: 1, failed: 0.0 };
        Compared { side, flow, pace: Pace::Closed(MANY), spans: vec![span] }
    }

    fn misses(measured: &[Compared], word: &str) -> usize {
        let missed = missed(&all(measured, (&[GROUND], &[])));
        missed.iter().filter(|line| line.contains(word)).count()
    }

    #[test]
    fn nothing_is_judged_where_marque_is_not_measured() {
        assert!(all(&[compared(THEIRS, SIGNED, 300.0, 1.0)], (&[GROUND], &[])).is_empty());
    }

    #[test]
    fn twice_as_much_cpu_is_half_as_many_requests() {
        let of = |ours, theirs| {
            let ours = compared(OURS, SIGNED, ours, 1e9);
            misses(&[ours, compared(THEIRS, SIGNED, theirs, 1.0)], "signed JWT")
        };
        assert_eq!(of(160.0, 330.0), 0);
        assert_eq!(of(160.0, 260.0), 1, "not twice as many");
        assert_eq!(of(200.0, 500.0), 1, "too much of it");
    }

    #[test]
    fn what_waits_for_the_disk_is_measured_by_the_slower_of_both() {
        // 5,000 a second by the CPU, 64,000 by the disk.
        assert_eq!(misses(&[compared(OURS, SIGNED, 200.0, 4_100.0)], "disk"), 0);
        assert_eq!(misses(&[compared(OURS, SIGNED, 200.0, 3_300.0)], "disk"), 1);
    }

    #[test]
    fn an_exchange_is_measured_by_its_signatures() {
        let of = |cpu, proof_cpu| {
            let [none, proof] = [Binding::None, Binding::Proof].map(|to| Flow::Exchange(8, to));
            let all = [compared(OURS, none, cpu, 1e9), compared(OURS, proof, proof_cpu, 1e9)];
            misses(&all, "signatures")
        };
        // One made and one checked, or two.
        assert_eq!(of(1.5 * 120.0 + 30.0, 1.5 * 200.0 + 30.0), 0);
        assert_eq!(of(1.5 * 120.0 + 40.0, 1.5 * 200.0 + 40.0), 2);
    }
}
