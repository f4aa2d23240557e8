//! A run's calls at one proxy door that go on until they are ended: an endless answer, and short
//! calls one after the other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, anyhow};

use super::load::{one_call, request};
use super::upstream::{ENDLESS, NOTED};
use crate::bench::clock::{Clock, eventually};
use crate::bench::http::Client;

/// How long a door may take to hear of a run.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two calls, so that they do not drown everything else.
const PAUSE: Duration = Duration::from_millis(2);
const FORBIDDEN: u16 = 403;

/// Something that flows until it is cut, or is over.
pub(super) struct Flow {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Option<Duration>>,
}

impl Flow {
    /// An endless answer, of which the first byte has come.
    pub(super) fn stream(clock: Clock, door: SocketAddr, proof: &str) -> anyhow::Result<Self> {
        let endless = request(&format!("{ENDLESS}a"), proof, None);
        let opened = eventually(PATIENCE, || {
            let mut client = Client::connect(door)?;
            Ok((client.begin(&endless)? == 200).then_some(client))
        })?;
        let mut client = opened.context("a door does not open a stream")?;
        client.more()?;
        Ok(Self::until(move |is_over| {
            while !is_over.load(Ordering::Relaxed) {
                if !matches!(client.more(), Ok(1..)) {
                    return Some(clock.now());
                }
            }
            None
        }))
    }

    /// Calls that the upstream notes under that number; it goes on after the first refusal.
    pub(super) fn calls(clock: Clock, door: SocketAddr, proof: &str, number: usize) -> Self {
        let noted = request(&format!("{NOTED}{number}"), proof, None);
        Self::until(move |is_over| {
            let (mut kept, mut refused) = (None, None);
            while !is_over.load(Ordering::Relaxed) {
                let (status, client) = one_call(kept.take(), door, &noted);
                kept = client;
                if status == FORBIDDEN {
                    refused = refused.or_else(|| Some(clock.now()));
                }
                thread::sleep(PAUSE);
            }
            refused
        })
    }

    fn until(go_on: impl FnOnce(&AtomicBool) -> Option<Duration> + Send + 'static) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        Self { is_over, thread: thread::spawn(move || go_on(&told)) }
    }

    /// Ends it; when it was cut or first refused, if it was.
    pub(super) fn end(self) -> anyhow::Result<Option<Duration>> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("a thread of the benchmark panicked"))
    }
}
