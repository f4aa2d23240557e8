//! Memory at rest, with idle connections, under load, while a large body passes, and of an open
//! run.

use std::io::{BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::Duration;

use anyhow::ensure;

use super::peers::LARGE_BYTES;
use super::site::{PATH, Site};
use super::target::Target;
use crate::bench::clock::timed;
use crate::bench::drive::{Line, Load, Way};
use crate::bench::http::{dial, head, skip_body, status};
use crate::bench::process::{Watched, load};

/// Connections of the busy load, and how long it is busy.
const BUSY: usize = 64;
const BUSY_SPAN: Duration = Duration::from_secs(3);
/// Connections that say nothing, to the door of those who prove nothing.
const STRANGERS: usize = 2000;
/// Before what is over counts no more.
const SETTLE: Duration = Duration::from_secs(1);
/// Runs that are opened at once.
const RUNS: usize = 100;
/// Refusals after which no more connections are tried.
const REFUSED_MAX: usize = 500;

/// One program between caller and upstream.
pub(super) struct Memory {
    pub(super) target: &'static str,
    /// Kibibytes: after a second without calls, `VmRSS` and `Pss`.
    pub(super) idle: [u64; 2],
    /// The most while 64 connections called, `VmHWM`.
    pub(super) busy: u64,
    pub(super) held: Held,
    pub(super) down: Large,
    pub(super) up: Large,
}

/// Connections that made one call each and stay.
pub(super) struct Held {
    pub(super) tried: usize,
    pub(super) served: usize,
    pub(super) before_kib: u64,
    pub(super) after_kib: u64,
}

/// A body of 1 GiB.
pub(super) struct Large {
    pub(super) seconds: f64,
    /// The peak above what there was before.
    pub(super) more_kib: u64,
    /// Why not all of it passed.
    pub(super) broke: Option<String>,
}

/// What only Marque has.
pub(super) struct Own {
    /// Connections that said nothing, and how many of them were left a second later.
    pub(super) strangers: [usize; 2],
    /// Runs that were opened, and the kibibytes they took together.
    pub(super) runs: [u64; 2],
}

/// Measures one of them; so many connections are tried to be held.
pub(super) fn of(target: &Target, connections: usize) -> anyhow::Result<Memory> {
    sleep(SETTLE);
    let idle = [target.kib(Watched::resident_kib)?, target.kib(Watched::proportional_kib)?];
    let busy = busy(target)?;
    let held = held(target, connections)?;
    sleep(SETTLE);
    let down = large(target, down)?;
    let up = large(target, up)?;
    eprintln!("memory of {}, load {}", target.name, load());
    Ok(Memory { target: target.name, idle, busy, held, down, up })
}

pub(super) fn own(site: &Site) -> anyhow::Result<Own> {
    let strangers = strangers(site)?;
    // What is kept for good is no run's.
    let first = site.run()?;
    let before = site.server().resident_kib()?;
    let runs = (0..RUNS).map(|_| site.run()).collect::<anyhow::Result<Vec<_>>>()?;
    let after = site.server().resident_kib()?;
    let runs = [runs.len() as u64, after.saturating_sub(before)];
    drop(first);
    Ok(Own { strangers, runs })
}

fn begin(target: &Target) -> anyhow::Result<()> {
    let Some(watched) = target.watched else { return Ok(()) };
    watched.family()?.into_iter().try_for_each(|one| one.begin().map(drop))
}

fn busy(target: &Target) -> anyhow::Result<u64> {
    begin(target)?;
    let mut load = Load::open(&target.ways, BUSY)?;
    let flowed = load.closed(BUSY_SPAN)?;
    ensure!(flowed.answered > 0, "{} answers nothing", target.name);
    target.kib(Watched::peak_kib)
}

fn held(target: &Target, connections: usize) -> anyhow::Result<Held> {
    let before_kib = target.kib(Watched::resident_kib)?;
    let (mut lines, mut tried) = (Vec::new(), 0);
    for way in target.ways.iter().cycle().take(connections) {
        tried += 1;
        let called = Line::open(way).and_then(|mut line| Ok((line.call(&way.request)?, line)));
        if let Ok((200, line)) = called {
            lines.push(line);
        }
        if tried - lines.len() >= REFUSED_MAX {
            break;
        }
    }
    let after_kib = target.kib(Watched::resident_kib)?;
    Ok(Held { tried, served: lines.len(), before_kib, after_kib })
}

fn strangers(site: &Site) -> anyhow::Result<[usize; 2]> {
    let streams = (0..STRANGERS).map(|_| {
        let stream = dial(site.door())?;
        stream.set_nonblocking(true)?;
        Ok(stream)
    });
    let mut streams = streams.collect::<anyhow::Result<Vec<TcpStream>>>()?;
    sleep(SETTLE);
    streams.retain_mut(|stream| {
        let read = stream.read(&mut [0]);
        matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
    });
    Ok([STRANGERS, streams.len()])
}

fn large(target: &Target, pass: fn(&Way) -> anyhow::Result<()>) -> anyhow::Result<Large> {
    let Some(way) = target.ways.first() else { anyhow::bail!("no way to {}", target.name) };
    let before = target.kib(Watched::resident_kib)?;
    begin(target)?;
    let (passed, seconds) = timed(|| pass(way));
    let more_kib = target.kib(Watched::peak_kib)?.saturating_sub(before);
    let broke = passed.err().map(|error| format!("{error:#}"));
    Ok(Large { seconds, more_kib, broke })
}

fn down(way: &Way) -> anyhow::Result<()> {
    let request = String::from_utf8_lossy(&way.request).replace(PATH, "/v1/large");
    let mut line = Line::open(way)?;
    line.write_all(request.as_bytes())?;
    line.flush()?;
    let mut from = BufReader::with_capacity(64 * 1024, line);
    let head = head(&mut from)?;
    ensure!(status(&head) == 200, "{} answers `{}`", way.name, head.trim());
    Ok(skip_body(&mut from, &head)?)
}

fn up(way: &Way) -> anyhow::Result<()> {
    send(way, LARGE_BYTES)
}

/// Sends a body of so many bytes, whole pieces of 64 KiB, to what reads it and says 200.
pub(in crate::bench) fn send(way: &Way, bytes: u64) -> anyhow::Result<()> {
    let request = String::from_utf8_lossy(&way.request).replace(PATH, "/v1/sink");
    let request = request.replacen("GET", "POST", 1);
    let request = request.trim_end_matches("\r\n");
    let mut line = Line::open(way)?;
    write!(line, "{request}\r\nContent-Length: {bytes}\r\n\r\n")?;
    let piece = vec![0_u8; 64 * 1024];
    let mut left = bytes;
    while left > 0 {
        line.write_all(&piece)?;
        left = left.saturating_sub(piece.len() as u64);
    }
    line.flush()?;
    let mut from = BufReader::new(line);
    let head = head(&mut from)?;
    ensure!(status(&head) == 200, "{} answers `{}`", way.name, head.trim());
    Ok(skip_body(&mut from, &head)?)
}
