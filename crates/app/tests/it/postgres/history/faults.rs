//! What happens to three servers and their database.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::super::super::support::Dice;
use super::super::super::support::signal;
use super::cluster::{Cluster, SERVERS};

/// The shortest time that a killed server is gone.
const LEAST: Duration = Duration::from_millis(150);

/// Faults there are at least, and calls and changes that go through meanwhile.
pub(super) const FAULTS: usize = 8;
pub(super) const ANSWERS: usize = 40;
pub(super) const CHANGES: usize = 8;
/// How long that may take; then the judgement says what is missing.
const PATIENCE: Duration = Duration::from_secs(90);

/// Lets faults happen until enough was done under them, and mends the last. What happened.
pub(super) fn happen(cluster: &Cluster, mut dice: Dice) -> Vec<String> {
    let until = Instant::now() + PATIENCE;
    let mut happened = Vec::new();
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    while Instant::now() < until
        && (happened.len() < FAULTS
            || count(&cluster.answered) < ANSWERS
            || count(&cluster.changed) < CHANGES)
    {
        let calm = u64::try_from(300 + dice.throw(700)).unwrap();
        std::thread::sleep(Duration::from_millis(calm));
        let server = dice.throw(SERVERS);
        let while_ = Duration::from_millis(u64::try_from(dice.throw(2_000)).unwrap());
        happened.push(match dice.throw(6) {
            0 | 1 => {
                cluster.kills(server, LEAST + while_ / 2);
                format!("server {server} killed")
            }
            2 | 3 => {
                let pid = cluster.with(server, |marque| marque.server_pid().unwrap());
                signal(pid, Signal::STOP);
                std::thread::sleep(while_);
                signal(pid, Signal::CONT);
                format!("server {server} paused for {while_:?}")
            }
            4 => {
                cluster.database.lock().unwrap().end_sessions();
                "sessions ended".to_owned()
            }
            _ => {
                cluster.database.lock().unwrap().crash_and_restart();
                "database crashed".to_owned()
            }
        });
    }
    happened
}
