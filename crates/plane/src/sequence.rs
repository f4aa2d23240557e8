//! The sequencer: the only place that assigns an index, changes a fact, or publishes a world.
//!
//! Whoever asks while nobody else is at it commits its command itself; the others queue, and the
//! committer's thread takes what has gathered. A batch is one transaction: it commits, publishes,
//! and answers. What must be on disk before it is answered waits for a syncer. Decisions 0001 and
//! 0025 in `docs/decisions` hold the figures and the rules.

mod aside;
mod backfill;
mod command;
mod committer;
mod gathering;
mod listening;
mod next;
mod pulse;
mod syncers;
mod thread;
mod turns;
mod writing;

use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use marque_domain::Digest;
use marque_store::Store;

use backfill::Backfill;
pub(crate) use command::Durability;
use command::{Command, Left, Work};
pub(crate) use committer::{Beginning, Committer};
use listening::Listening;
pub(crate) use pulse::{BEHIND_MAX, LOST, Pulse};
use syncers::Syncers;
use turns::{Core, Turns};
use writing::Writing;

use crate::failure::Failure;
use crate::step::Step;
use crate::world::World;

/// Commands that may wait; one more is refused.
const QUEUE: usize = 4_096;
/// Tries of a patient submission, and the pause between them.
const PATIENT_TRIES: usize = 100;
const PATIENCE: Duration = Duration::from_millis(50);
/// How long what nobody waits for may wait for a batch to join.
pub(crate) const COMPANY: Duration = Duration::from_millis(5);

/// Takes commands, in one order.
pub(crate) struct Sequencer {
    mode: Mode,
    published: Arc<ArcSwap<World>>,
    synced: Arc<Mutex<SyncedHead>>,
    pulse: Arc<Pulse>,
    writing: Arc<Writing>,
}

/// What the committer is asked.
enum Message {
    /// To run a command in its turn.
    Run(Box<dyn Command>),
    /// To look what the other servers did, and what lies aside.
    Look,
}

/// The part of the log that is on disk: what a checkpoint may cover.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SyncedHead {
    /// Entries.
    pub(crate) size: u64,
    /// The root of their tree.
    pub(crate) root: Digest,
}

enum Mode {
    /// Own threads: files.
    Threads {
        /// `None` once the server stops.
        queue: Mutex<Option<SyncSender<Message>>>,
        turns: Arc<Turns>,
        thread: Mutex<Option<JoinHandle<()>>>,
        listening: Listening,
    },
    /// The caller's thread: memory, so that a seed replays.
    Inline(Box<Mutex<Committer>>),
}

impl Sequencer {
    /// A sequencer on threads of its own.
    pub(crate) fn on_threads(committer: Committer, store: &Store) -> Result<Self, Failure> {
        let (published, pulse) = (committer.published(), committer.pulse());
        let files = (0..syncers::COUNT).map(|_| store.syncer()).collect::<Result<Vec<_>, _>>()?;
        // ORDER: what the start settled, and what a killed server left unsynced, is on disk before
        // the head counts as synced. A checkpoint over less would be a fork after a power cut.
        files.iter().take(1).try_for_each(marque_store::Syncer::sync)?;
        let writing = Arc::new(Writing::default());
        let syncers = Syncers::start(files, committer.synced_head(), Arc::clone(&writing));
        let synced = syncers.synced();
        let backfill = Backfill::start(store.backfiller()?);
        let (sender, receiver) = sync_channel(QUEUE);
        let (beside, listening) = (store.clone(), Listening::start(store, &sender)?);
        let core = Core { committer, syncers, backfill, writing: Arc::clone(&writing) };
        let turns = Arc::new(Turns::new(core, !store.is_shared()));
        let thread = std::thread::Builder::new()
            .name("marque-commit".to_owned())
            .spawn({
                let turns = Arc::clone(&turns);
                move || thread::serve(&turns, &receiver, &beside)
            })
            .map_err(|error| Failure::Store(format!("no thread for the log: {error}")))?;
        let (queue, thread) = (Mutex::new(Some(sender)), Mutex::new(Some(thread)));
        let mode = Mode::Threads { queue, turns, thread, listening };
        Ok(Self { mode, published, synced, pulse, writing })
    }

    /// A sequencer that commits in whatever thread submits.
    pub(crate) fn inline(committer: Committer) -> Self {
        let (published, pulse) = (committer.published(), committer.pulse());
        let synced = Arc::new(Mutex::new(committer.synced_head()));
        let (mode, writing) = (Mode::Inline(Box::new(Mutex::new(committer))), Arc::default());
        Self { mode, published, synced, pulse, writing }
    }

    /// The world as of the last commit.
    pub(crate) fn world(&self) -> Arc<World> {
        self.published.load_full()
    }

    /// How far this server may be behind the others that share its store.
    pub(crate) fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Why nothing can be recorded, if nothing can.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.writing.failure()
    }

    /// What a checkpoint may cover.
    pub(crate) fn synced(&self) -> SyncedHead {
        *self.synced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `body` in its turn and waits for the answer, as durable as asked.
    ///
    /// An error of the body undoes what it did, and nothing else.
    pub(crate) async fn submit<R, E>(
        &self,
        durability: Durability,
        body: impl FnMut(&mut Step<'_, '_>) -> Result<R, E> + Send + 'static,
    ) -> Result<R, E>
    where
        R: Send + 'static,
        E: From<Failure> + Send + 'static,
    {
        let (work, answer) = Work::new(durability, body);
        self.enter(Box::new(work)).await;
        answer.await.unwrap_or_else(|_| Err(Failure::Stopped.into()))
    }

    // What waits for the disk anyway lets whatever else is ready come first, and shares its batch
    // with what that submits: a transaction and a sync for all of them. Where nothing else is
    // ready, nothing waits.
    async fn enter(&self, command: Box<dyn Command>) {
        let gathering = match &self.mode {
            Mode::Threads { turns, .. } if command.durability() == Durability::Disk => {
                turns.gathering()
            }
            _ => None,
        };
        let Some(gathering) = gathering else { return self.enqueue(vec![command]) };
        match gathering.put(command) {
            1 => {
                // Dropped in any case, also where whoever asked is gone: the others count on it.
                let gathered = Gathered(self);
                tokio::task::yield_now().await;
                drop(gathered);
            }
            gathering::MOST => self.enqueue_gathered(),
            _ => {}
        }
    }

    fn enqueue_gathered(&self) {
        let Mode::Threads { turns, .. } = &self.mode else { return };
        let commands = turns.gathering().map(gathering::Gathering::take).unwrap_or_default();
        if !commands.is_empty() {
            self.enqueue(commands);
        }
    }

    /// Leaves a command of the read class, which nobody waits for, to the next batch; `otherwise`
    /// hears why it failed. Answers whether it is the first that lies there: then whoever left it
    /// nudges after [`COMPANY`], in case no batch comes.
    pub(crate) fn leave(
        &self,
        body: impl FnMut(&mut Step<'_, '_>) -> Result<(), Failure> + Send + 'static,
        otherwise: impl FnOnce(Failure) + Send + 'static,
    ) -> bool {
        let command = Box::new(Left::new(body, otherwise));
        let Mode::Threads { turns, .. } = &self.mode else {
            // In memory there is always a turn.
            self.enqueue(vec![command]);
            return false;
        };
        turns.aside.put(command).unwrap_or_else(|(command, failure)| {
            command.fail(failure);
            false
        })
    }

    /// Has what lies aside committed, if it still does. A queue that is full needs no nudge.
    pub(crate) fn nudge(&self) {
        if let Mode::Threads { queue, .. } = &self.mode {
            let queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            let _full = queue.as_ref().map(|queue| queue.try_send(Message::Look));
        }
    }

    /// As [`Sequencer::submit`], for what must not be lost when the queue is full for a moment:
    /// tries again for some seconds.
    pub(crate) async fn submit_patiently<R: Send + 'static>(
        &self,
        durability: Durability,
        body: impl FnMut(&mut Step<'_, '_>) -> Result<R, Failure> + Clone + Send + 'static,
    ) -> Result<R, Failure> {
        for _ in 0..PATIENT_TRIES {
            match self.submit(durability, body.clone()).await {
                Err(Failure::Overloaded) => tokio::time::sleep(PATIENCE).await,
                answer => return answer,
            }
        }
        Err(Failure::Overloaded)
    }

    // Commits them, or has them committed. What cannot be is told so itself.
    fn enqueue(&self, commands: Vec<Box<dyn Command>>) {
        match &self.mode {
            Mode::Threads { queue, turns, .. } => {
                let queue = queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let Some(queue) = queue else { return fail_all(commands, &Failure::Stopped) };
                let nudge = || drop(queue.try_send(Message::Look));
                let Err(commands) = turns.pass(commands, nudge) else { return };
                for command in commands {
                    turns.queue();
                    let (message, failure) = match queue.try_send(Message::Run(command)) {
                        Ok(()) => continue,
                        Err(TrySendError::Full(message)) => (message, Failure::Overloaded),
                        Err(TrySendError::Disconnected(message)) => (message, Failure::Stopped),
                    };
                    turns.unqueue(1);
                    if let Message::Run(command) = message {
                        command.fail(failure);
                    }
                }
            }
            Mode::Inline(committer) => {
                let mut committer = committer.lock().unwrap_or_else(PoisonError::into_inner);
                let mut batch = commands;
                let done = committer.commit(&mut batch);
                self.writing.note(&done);
                match done {
                    Ok(()) => {
                        *self.synced.lock().unwrap_or_else(PoisonError::into_inner) =
                            committer.synced_head();
                        batch.into_iter().for_each(Command::answer);
                    }
                    Err(failure) => fail_all(batch, &failure),
                }
            }
        }
    }

    /// Lets everything queued finish, then ends the threads.
    pub(crate) fn stop(&self) {
        let Mode::Threads { queue, thread, listening, .. } = &self.mode else { return };
        listening.stop();
        queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        let thread = thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A committer that panicked has already failed everything that waited for it.
            drop(thread.join());
        }
    }
}

/// What has gathered, which is committed once this is dropped.
struct Gathered<'a>(&'a Sequencer);

impl Drop for Gathered<'_> {
    fn drop(&mut self) {
        self.0.enqueue_gathered();
    }
}

fn fail_all(commands: Vec<Box<dyn Command>>, failure: &Failure) {
    for command in commands {
        command.fail(failure.clone());
    }
}
