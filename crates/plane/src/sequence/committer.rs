//! The committer: one batch, one transaction, one published world.
//!
//! Memory and store change together: a batch that does not commit leaves both as they were. Where
//! servers share the store, a batch first does what the others committed; see `next.rs`.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use marque_crypto::Random;
use marque_store::{Store, StoreError, Writer};
use marque_tlog::Frontier;

use super::SyncedHead;
use super::command::{Command, Durability, Undo, Work};
use super::next::Next;
use super::pulse::{BEHIND_MAX, Pulse};
use crate::clock::Clock;
use crate::failure::Failure;
use crate::live::Kin;
use crate::step::Step;
use crate::world::World;

/// Owns the write connection, the growing tree and the next world.
pub(crate) struct Committer {
    writer: Writer,
    now: Next,
    published: Arc<ArcSwap<World>>,
    pulse: Arc<Pulse>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    kin: Kin,
}

/// What a committer starts from, all of one snapshot.
pub(crate) struct Beginning {
    pub(crate) world: World,
    pub(crate) head: Frontier,
    /// The last batch that is in the world, where servers share the store.
    pub(crate) told: u64,
}

impl Committer {
    pub(crate) fn new(
        writer: Writer,
        beginning: Beginning,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        kin: Kin,
    ) -> Self {
        let Beginning { world, head, told } = beginning;
        let published = Arc::new(ArcSwap::from_pointee(world.clone()));
        let now = Next::new(world, head, told);
        let pulse = Arc::new(Pulse::new(clock.elapsed()));
        Self { writer, now, published, pulse, clock, random, kin }
    }

    /// How many entries the log has.
    pub(crate) fn size(&self) -> u64 {
        self.now.head.size()
    }

    pub(super) fn published(&self) -> Arc<ArcSwap<World>> {
        Arc::clone(&self.published)
    }

    pub(super) fn pulse(&self) -> Arc<Pulse> {
        Arc::clone(&self.pulse)
    }

    pub(super) fn synced_head(&self) -> SyncedHead {
        SyncedHead { size: self.now.head.size(), root: self.now.head.root() }
    }

    /// Runs one command by itself, before anybody else can queue one.
    pub(crate) fn commit_alone<R, E>(
        &mut self,
        body: impl FnMut(&mut Step<'_, '_>) -> Result<R, E> + Send + 'static,
    ) -> Result<R, E>
    where
        R: Send + 'static,
        E: From<Failure> + Send + 'static,
    {
        let (work, mut answer) = Work::new(Durability::Disk, body);
        let mut batch: Vec<Box<dyn Command>> = vec![Box::new(work)];
        self.commit(&mut batch)?;
        batch.into_iter().for_each(Command::answer);
        answer.try_recv().unwrap_or_else(|_| Err(Failure::Stopped.into()))
    }

    /// By the clock that never steps back.
    pub(super) fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// Whether it is too far behind the other servers of a shared store to answer.
    pub(super) fn is_behind(&self) -> bool {
        self.pulse.behind(self.clock.elapsed()) > BEHIND_MAX
    }

    /// The write connection, for what happens between two batches.
    pub(super) fn writer(&mut self) -> &mut Writer {
        &mut self.writer
    }

    /// Runs the commands in order and commits what they kept.
    pub(super) fn commit(&mut self, batch: &mut [Box<dyn Command>]) -> Result<(), Failure> {
        let (random, clock) = (Arc::clone(&self.random), Arc::clone(&self.clock));
        let (now, kin, pulse) = (&self.now, &self.kin, Arc::clone(&self.pulse));
        let local = clock.now();
        let committed = self.writer.batch(|transaction| {
            let turn = transaction.turn();
            let is_shared = turn.is_some();
            let mut next = now.begin(is_shared);
            if let Some(turn) = &turn {
                pulse.hear_time(turn.now, clock.elapsed());
                transaction.attempt(|tx| next.catch_up(tx, kin))??;
                next.must_be_at(turn.seq)?;
                next.must_be_signed_by(&kin.signer, &now.world)?;
            }
            // One clock for all servers that share the store: the store's.
            let now = turn.map_or(local, |turn| turn.now);
            for command in batch.iter_mut() {
                let before = (!transaction.is_hopeful()).then(|| next.mark());
                let done = transaction
                    .attempt(|tx| command.run(&mut next.step(tx, now, &*random, &kin.replica)))?;
                if let (Err(Undo), Some(before)) = (done, before) {
                    next.go_back(before);
                }
            }
            if next.has_news() {
                transaction.attempt(|tx| next.tell(tx, now, is_shared))??;
            }
            // Until this is committed nobody else commits anything.
            let known = is_shared.then(|| clock.elapsed());
            Ok((next, known))
        });
        let (next, known) = self.judge(committed)?;
        // ORDER: publish, then beat: whoever waits for the pulse looks at the world next.
        self.publish(next);
        if let Some(known) = known {
            self.pulse.beat(known);
        }
        Ok(())
    }

    /// Does what the other servers committed, where there are others. Writes nothing.
    pub(super) fn follow(&mut self, store: &Store) -> Result<(), Failure> {
        let (known, now, kin) = (self.clock.elapsed(), &self.now, &self.kin);
        let followed = store.read("follow", |tx| {
            let mut next = now.begin(false);
            next.catch_up(tx, kin)?;
            Ok(next)
        });
        let next = self.judge(followed)?;
        if next.told() != self.now.told() {
            self.publish(next);
        }
        self.pulse.beat(known);
        Ok(())
    }

    // A store that was wound back is said once, aloud: only a human can tell what to do.
    fn judge<T>(&self, done: Result<T, StoreError>) -> Result<T, Failure> {
        match &done {
            Ok(_) => {
                self.pulse.note_rewound(false);
            }
            Err(error @ StoreError::Rewound(_)) if self.pulse.note_rewound(true) => {
                tracing::error!(%error, "nothing is allowed until a human has looked");
            }
            // Whether it was wound back is as unknown as before.
            Err(_) => {}
        }
        done.map_err(Failure::from)
    }

    // ORDER: publish, then cut. A stream that is cut must find its run closed when it asks why.
    fn publish(&mut self, mut next: Next) {
        let cuts = next.take_cuts();
        // ORDER: before a larger head counts as synced, so that a retired key signs none.
        if let Some(key) = &next.world.log_key {
            self.kin.signer.turn_to(key);
        }
        self.now = next;
        self.published.store(Arc::new(self.now.world.clone()));
        for live in cuts {
            live.cut();
        }
    }
}
