//! The load: connections to the proxy doors, each with one call under way at any time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::anyhow;

use super::site::{Plane, Site};
use crate::bench::clock::Clock;
use crate::bench::http::Client;

/// Before a door that hung up is tried again.
const PAUSE: Duration = Duration::from_millis(20);

/// What is called.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mix {
    /// GET: answered once it is committed.
    Reads,
    /// POST: answered once it is on disk.
    Writes,
    /// One of each in turn.
    Both,
}

/// One call: where, when its answer was there, how long it took. Status 0 where none came.
#[derive(Clone, Copy)]
pub(super) struct Sample {
    pub(super) door: usize,
    pub(super) at: Duration,
    pub(super) took: Duration,
    pub(super) status: u16,
}

impl Sample {
    pub(super) fn is_answered(&self) -> bool {
        self.status == 200
    }
}

/// Load that flows until it is ended.
pub(super) struct Load {
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<Sample>>>,
}

impl Load {
    /// Spread over the doors of the first servers of a plane, by all its runs.
    pub(super) fn start(site: &Site, plane: &Plane, servers: usize, mix: Mix) -> Self {
        let (clock, is_over) = (site.clock, Arc::new(AtomicBool::new(false)));
        let doors = plane.servers.iter().take(servers).map(|server| server.door);
        let doors: Vec<_> = doors.enumerate().collect();
        let doors = doors.into_iter().cycle();
        let threads = doors.zip(plane.runs.iter().cycle()).take(site.connections);
        let threads = threads.map(|((door, address), run)| {
            let requests = requests(&run.proof, mix);
            let is_over = Arc::clone(&is_over);
            thread::spawn(move || call_on((door, address), clock, &requests, &is_over))
        });
        let threads = threads.collect();
        Self { is_over, threads }
    }

    /// Ends it; every call there was.
    pub(super) fn end(self) -> anyhow::Result<Vec<Sample>> {
        self.is_over.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for thread in self.threads {
            all.extend(thread.join().map_err(|_| anyhow!("a thread of the load panicked"))?);
        }
        Ok(all)
    }
}

/// A request to a proxy door by a run of that proof; a body makes it a POST.
pub(in crate::bench) fn request(path: &str, proof: &str, body: Option<&str>) -> Vec<u8> {
    let method = if body.is_some() { "POST" } else { "GET" };
    let body = body.map(|body| format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    let rest = body.unwrap_or_else(|| "\r\n".to_owned());
    let host = super::HOST;
    format!(
        "{method} http://{host}{path} HTTP/1.1\r\nHost: {host}\r\n\
         Proxy-Authorization: Basic {proof}\r\n{rest}"
    )
    .into_bytes()
}

fn requests(proof: &str, mix: Mix) -> Vec<Vec<u8>> {
    let read = request("/v1/items/7", proof, None);
    let write = request("/v1/items", proof, Some(r#"{"title":"An item"}"#));
    match mix {
        Mix::Reads => vec![read],
        Mix::Writes => vec![write],
        Mix::Both => vec![read, write],
    }
}

fn call_on(
    (door, address): (usize, SocketAddr),
    clock: Clock,
    requests: &[Vec<u8>],
    is_over: &AtomicBool,
) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut client = None;
    for request in requests.iter().cycle() {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let begun = clock.now();
        let (status, kept) = one_call(client.take(), address, request);
        client = kept;
        let at = clock.now();
        samples.push(Sample { door, at, took: at.saturating_sub(begun), status });
        if status == 0 {
            thread::sleep(PAUSE);
        }
    }
    samples
}

/// A call on a kept connection or a new one; the connection too if it can be kept.
pub(super) fn one_call(
    kept: Option<Client>,
    door: SocketAddr,
    request: &[u8],
) -> (u16, Option<Client>) {
    let Ok(mut client) = kept.map_or_else(|| Client::connect(door), Ok) else { return (0, None) };
    match client.call(request) {
        Ok((status, true)) => (status, Some(client)),
        Ok((status, false)) => (status, None),
        Err(_) => (0, None),
    }
}
