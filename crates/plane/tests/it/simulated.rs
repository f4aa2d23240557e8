//! A seeded simulator: servers that are steered, broken and killed at random, held after every
//! step against a plain model that only reads the log.
//!
//! One seed is one history: the dice, the plane's randomness, its clock and, in memory, the timers
//! and every commit follow from it, on one thread. What could still differ between two tellings:
//! the bytes of the certificate authorities of runs, which the system's generator makes and no
//! entry holds; and the histories on files, where commits and syncs have threads of their own and
//! timers go by the machine's clock.
//!
//! `MARQUE_SIM_SEED=N` tells that history alone, `MARQUE_SIM_RUNS=N` as many as that.

mod acts;
mod dice;
mod history;
mod humans;
mod model;
mod proofs;
mod rules;
mod sim;

use std::iter::repeat_with;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use history::{Plot, tell};
use sim::Tally;

const APPROVAL_TTL: Duration = Duration::from_secs(15 * 60);
/// Histories of an ordinary test run; see `docs/development/testing.md` for what they take.
const RUNS: u64 = 2_000;
const RUNS_ON_FILES: u64 = 8;
/// Threads that tell histories, each its own.
const TELLERS: usize = 2;

#[test]
fn whatever_happens_what_was_promised_holds() {
    many(RUNS, Plot::default());
}

#[test]
fn it_holds_on_files_with_threads_and_syncs_that_fail() {
    many(RUNS_ON_FILES, Plot { on_files: true, ..Plot::default() });
}

#[test]
fn one_seed_is_one_history() {
    for seed in 0..6 {
        let [one, other] = [(); 2].map(|()| tell(seed, Plot::default()).unwrap());
        assert_eq!(one.steps, other.steps);
        assert_eq!(one.leaves, other.leaves);
    }
}

// A store that loses what it said it kept.
#[test]
fn a_store_that_lies_is_found_out() {
    let found = |seed| tell(seed, Plot { lies_at: Some(20), ..Plot::default() }).is_err();
    let found = (0..20).filter(|seed| found(*seed)).count();
    assert!(found >= 12, "of 20 lies {found} were found; some lie where nothing was committed");
}

// A kill that everybody was told of and that did not land.
#[test]
fn a_kill_that_did_not_land_is_found_out() {
    let plot = Plot { imagines_a_kill_at: Some(25), ..Plot::default() };
    let found = (0..40).filter(|seed| tell(*seed, plot).is_err()).count();
    assert!(found >= 10, "of 40 kills that did not land {found} were found");
}

#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "it says how much it tried, and how long that took"
)]
fn many(usual: u64, plot: Plot) {
    let asked = |name: &str| std::env::var(name).ok().map(|number| number.parse().unwrap());
    let seeds = match asked("MARQUE_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..asked("MARQUE_SIM_RUNS").unwrap_or(usual),
    };
    let (histories, begun) = (seeds.end - seeds.start, std::time::Instant::now());
    let next = AtomicU64::new(seeds.start);
    let tells = || {
        let mut sum = Tally::default();
        let due = repeat_with(|| next.fetch_add(1, Ordering::SeqCst));
        for seed in due.take_while(|seed| *seed < seeds.end) {
            let told = tell(seed, plot).unwrap_or_else(|wrong| panic!("{wrong}"));
            sum.add(told.tally);
        }
        sum
    };
    let mut sum = Tally::default();
    thread::scope(|scope| {
        let tellers = [(); TELLERS].map(|()| scope.spawn(tells));
        for teller in tellers {
            sum.add(teller.join().expect("a promise was broken"));
        }
    });
    println!("{histories} histories in {:.1} s: {sum:?}", begun.elapsed().as_secs_f64());
}
