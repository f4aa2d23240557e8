//! Random clients and random faults on three servers, and one history in the end.
//!
//! In the manner of Jepsen: clients, humans and faults go on by themselves; what each client saw is
//! written down with one clock; then the log is read as one order of events, and judged against
//! what was seen. A seed is printed, which repeats the dice but not the threads.

mod cast;
mod cluster;
mod facts;
mod faults;
mod judge;

use std::thread;
use std::time::Duration;

use cast::{calls, governs, opens};
use cluster::Cluster;

use judge::Judge;
use marque_testkit::PostgresServer;

use super::super::support::Dice;

const CLIENTS: u64 = 4;
const HUMANS: u64 = 2;
/// How long everything goes on after the last of them.
const CALM: Duration = Duration::from_secs(1);

// threats 141, 143, 153, 154, 178
#[test]
#[expect(clippy::print_stdout, reason = "shown where it fails")]
fn whatever_breaks_the_log_is_one_order_in_which_every_act_was_allowed() {
    let Some(database) = PostgresServer::start() else { return };
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let cluster = Cluster::new(database);
    let (cluster, dice) = (&cluster, |whose| Dice::new(seed, whose));
    let seen = thread::scope(|scope| {
        let callers: Vec<_> = (0..CLIENTS)
            .map(|client| scope.spawn(move || calls(cluster, client, dice(client))))
            .collect();
        let humans: Vec<_> = (CLIENTS..CLIENTS + HUMANS)
            .map(|human| scope.spawn(move || governs(cluster, dice(human))))
            .collect();
        let opener = scope.spawn(move || opens(cluster, dice(100)));
        let happened = faults::happen(cluster, dice(101));
        thread::sleep(CALM);
        cluster.ends();
        opener.join().unwrap();
        let asked = callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect();
        let done = humans.into_iter().flat_map(|human| human.join().unwrap()).collect();
        judge::Seen { asked, done, happened }
    });
    cluster.is_well();
    // What was in doubt while a server lived is settled when it starts.
    cluster.restarts();
    Judge::of(cluster).judges(&seen, cluster);
}
