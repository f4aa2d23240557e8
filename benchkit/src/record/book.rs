//! A book: a log by itself, appended to as the sequencer does it, without a plane around it.

use marque_crypto::random::{SystemRandom, bytes};
use marque_domain::{Digest, Event, Id, LogEntry, Timestamp, canonical_bytes};
use marque_plane::Clock as _;
use marque_store::{Backfiller, Store, StoreError, Syncer, Tx, Writer};
use marque_tlog::{Frontier, leaf_hash};

use super::large::sample;
use crate::clock::SystemClock;

/// Bytes of the log of writes after which they are moved, as the sequencer's helper does.
const MOVED_AT: u64 = 8 << 20;

pub(super) struct Book {
    pub(super) store: Store,
    writer: Writer,
    syncer: Syncer,
    backfiller: Backfiller,
    frontier: Frontier,
    sample: Vec<LogEntry>,
}

impl Book {
    /// An empty store, to be filled with entries such as a plane writes: decisions and outcomes in
    /// turn.
    pub(super) fn open(store: Store) -> anyhow::Result<Self> {
        Ok(Self {
            writer: store.writer()?,
            syncer: store.syncer()?,
            backfiller: store.backfiller()?,
            frontier: Frontier::new(),
            sample: sample()?,
            store,
        })
    }

    pub(super) fn size(&self) -> u64 {
        self.frontier.size()
    }

    pub(super) fn root(&self) -> Digest {
        self.frontier.root()
    }

    /// Appends so many entries in one transaction.
    pub(super) fn append(&mut self, count: usize) -> Result<(), StoreError> {
        let Self { writer, frontier, sample, .. } = self;
        let now = SystemClock.now();
        let next = writer.batch(|batch| {
            let mut next = frontier.clone();
            for of in sample.iter().cycle().take(count) {
                batch.attempt(|tx| append(tx, &mut next, of, now))??;
            }
            Ok(next)
        })?;
        *frontier = next;
        Ok(())
    }

    /// Waits for the disk.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.syncer.sync()
    }

    /// Keeps the log of writes short.
    pub(super) fn tend(&mut self) -> Result<(), StoreError> {
        if self.writer.backlog()?.held_bytes() > MOVED_AT {
            self.backfiller.backfill()?;
            self.writer.backfill()?;
        }
        Ok(())
    }
}

// As `Step::append` of the plane.
fn append(
    tx: &mut Tx<'_>,
    head: &mut Frontier,
    of: &LogEntry,
    now: Timestamp,
) -> Result<(), StoreError> {
    let event = renewed(of, now);
    let entry = LogEntry { index: head.size(), id: id(now), at: now, event };
    let bytes =
        canonical_bytes(&entry).map_err(|error| StoreError::Unstorable(error.to_string()))?;
    let leaf: Digest = leaf_hash(&bytes);
    tx.append(&entry, &leaf, &bytes)?;
    for root in head.append(leaf) {
        tx.append_root(root.level, root.index, &root.hash)?;
    }
    Ok(())
}

// Another decision of the same kind: its id is what an index orders.
fn renewed(of: &LogEntry, now: Timestamp) -> Event {
    let mut event = of.event.clone();
    match &mut event {
        Event::Decided(decision) => decision.id = id(now),
        Event::Outcome { decision, .. } => *decision = id(now),
        _ => {}
    }
    event
}

fn id<K: marque_domain::Named>(now: Timestamp) -> Id<K> {
    Id::new(now, bytes(&SystemRandom))
}
