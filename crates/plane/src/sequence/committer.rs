//! The committer: one batch, one transaction, one published world.
//!
//! Memory and store change together: a batch that does not commit leaves both as they were.

use std::sync::Arc;

use arc_swap::ArcSwap;
use marque_crypto::Random;
use marque_store::Writer;
use marque_tlog::Frontier;

use super::SyncedHead;
use super::command::{Command, Durability, Undo, Work};
use crate::clock::Clock;
use crate::failure::Failure;
use crate::live::LiveRun;
use crate::step::Step;
use crate::world::World;

/// Owns the write connection, the growing tree and the next world.
pub(crate) struct Committer {
    writer: Writer,
    world: World,
    head: Frontier,
    published: Arc<ArcSwap<World>>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Committer {
    pub(crate) fn new(
        writer: Writer,
        world: World,
        head: Frontier,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        let published = Arc::new(ArcSwap::from_pointee(world.clone()));
        Self { writer, world, head, published, clock, random }
    }

    pub(super) fn published(&self) -> Arc<ArcSwap<World>> {
        Arc::clone(&self.published)
    }

    pub(super) fn synced_head(&self) -> SyncedHead {
        SyncedHead { size: self.head.size(), root: self.head.root() }
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

    /// The write connection, for what happens between two batches.
    pub(super) fn writer(&mut self) -> &mut Writer {
        &mut self.writer
    }

    /// Runs the commands in order and commits what they kept.
    pub(super) fn commit(&mut self, batch: &mut [Box<dyn Command>]) -> Result<(), Failure> {
        let now = self.clock.now();
        let random = Arc::clone(&self.random);
        let (world, head) = (&self.world, &self.head);
        let next = self.writer.batch(|transaction| {
            let mut next = Next { world: world.clone(), head: head.clone(), cuts: Vec::new() };
            for command in batch.iter_mut() {
                let kept = next.clone();
                let done = transaction.attempt(|tx| {
                    let mut step = Step {
                        tx,
                        world: &mut next.world,
                        now,
                        head: &mut next.head,
                        random: &*random,
                        cuts: &mut next.cuts,
                    };
                    command.run(&mut step)
                })?;
                if let Err(Undo) = done {
                    next = kept;
                }
            }
            Ok(next)
        })?;
        self.publish(next);
        Ok(())
    }

    // ORDER: publish, then cut. A stream that is cut must find its run closed when it asks why.
    fn publish(&mut self, next: Next) {
        self.world = next.world;
        self.head = next.head;
        self.published.store(Arc::new(self.world.clone()));
        next.cuts.iter().for_each(|live| live.cut());
    }
}

// What a batch makes of the world, until it is committed.
#[derive(Clone)]
struct Next {
    world: World,
    head: Frontier,
    cuts: Vec<Arc<LiveRun>>,
}
