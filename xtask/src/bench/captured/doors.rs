//! The same calls by the same curl: in a captured run, whose doors serve whatever it dials, and in
//! an advisory one, which asks the proxy door.

use anyhow::{Context as _, ensure};

use super::options::Options;
use super::site::{PLAIN, Site, TLS};
use crate::bench::figures::permille;
use crate::bench::process;
use crate::bench::shell::Shell;

/// What is called, over so many connections that are kept.
pub(super) const KINDS: [(&str, &str, usize); 4] = [
    ("plain, 1 connection", PLAIN, 1),
    ("plain, 16 connections", PLAIN, 16),
    ("TLS, 1 connection", TLS, 1),
    ("TLS, 16 connections", TLS, 16),
];

/// One span of calls.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) calls_per_second: f64,
    /// Milliseconds of a call.
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// The rounds of one kind.
pub(super) struct Doors {
    pub(super) name: &'static str,
    pub(super) proxy: Vec<Span>,
    pub(super) captured: Vec<Span>,
}

pub(super) fn measure(site: &Site, options: &Options) -> anyhow::Result<Vec<Doors>> {
    let (mut proxy, mut captured) = (site.run("advisory")?, site.run("captured")?);
    let mut all: Vec<Doors> = KINDS
        .map(|(name, ..)| Doors { name, proxy: Vec::new(), captured: Vec::new() })
        .into_iter()
        .collect();
    for round in 0..options.rounds {
        for (doors, (_, url, connections)) in all.iter_mut().zip(KINDS) {
            let calls = if connections == 1 { options.calls } else { options.calls * 4 };
            let of = |shell: &mut Shell| span(shell, url, connections, calls);
            if round.is_multiple_of(2) {
                doors.proxy.push(of(&mut proxy)?);
                doors.captured.push(of(&mut captured)?);
            } else {
                doors.captured.push(of(&mut captured)?);
                doors.proxy.push(of(&mut proxy)?);
            }
        }
        eprintln!("round {} of {}, load {}", round + 1, options.rounds, process::load());
    }
    Ok(all)
}

fn span(shell: &mut Shell, url: &str, connections: usize, calls: usize) -> anyhow::Result<Span> {
    let parallel = if connections == 1 {
        String::new()
    } else {
        format!("--parallel --parallel-max {connections}")
    };
    let command = format!(
        "sh -c 'curl -sS --http1.1 {parallel} -o /dev/null \
         -w \"%{{time_total}} %{{http_code}}\\n\" \"{url}[1-{calls}]\" >times'"
    );
    let seconds = shell.must(&command)?.context("the calls took too long")?;
    let said = shell.says("cat times")?;
    let answered = said.lines().filter_map(|line| line.strip_suffix(" 200"));
    let mut times: Vec<f64> = answered.filter_map(|time| time.parse().ok()).collect();
    ensure!(times.len() == calls, "{} of {calls} calls were answered", times.len());
    let count = f64::from(u32::try_from(calls)?);
    Ok(Span {
        calls_per_second: count / seconds,
        p50: permille(&mut times, 500) * 1000.0,
        p99: permille(&mut times, 990) * 1000.0,
    })
}
