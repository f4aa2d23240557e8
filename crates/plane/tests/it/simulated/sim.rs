//! One history under way: the plane, the world around it, and what must hold after each step.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use marque_crypto::Secret;
use marque_domain::{Event, Id, LogEntry, Run, Tier, Verb};
use marque_plane::{
    Acting, AdminError, AdminKind, Lease, Peer, Permit, Presented, ProcessKey, Settings,
};
use marque_store::{CommitFault, FaultSwitch, Faults, OpenOptions, Store};
use marque_testkit::{FilePlane, MockClock, Setup, TestPlane};

use super::dice::Dice;
use super::model::{Model, Wrong, must};

/// What stays when a server dies.
pub(super) enum Ground {
    Memory(Store),
    Files(FilePlane),
}

/// A run as its launcher knows it, whatever server there is.
pub(super) struct Runner {
    pub(super) id: Id<Run>,
    pub(super) secret: String,
    pub(super) launcher: Peer,
    pub(super) tier: Tier,
}

/// A permit, and the credential it must open.
pub(super) struct Held {
    pub(super) permit: Permit,
    pub(super) run: Id<Run>,
    pub(super) secret: u64,
}

/// A use of a credential that is not over.
pub(super) struct Leased {
    pub(super) lease: Lease,
    pub(super) run: Id<Run>,
    pub(super) taken: u64,
}

/// How much was tried.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) steps: u64,
    pub(super) starts: u64,
    pub(super) permits: u64,
    pub(super) opened: u64,
    pub(super) faults: u64,
    pub(super) entries: u64,
}

pub(super) struct Sim {
    pub(super) dice: Dice,
    pub(super) model: Model,
    pub(super) ground: Ground,
    pub(super) clock: Arc<MockClock>,
    pub(super) faults: FaultSwitch,
    pub(super) plane: Option<TestPlane>,
    pub(super) runners: Vec<Runner>,
    pub(super) permits: Vec<Held>,
    pub(super) leases: Vec<Leased>,
    pub(super) checkpoints: Vec<marque_plane::view::CheckpointView>,
    /// How often a connection was tried to be made.
    pub(super) connections: u64,
    pub(super) pids: u32,
    /// Runs that a kill cut which is not on record: nobody can say what becomes of them.
    pub(super) cut: BTreeSet<Id<Run>>,
    /// The fault that was chosen and has not struck.
    pub(super) chosen: Option<CommitFault>,
    /// Whether one struck in this step.
    pub(super) has_struck: bool,
    /// Whether one struck since the server started, which may not have written since.
    pub(super) has_faltered: bool,
    /// Whether the store has what the server does not know: it refuses everything until the next.
    pub(super) is_stuck: bool,
    /// The latest the clock ever showed.
    pub(super) high: marque_domain::Timestamp,
    pub(super) trace: Vec<String>,
    pub(super) tally: Tally,
}

impl Sim {
    pub(super) fn new(seed: u64, on_files: bool) -> Self {
        let faults = FaultSwitch::default();
        let ground = if on_files {
            Ground::Files(FilePlane::new())
        } else {
            Ground::Memory(Store::in_memory_with(options(&faults)).unwrap())
        };
        let clock = match &ground {
            Ground::Files(home) => Arc::clone(home.clock()),
            Ground::Memory(_) => Arc::default(),
        };
        let high = marque_plane::Clock::now(&*clock);
        Self {
            dice: Dice::new(seed),
            model: Model::default(),
            ground,
            clock,
            faults,
            plane: None,
            runners: Vec::new(),
            permits: Vec::new(),
            leases: Vec::new(),
            checkpoints: Vec::new(),
            connections: 0,
            pids: 20_000,
            cut: BTreeSet::new(),
            chosen: None,
            has_struck: false,
            has_faltered: false,
            is_stuck: false,
            high,
            trace: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// Starts a server on what there is. `false` if a fault kept it from starting.
    pub(super) fn start(&mut self) -> Result<bool, Wrong> {
        self.tally.starts += 1;
        let seed = self.tally.starts << 32;
        let setup =
            Setup { store: options(&self.faults), seed, settings: settings(), ..Setup::default() };
        let started = match &self.ground {
            Ground::Memory(store) => {
                TestPlane::on_store(store.clone(), setup, Arc::clone(&self.clock))
            }
            Ground::Files(home) => home.try_start(setup),
        };
        self.note_faults();
        match started {
            Ok(plane) => {
                self.plane = Some(plane);
                (self.is_stuck, self.has_struck, self.has_faltered) = (false, false, false);
                self.cut.clear();
                Ok(true)
            }
            Err(error) => {
                self.trace.push(format!("    no start: {error}"));
                let struck = std::mem::take(&mut self.has_struck);
                must(struck, || format!("without a fault there is no start: {error}"))?;
                Ok(false)
            }
        }
    }

    /// Ends the server as a crash does: nothing that waits in its memory is done.
    pub(super) fn dies(&mut self) {
        if let Ground::Files(home) = &self.ground {
            // What it does from here on is nobody's.
            let left = home.as_after_a_crash();
            self.ground = Ground::Files(left);
        }
        self.gives_up();
    }

    /// What only this server knew is gone. The tasks that would have recorded an outcome were made
    /// and are never run: the runtime ends first.
    pub(super) fn gives_up(&mut self) {
        self.permits.clear();
        self.leases.clear();
        self.plane = None;
    }

    pub(super) fn front(&self) -> TestPlane {
        self.plane.clone().unwrap()
    }

    pub(super) async fn alice(&self) -> Result<Acting<marque_domain::User>, Wrong> {
        let plane = self.front();
        let alice = plane.alice();
        let proven = plane.plane().identify(alice.peer(), Some(alice.factor()), false).await;
        proven.map_err(|error| format!("alice cannot prove herself: {error}"))
    }

    pub(super) fn now(&self) -> marque_domain::Timestamp {
        marque_plane::Clock::now(&*self.clock)
    }

    /// Reads what is new in the log, past the plane, and holds it against the model.
    pub(super) fn absorb(&mut self) -> Result<Vec<LogEntry>, Wrong> {
        self.note_faults();
        let from = self.model.leaves.len() as u64;
        let read = self.front().store().read("sim.log", |tx| tx.entries(from, 100_000));
        let stored = read.map_err(|error| format!("the log cannot be read: {error}"))?;
        self.tally.entries += stored.len() as u64;
        stored.iter().map(|entry| self.model.absorb(entry)).collect()
    }

    /// Everything that was ever seen is still there, read from the first entry on.
    pub(super) fn must_be_kept(&self) -> Result<(), Wrong> {
        let read = self.front().store().read("sim.log", |tx| tx.entries(0, 1_000_000));
        let stored = read.map_err(|error| format!("the log cannot be read: {error}"))?;
        let leaves: Vec<_> = stored.iter().map(|entry| entry.leaf).collect();
        self.model.must_be_kept(&leaves)
    }

    /// Holds the answer to a human's verb against the log.
    pub(super) fn answered<R>(
        &mut self,
        verb: Verb,
        answer: Result<R, AdminError>,
    ) -> Result<Option<R>, Wrong> {
        let news = self.absorb()?;
        let is_there = news
            .iter()
            .any(|entry| matches!(&entry.event, Event::Changed(change) if change.verb == verb));
        match answer {
            Ok(answer) => {
                must(is_there, || format!("{verb:?} was acknowledged, and is not in the log"))?;
                Ok(Some(answer))
            }
            Err(error) => {
                self.trace.push(format!("    {:?}: {error}", error.kind));
                self.may_fail(&error)?;
                must(!is_there || self.has_struck, || {
                    format!("{verb:?} was refused, and is done")
                })?;
                Ok(None)
            }
        }
    }

    /// Nothing is unavailable but for a fault.
    pub(super) fn may_fail(&self, error: &AdminError) -> Result<(), Wrong> {
        let is_fault = self.has_struck || self.is_stuck;
        must(error.kind != AdminKind::Unavailable || is_fault, || {
            format!("it fails without a fault: {error}")
        })
    }

    /// Lets what was spawned run.
    pub(super) async fn settle(&mut self) {
        if matches!(self.ground, Ground::Files(_)) {
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
    }

    /// How often that is done before something counts as not done: on files, threads write as soon
    /// as the machine lets them.
    pub(super) fn settles(&self) -> usize {
        if matches!(self.ground, Ground::Files(_)) { 2_000 } else { 1 }
    }

    pub(super) fn note_faults(&mut self) {
        let Some(fault) = self.chosen.filter(|_| !self.faults.is_waiting()) else { return };
        self.chosen = None;
        (self.has_struck, self.has_faltered) = (true, true);
        self.tally.faults += 1;
        self.is_stuck |= fault == CommitFault::DoubtKept;
        self.trace.push(format!("    a commit: {fault:?}"));
    }

    /// Mostly one whose run is open, as far as the log tells.
    pub(super) fn picks_a_runner(&mut self) -> Option<usize> {
        let runs = &self.model.runs;
        let is_open = |one: &Runner| runs.get(&one.id).is_some_and(|run| !run.is_closed);
        let all = self.runners.iter().enumerate();
        let open: Vec<_> = all.filter(|(_, one)| is_open(one)).map(|(place, _)| place).collect();
        if self.dice.once_in(6) || open.is_empty() {
            return self.dice.place(self.runners.len());
        }
        self.dice.place(open.len()).map(|place| open[place])
    }

    /// A process that nobody had before, below that one.
    pub(super) fn descend(&mut self, parent: &Peer) -> Peer {
        self.pids += 1;
        let process = ProcessKey { pid: self.pids, started: 3 };
        let ancestors = [process].into_iter().chain(parent.ancestors.iter().copied()).collect();
        Peer { ancestors, ..parent.clone() }
    }
}

impl Runner {
    pub(super) fn presented(&self) -> Presented {
        let secret = Secret::from_string(self.secret.clone());
        Presented::RunSecret { run: self.id.to_string(), secret }
    }
}

fn options(faults: &FaultSwitch) -> OpenOptions {
    let faults = Faults { switch: faults.clone(), ..Faults::default() };
    OpenOptions { faults, ..OpenOptions::default() }
}

fn settings() -> Settings {
    Settings { approval_ttl: super::APPROVAL_TTL, ..Settings::default() }
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.steps += other.steps;
        self.starts += other.starts;
        self.permits += other.permits;
        self.opened += other.opened;
        self.faults += other.faults;
        self.entries += other.entries;
    }
}
