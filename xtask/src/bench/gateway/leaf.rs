//! New connections: to hosts that were never asked for, so that a certificate must be made, and to
//! the same ones again.

use super::options::Options;
use super::site::{COLD_HOSTS, Site};
use super::target::{Target, to_cold};
use crate::bench::clock::Clock;
use crate::bench::drive::{Line, Way};
use crate::bench::figures::real;
use crate::bench::process;

/// Milliseconds of each connection.
#[derive(Default)]
pub(super) struct Opened {
    /// From the first byte to the end of the handshake.
    pub(super) shaken: Vec<f64>,
    /// To the end of the first answer.
    pub(super) answered: Vec<f64>,
    pub(super) cpu_seconds: f64,
}

/// One round.
#[derive(Default)]
pub(super) struct Round {
    pub(super) cold: Opened,
    pub(super) warm: Opened,
}

/// All rounds of one target.
pub(super) struct Leaves {
    pub(super) target: &'static str,
    pub(super) rounds: Vec<Round>,
}

/// All of them, and the microseconds of one signature.
pub(super) fn measure(
    site: &Site,
    targets: &[Target],
    options: &Options,
) -> anyhow::Result<(Vec<Leaves>, f64)> {
    let mut all: Vec<(&Target, Leaves)> = targets
        .iter()
        .map(|target| (target, Leaves { target: target.name, rounds: Vec::new() }))
        .collect();
    // What is only slow the first time is no leaf's.
    for target in targets {
        target.ways.iter().try_for_each(|way| open(way, &mut Opened::default()))?;
    }
    let each = (COLD_HOSTS / options.rounds).max(1);
    let hosts: Vec<usize> = (0..COLD_HOSTS).collect();
    for (round, hosts) in hosts.chunks(each).take(options.rounds).enumerate() {
        let mut order: Vec<_> = all.iter_mut().collect();
        if !round.is_multiple_of(2) {
            order.reverse();
        }
        for (target, leaves) in order {
            let cold = of(target, hosts)?;
            leaves.rounds.push(Round { cold, warm: of(target, hosts)? });
        }
        eprintln!("round {} of {}, load {}", round + 1, options.rounds, process::load());
    }
    let leaves = all.into_iter().map(|(_, leaves)| leaves).collect();
    Ok((leaves, site.micros_of_a_signature()?))
}

fn of(target: &Target, hosts: &[usize]) -> anyhow::Result<Opened> {
    let (mut opened, before) = (Opened::default(), target.cpu_seconds()?);
    for host in hosts {
        for way in &target.ways {
            open(&to_cold(way, *host), &mut opened)?;
        }
    }
    opened.cpu_seconds = target.cpu_seconds()? - before;
    Ok(opened)
}

fn open(way: &Way, opened: &mut Opened) -> anyhow::Result<()> {
    let clock = Clock::start();
    let mut line = Line::open(way)?;
    opened.shaken.push(clock.now().as_secs_f64() * 1e3);
    let status = line.call(&way.request)?;
    anyhow::ensure!(status == 200, "{} answers {status}", way.name);
    opened.answered.push(clock.now().as_secs_f64() * 1e3);
    Ok(())
}

impl Opened {
    /// Microseconds of CPU of one connection and its call.
    pub(super) fn cpu_micros(&self) -> f64 {
        self.cpu_seconds * 1e6 / real(self.answered.len() as u64)
    }
}
