//! What agents do: calls at a steady rate, new connections, and bodies.

use std::io::{Write as _, stderr};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::bench::clock::{Clock, timed};
use crate::bench::drive::{Line, Load, Way};
use crate::bench::figures::permille;
use crate::bench::gateway::{Target, send};

/// A flow of calls: its name, calls a second, connections.
pub(super) type Rate = (&'static str, u32, usize);

/// The same calls without Marque: what latency is held against.
pub(super) const DIRECT: Rate = ("direct", 50, 8);
pub(super) const PLAIN: Rate = ("plain", 150, 64);
pub(super) const TLS: Rate = ("TLS", 100, 64);
/// Between two connections that make one call each.
const NEW_EVERY: Duration = Duration::from_millis(250);
/// Between two bodies, and how long one is.
const BODY_EVERY: Duration = Duration::from_secs(5);
const BODY_BYTES: u64 = 16 << 20;

/// What became of one flow in one lap.
pub(super) struct Flow {
    pub(super) name: &'static str,
    pub(super) answered: u64,
    /// Answered otherwise, or not at all.
    pub(super) failed: u64,
    /// The status of the last of those, where that is known.
    pub(super) last_failure: Option<u16>,
    /// Milliseconds.
    pub(super) p50: f64,
    pub(super) p99: f64,
}

impl Flow {
    fn of(name: &'static str, (answered, failed): (u64, u64), mut millis: Vec<f64>) -> Self {
        let p50 = permille(&mut millis, 500);
        let p99 = permille(&mut millis, 990);
        Self { name, answered, failed, last_failure: None, p50, p99 }
    }
}

/// Calls that are due at that rate, whatever becomes of them.
pub(super) fn calls(
    target: &Target,
    (name, rate, connections): Rate,
    span: Duration,
) -> anyhow::Result<Flow> {
    let mut load = Load::open(&target.ways, connections)?;
    let flowed = load.open_loop(rate, span)?;
    let flow = Flow::of(name, (flowed.answered, flowed.failed), flowed.millis);
    Ok(Flow { last_failure: flowed.last_failure, ..flow })
}

/// Connections that shake hands, call once, and go.
pub(super) fn new_connections(target: &Target, span: Duration) -> anyhow::Result<Flow> {
    each("new TLS", target, (NEW_EVERY, span), |way| {
        let status = Line::open(way)?.call(&way.request)?;
        ensure!(status == 200, "{} answers {status}", way.name);
        Ok(())
    })
}

/// Bodies that are sent up.
pub(super) fn bodies(target: &Target, span: Duration) -> anyhow::Result<Flow> {
    each("16 MiB up", target, (BODY_EVERY, span), |way| send(way, BODY_BYTES))
}

/// One after the other, one due every so often. What fails is counted and told.
fn each(
    name: &'static str,
    target: &Target,
    (every, span): (Duration, Duration),
    act: impl Fn(&Way) -> anyhow::Result<()>,
) -> anyhow::Result<Flow> {
    let (clock, mut millis, mut failed) = (Clock::start(), Vec::new(), 0);
    let mut ways = target.ways.iter().cycle();
    let mut due = Duration::ZERO;
    while due < span {
        sleep(due.saturating_sub(clock.now()));
        due += every;
        let way = ways.next().context("there is no way")?;
        let (done, seconds) = timed(|| act(way));
        match done {
            Ok(()) => millis.push(seconds * 1e3),
            Err(error) => {
                // The first of a lap says enough.
                if failed == 0 {
                    writeln!(stderr(), "{name}: {error:#}")?;
                }
                failed += 1;
            }
        }
    }
    Ok(Flow::of(name, (millis.len() as u64, failed), millis))
}
