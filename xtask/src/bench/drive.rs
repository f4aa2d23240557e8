//! A load of HTTP/1.1 calls from one thread: many connections, each with one call under way.
//!
//! Closed: every connection calls again as soon as it is answered. Open: calls are due at a fixed
//! rate whatever becomes of them, and each is timed from when it was due, so that a server that
//! stands still cannot hide those that had to wait (coordinated omission).
//!
//! One thread with epoll(7), so that the load takes as little of the shared cores as it can, and
//! the same of each that is measured.

mod answer;
mod line;
mod tls;
mod way;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::fs::Timespec;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

pub(super) use self::line::Line;
pub(super) use self::tls::Trust;
pub(super) use self::way::{Way, connect};
use super::clock::Clock;

/// Events that are taken at once.
const EVENTS: usize = 256;
/// What the timer's events carry instead of a connection's number.
const TIMER: u64 = u64::MAX;
/// How often a wait looks at the time by itself.
const GLANCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// How long calls under way may take to be answered at last.
const SETTLING: Duration = Duration::from_secs(20);
/// Connections that may be lost before a load gives up.
const LOST_MAX: usize = 1000;

/// What became of the calls of one span.
#[derive(Debug, Default)]
pub(super) struct Flowed {
    pub(super) seconds: f64,
    /// Milliseconds of each answered call; open: from when it was due. Those that were due and
    /// have no answer yet are among them, with what they waited so far.
    pub(super) millis: Vec<f64>,
    /// Calls that were answered with 200.
    pub(super) answered: u64,
    /// Calls with another answer, or with none because the connection broke.
    pub(super) failed: u64,
    /// What the last of those was answered; 0 where its connection broke.
    pub(super) last_failure: Option<u16>,
    /// Calls that were due and had no answer at the end of the span.
    pub(super) owed: u64,
}

/// Connections to one target, and what is under way on them.
pub(super) struct Load<'a> {
    clock: Clock,
    queue: OwnedFd,
    places: Vec<Place<'a>>,
    /// What is asked next, where no request is made twice.
    feed: Option<VecDeque<Vec<u8>>>,
    lost: usize,
}

/// A connection, the way it was opened, and since when its call is under way.
struct Place<'a> {
    way: &'a Way,
    line: Line,
    since: Option<Duration>,
}

impl<'a> Load<'a> {
    /// Opens so many connections, over the ways in turn.
    pub(super) fn open(ways: &'a [Way], connections: usize) -> anyhow::Result<Self> {
        let queue = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let (clock, places) = (Clock::start(), Vec::new());
        let mut load = Self { clock, queue, places, feed: None, lost: 0 };
        for way in ways.iter().cycle().take(connections) {
            let line = load.connect(way, load.places.len())?;
            load.places.push(Place { way, line, since: None });
        }
        Ok(load)
    }

    fn connect(&self, way: &Way, number: usize) -> anyhow::Result<Line> {
        let line = Line::open(way).with_context(|| format!("no connection to {}", way.name))?;
        line.socket().set_nonblocking(true)?;
        let data = EventData::new_u64(u64::try_from(number)?);
        epoll::add(&self.queue, line.socket(), data, EventFlags::IN)?;
        Ok(line)
    }

    /// Asks these from now on, each once, and instead of what the ways ask. A span ends with them.
    pub(super) fn feed(&mut self, requests: Vec<Vec<u8>>) {
        self.feed = Some(requests.into());
    }

    /// Waits until nothing is under way any more.
    pub(super) fn settle(&mut self) -> anyhow::Result<()> {
        let begin = self.clock.now();
        while self.places.iter().any(|place| place.since.is_some()) {
            ensure!(self.clock.now() < begin + SETTLING, "calls are not answered");
            for number in self.ready()? {
                self.hear(number, &mut Flowed::default())?;
            }
        }
        Ok(())
    }

    fn is_dry(&self) -> bool {
        self.feed.as_ref().is_some_and(VecDeque::is_empty)
    }

    /// Calls on all connections for so long, each anew as soon as it is answered.
    pub(super) fn closed(&mut self, span: Duration) -> anyhow::Result<Flowed> {
        let (begin, mut flowed) = (self.clock.now(), Flowed::default());
        for number in 0..self.places.len() {
            if self.places.get(number).is_some_and(|place| place.since.is_none()) {
                self.ask(number, self.clock.now())?;
            }
        }
        while self.clock.now() < begin + span && !self.is_dry() {
            for number in self.ready()? {
                if self.hear(number, &mut flowed)? {
                    self.ask(number, self.clock.now())?;
                }
            }
        }
        flowed.seconds = self.clock.now().saturating_sub(begin).as_secs_f64();
        Ok(flowed)
    }

    /// Calls that are due so often a second for so long, over whichever connection is free.
    pub(super) fn open_loop(&mut self, rate: u32, span: Duration) -> anyhow::Result<Flowed> {
        let (step, mut flowed) = (Duration::from_secs(1) / rate.max(1), Flowed::default());
        // ORDER: the timer fires just behind each call that is due, not just before it.
        let begin = self.clock.now();
        let timer = self.tick(step)?;
        let (mut due, mut waiting) = (begin, VecDeque::new());
        let is_free = |place: &Place<'_>| place.since.is_none();
        let free = self.places.iter().enumerate().filter(|(_, place)| is_free(place));
        let mut free: Vec<usize> = free.map(|(number, _)| number).collect();
        while self.clock.now() < begin + span && !self.is_dry() {
            let ready = self.ready()?;
            // It goes on only once it is read.
            let _ticks = rustix::io::read(&timer, &mut [0; 8]);
            for number in ready {
                if self.hear(number, &mut flowed)? {
                    free.push(number);
                }
            }
            while due <= self.clock.now().min(begin + span) {
                waiting.push_back(due);
                due += step;
            }
            while !waiting.is_empty()
                && let Some(number) = free.pop()
                && let Some(since) = waiting.pop_front()
            {
                self.ask(number, since)?;
            }
        }
        let end = self.clock.now();
        let under_way = self.places.iter().filter_map(|place| place.since);
        let owed: Vec<f64> =
            under_way.chain(waiting).map(|since| millis(end.saturating_sub(since))).collect();
        flowed.owed = owed.len() as u64;
        flowed.millis.extend(owed);
        flowed.seconds = end.saturating_sub(begin).as_secs_f64();
        Ok(flowed)
    }

    /// A timer among the events, which ends with what is returned.
    fn tick(&self, step: Duration) -> anyhow::Result<OwnedFd> {
        let timer = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK,
        )?;
        let step = Timespec { tv_sec: 0, tv_nsec: i64::from(step.subsec_nanos()) };
        ensure!(step.tv_nsec > 0, "at least two calls a second");
        let each = Itimerspec { it_interval: step, it_value: step };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &each)?;
        epoll::add(&self.queue, &timer, EventData::new_u64(TIMER), EventFlags::IN)?;
        Ok(timer)
    }

    /// Connections with something to read.
    fn ready(&self) -> anyhow::Result<Vec<usize>> {
        let mut events = Vec::with_capacity(EVENTS);
        epoll::wait(&self.queue, spare_capacity(&mut events), Some(&GLANCE))?;
        let numbers = events.iter().map(|event: &epoll::Event| event.data.u64());
        Ok(numbers.filter_map(|number| usize::try_from(number).ok()).collect())
    }

    fn ask(&mut self, number: usize, since: Duration) -> anyhow::Result<()> {
        let Some(way) = self.places.get(number).map(|place| place.way) else { return Ok(()) };
        let (Some(request), Some(place)) = (self.next(way), self.places.get_mut(number)) else {
            return Ok(());
        };
        place.since = Some(since);
        if let Err(error) = place.line.ask(&request) {
            self.replace(number, &error.to_string())?;
        }
        Ok(())
    }

    fn next(&mut self, way: &'a Way) -> Option<Cow<'a, [u8]>> {
        match &mut self.feed {
            None => Some(Cow::Borrowed(&way.request)),
            Some(feed) => feed.pop_front().map(Cow::Owned),
        }
    }

    /// Reads what came; whether the connection is free again.
    fn hear(&mut self, number: usize, flowed: &mut Flowed) -> anyhow::Result<bool> {
        // The timer has no place.
        let Some(place) = self.places.get_mut(number) else { return Ok(false) };
        let (lost, status) = match place.line.hear() {
            Ok(None) => return Ok(false),
            Ok(Some(heard)) if heard.is_kept => (None, heard.status),
            Ok(Some(heard)) => (Some(format!("after a {}", heard.status)), heard.status),
            Err(error) => (Some(error.to_string()), 0),
        };
        if let Some(since) = place.since.take() {
            flowed.millis.push(millis(self.clock.now().saturating_sub(since)));
            if status == 200 {
                flowed.answered += 1;
            } else {
                flowed.failed += 1;
                flowed.last_failure = Some(status);
            }
        }
        if let Some(why) = lost {
            self.replace(number, &why)?;
        }
        Ok(true)
    }

    fn replace(&mut self, number: usize, why: &str) -> anyhow::Result<()> {
        self.lost += 1;
        let Some(place) = self.places.get(number) else { return Ok(()) };
        let (way, since) = (place.way, place.since);
        let name = &way.name;
        ensure!(self.lost <= LOST_MAX, "{name} closes connections all the time: {why}");
        // The queue forgets a socket that is closed.
        let mut line = self.connect(way, number)?;
        let again = since.and_then(|_| self.next(way));
        if let Some(request) = &again {
            line.ask(request).with_context(|| format!("{name} takes no request"))?;
        }
        if let Some(place) = self.places.get_mut(number) {
            place.line = line;
            place.since = since.filter(|_| again.is_some());
        }
        Ok(())
    }
}

fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests;
