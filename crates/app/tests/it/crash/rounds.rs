//! Round after round under load: a human acts, something is under way, the server is killed and
//! started again. Judged by the log, by what upstreams saw, and by what humans were promised.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::super::support::{Dice, GitHost, World};
use super::acts::{Act, KINDS, Kept, prepares};
use super::ledger::Ledger;
use super::scenes::{self, SCENES};
use super::{calls, witness};

/// Rounds of an ordinary run: every act once, every scene twice.
const ROUNDS: usize = 10;
const CLIENTS: usize = 2;
/// How far a round gets at most before it is cut, in milliseconds: a human's command takes half.
const CUT_MAX: usize = 500;
/// Of the budget of a day, which is never reached before the last round.
const CALLS_A_DAY: usize = 10_000_000;

struct Story {
    world: World,
    host: GitHost,
    dice: Dice,
    ledger: Ledger,
    kept: Vec<Kept>,
    witnessed: String,
}

impl Story {
    fn new(seed: u64) -> Self {
        let world = World::new();
        let host = scenes::hosts(&world);
        world.sets_budget(CALLS_A_DAY);
        let witnessed = witness(&world);
        let (dice, ledger) = (Dice::new(seed, 0), Ledger::default());
        Self { world, host, dice, ledger, kept: Vec::new(), witnessed }
    }

    fn goes_through(&mut self, round: usize) {
        let (kind, scene) = (round % KINDS, round % SCENES);
        let lasting = prepares(&self.world, kind, round);
        let (mut run, proxy) = self.world.door();
        let stop = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (proxy, stop) = (proxy.clone(), Arc::clone(&stop));
                thread::spawn(move || calls(&proxy, &format!("{round}-{client}"), &stop))
            })
            .collect();
        scenes::begins(&mut run, scene, round);
        let socket = scenes::speaks(&proxy, scene);
        let mut act = Act::begins(&self.world, (kind, round), &lasting);
        // Half of them at any moment, and half right after the human was answered.
        match self.dice.throw(2) {
            0 => thread::sleep(Duration::from_millis(self.dice.throw(CUT_MAX) as u64)),
            _ => act.is_answered(),
        }
        self.world.kill_server();
        stop.store(true, Ordering::SeqCst);
        for client in clients {
            client.join().unwrap();
        }
        socket.map(thread::JoinHandle::join).transpose().unwrap();
        drop(run);
        let kept = act.ends();
        // A command that found no server may have started one.
        self.world.stop_background();
        scenes::starts_again(&mut self.world, scene, &mut self.dice);
        if let Some(kept) = &kept {
            kept.is_in_force(&self.world);
        }
        lasting.goes_on(&self.world, round, kept.is_some());
        self.kept.extend(kept);
        scenes::a_fresh_plane_comes_up(scene, &mut self.dice);
        self.judges(round);
    }

    fn judges(&mut self, round: usize) {
        let verified = self.world.json(&["log", "verify", "--against", &self.witnessed]);
        assert_eq!(verified["ok"], true, "round {round}: {verified}");
        self.witnessed = witness(&self.world);
        // In this order: what happens in between is on record before it counts.
        let budget = self.world.budget();
        self.ledger.reads_on(&self.world);
        self.ledger.is_settled();
        self.ledger.agrees_with(&budget);
        self.ledger.covers(&self.world, &self.host);
        if let Some(kept) = self.kept.last() {
            kept.is_told(&self.ledger);
        }
    }

    /// The budget of the day ends where it was said to end, crash or no crash.
    fn spends_the_rest(&mut self) {
        self.world.sets_budget(self.ledger.calls() + 2);
        for call in 0..2 {
            let (_run, proxy) = self.world.door();
            proxy.asks("GET", &format!("http://plain.test/v1/last-{call}"), "", "").is(200, "");
            self.world.kill_server();
            self.world.serve();
        }
        let (_run, proxy) = self.world.door();
        proxy.asks("GET", "http://plain.test/v1/more", "", "").is(429, "calls_spent");
        self.judges(usize::MAX);
    }
}

// threats 141, 150, 153, 178
#[test]
#[expect(clippy::print_stdout, reason = "shown where it fails, and where rounds are asked for")]
fn whatever_a_kill_interrupts_what_was_answered_stands_and_nothing_happened_off_the_record() {
    let number = |name: &str| std::env::var(name).ok().and_then(|said| said.parse::<u64>().ok());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = number("MARQUE_CRASH_SEED").unwrap_or(now.subsec_nanos().into());
    let rounds = number("MARQUE_CRASH_ROUNDS").map_or(ROUNDS, |said| said.try_into().unwrap());
    println!("MARQUE_CRASH_SEED={seed}");
    let mut story = Story::new(seed);
    for round in 0..rounds {
        story.goes_through(round);
    }
    story.spends_the_rest();
    for kept in &story.kept {
        kept.is_told(&story.ledger);
    }
    let (promised, unknown) = (story.kept.len(), story.ledger.unknown());
    println!("{rounds} rounds: {} calls, {unknown} unknown, {promised} acts", story.ledger.calls());
    assert!(unknown > 0, "no crash came between an intent and its outcome");
}
