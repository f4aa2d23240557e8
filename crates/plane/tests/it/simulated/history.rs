//! One seed, one history: servers that start, live for some steps, and die.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use marque_store::CommitFault;
use tokio::runtime::{Builder, Runtime};

use super::humans::AGENTS;
use super::model::Wrong;
use super::sim::{Ground, Sim, Tally};

/// Steps of a history, at least and at most.
const STEPS: (u64, u64) = (40, 160);

/// What happens, and how often among all that does.
const DRAWN: [(u64, &str); 22] = [
    (40, "a call"),
    (6, "a grant"),
    (3, "a revocation"),
    (9, "a run"),
    (4, "a child"),
    (10, "a permit is used"),
    (4, "bytes move"),
    (5, "an act ends"),
    (10, "an answer"),
    (3, "a rotation"),
    (1, "a connection goes"),
    (2, "a connection"),
    (3, "a kill"),
    (5, "time"),
    (2, "a run ends"),
    (1, "a hold"),
    (1, "a hold is lost"),
    (1, "limits"),
    (1, "an agent"),
    (3, "a checkpoint"),
    (2, "a look"),
    (4, "a fault"),
];

/// What a history is told with.
#[derive(Clone, Copy, Default)]
pub(super) struct Plot {
    pub(super) on_files: bool,
    /// The store lies once, in that step.
    pub(super) lies_at: Option<u64>,
    /// A kill is taken for acknowledged that nobody gave, in that step.
    pub(super) imagines_a_kill_at: Option<u64>,
}

/// What a history came to: its leaves and steps, to be held against another telling.
pub(super) struct Told {
    pub(super) tally: Tally,
    pub(super) steps: Vec<String>,
    pub(super) leaves: Vec<marque_domain::Digest>,
}

enum Next {
    AnotherServer,
    End,
}

/// Tells the history of a seed. What is wrong comes with the seed and all steps up to it.
pub(super) fn tell(seed: u64, plot: Plot) -> Result<Told, Wrong> {
    let mut sim = Sim::new(seed, plot.on_files);
    let length = STEPS.0 + sim.dice.below(STEPS.1 - STEPS.0);
    loop {
        let runtime = runtime(plot.on_files);
        let life = AssertUnwindSafe(|| runtime.block_on(sim.lives(length, plot)));
        let next = catch_unwind(life).unwrap_or_else(|_| Err("it panicked".to_owned()));
        if next.is_err() {
            // A lease that is dropped spawns.
            let _inside = runtime.enter();
            sim.gives_up();
        }
        drop(runtime);
        match next {
            Ok(Next::AnotherServer) => {}
            Ok(Next::End) => break,
            Err(wrong) => {
                let steps = sim.trace.join("\n");
                return Err(format!("{wrong}\nMARQUE_SIM_SEED={seed}, its steps:\n{steps}"));
            }
        }
    }
    Ok(Told { tally: sim.tally, steps: sim.trace, leaves: sim.model.leaves })
}

// In memory the timers go by hands too, so that the reaper comes when a step lets time pass.
fn runtime(on_files: bool) -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(!on_files).build().unwrap()
}

impl Sim {
    async fn lives(&mut self, length: u64, plot: Plot) -> Result<Next, Wrong> {
        self.trace.push("a server starts".to_owned());
        if !self.start()? {
            return Ok(Next::AnotherServer);
        }
        self.must_be_kept()?;
        self.absorb()?;
        self.model.must_be_settled()?;
        if self.model.leaves.is_empty() {
            self.settles_in().await?;
        }
        self.come_back()?;
        for _ in 0..2 {
            self.opens().await?;
        }
        loop {
            self.tally.steps += 1;
            (self.has_struck, self.high) = (false, self.high.max(self.now()));
            if plot.lies_at == Some(self.tally.steps) {
                self.chooses(0, CommitFault::Lies);
            }
            if plot.imagines_a_kill_at == Some(self.tally.steps) {
                self.model.runs.values_mut().for_each(|run| run.is_killed = true);
            }
            if let Some(next) = self.may_die(length).await? {
                return Ok(next);
            }
            self.steps().await?;
            self.settle().await;
            self.absorb()?;
            self.the_closed_are_cut()?;
            self.budgets_hold()?;
        }
    }

    async fn may_die(&mut self, length: u64) -> Result<Option<Next>, Wrong> {
        let is_over = self.tally.steps >= length;
        if is_over {
            self.trace.push("the end".to_owned());
            self.faults.clear();
            self.must_be_kept()?;
            self.verifies()?;
        }
        let dies_at = if self.is_stuck { 3 } else { 50 };
        if !is_over && !self.dice.once_in(dies_at) {
            return Ok(None);
        }
        if is_over || self.dice.once_in(3) {
            self.trace.push("the server is stopped".to_owned());
            self.permits.clear();
            self.leases.clear();
            let plane = self.front();
            plane.stop().await;
            self.absorb()?;
            self.gives_up();
        } else {
            self.trace.push("the server dies".to_owned());
            self.dies();
        }
        Ok(Some(if is_over { Next::End } else { Next::AnotherServer }))
    }

    fn come_back(&mut self) -> Result<(), Wrong> {
        for _ in 0..self.dice.below(4) {
            self.holds()?;
        }
        Ok(())
    }

    async fn steps(&mut self) -> Result<(), Wrong> {
        let (word, agent) = (self.draws(), self.dice.one_of(&AGENTS));
        self.trace.push(format!("{} {word}", self.tally.steps));
        match word {
            "a grant" => self.grants(agent).await,
            "a revocation" => self.revokes().await,
            "a run" => self.opens().await,
            "a child" => self.opens_a_child().await,
            "a permit is used" => self.opens_what_was_given(),
            "bytes move" => self.moves_bytes().await,
            "an act ends" => self.brings_to_an_end().await,
            "an answer" => self.answers_a_question().await,
            "a rotation" => self.rotates().await,
            "a connection goes" => self.disconnects().await,
            "a connection" => self.connects().await,
            "a kill" => self.kills().await,
            "time" => self.time_passes().await,
            "a run ends" => self.ends().await,
            "a hold" => self.holds(),
            "a hold is lost" => self.loses_its_hold().await,
            "limits" => self.limits(agent).await,
            "an agent" => self.stops_an_agent().await,
            "a checkpoint" => self.checkpoints().await,
            "a look" => self.shows().await,
            "a fault" => {
                self.breaks();
                Ok(())
            }
            _ => self.calls().await,
        }
    }

    fn draws(&mut self) -> &'static str {
        let mut left = self.dice.below(DRAWN.iter().map(|(weight, _)| weight).sum());
        for (weight, word) in DRAWN {
            if left < weight {
                return word;
            }
            left -= weight;
        }
        "a call"
    }

    async fn time_passes(&mut self) -> Result<(), Wrong> {
        let seconds = self.dice.one_of(&[1, 1, 10, 35, 70, 950, 4_000, 90_000]);
        let span = Duration::from_secs(seconds);
        let is_back = self.dice.once_in(4);
        self.trace.push(format!("    {}{seconds} s", if is_back { "-" } else { "" }));
        if is_back {
            self.clock.step_back(span);
        } else {
            self.clock.advance(span);
            self.high = self.high.max(self.now());
        }
        // Once in a while nobody looks after what is over before the next step.
        if !self.dice.once_in(3) {
            let millis = if matches!(self.ground, Ground::Files(_)) { 270 } else { 600 };
            tokio::time::sleep(Duration::from_millis(millis)).await;
        }
        Ok(())
    }

    fn breaks(&mut self) {
        let fails_sync = matches!(self.ground, Ground::Files(_)) && self.dice.once_in(3);
        let fault = self.dice.one_of(&[
            CommitFault::Fails,
            CommitFault::Repeats,
            CommitFault::DoubtUndone,
            CommitFault::DoubtKept,
        ]);
        let skipped = self.dice.below(3);
        if fails_sync {
            self.trace.push("    a sync will fail".to_owned());
            self.chosen = Some(CommitFault::DoubtKept);
            self.faults.clear();
            self.faults.fail_sync();
        } else {
            self.chooses(skipped, fault);
        }
    }

    fn chooses(&mut self, skipped: u64, fault: CommitFault) {
        self.trace.push(format!("    {fault:?} after {skipped}"));
        self.chosen = Some(fault);
        self.faults.clear();
        self.faults.choose(skipped, fault);
    }
}
