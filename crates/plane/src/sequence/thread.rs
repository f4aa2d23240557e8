//! The committer's thread: batch after batch, until nobody can ask any more.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use marque_store::Store;

use super::Message;
use super::aside::Aside;
use super::backfill::Backfill;
use super::command::{Command, Durability};
use super::committer::Committer;
use super::syncers::Syncers;
use super::writing::{Again, Writing};
use crate::failure::Failure;

/// Commands of each kind that share a transaction at most.
const BATCH: usize = 512;
/// How often an idle committer looks after the write-ahead log.
const IDLE: Duration = Duration::from_millis(200);
/// How often a committer that shares its store looks what the others did, if nobody says so.
const LOOK: Duration = Duration::from_millis(100);

/// Serves the queue and what lies aside until the queue is closed and both are empty.
pub(super) fn commit_all(
    mut committer: Committer,
    (queue, aside): &(Receiver<Message>, Arc<Aside>),
    (mut syncers, mut backfill): (Syncers, Backfill),
    (store, writing): (&Store, &Writing),
) {
    let mut again = Again::default();
    let idle = if store.is_shared() { LOOK } else { IDLE };
    loop {
        let received = queue.recv_timeout(idle);
        // ORDER: what lay aside before a command was queued is in its batch, or in one before.
        let mut batch = aside.take(BATCH);
        match received {
            Ok(Message::Run(command)) => batch.push(command),
            Err(RecvTimeoutError::Timeout) => backfill.tend(committer.writer(), true),
            Err(RecvTimeoutError::Disconnected) if batch.is_empty() => break,
            Ok(Message::Look) | Err(RecvTimeoutError::Disconnected) => {}
        }
        batch.extend(queue.try_iter().take(BATCH - 1).filter_map(|message| match message {
            Message::Run(command) => Some(command),
            Message::Look => None,
        }));
        if batch.is_empty() {
            look(&mut committer, store, writing);
            // Where the others cannot be heard, hearing them comes first.
            if !(store.is_shared() && committer.is_behind()) {
                again.tries(&mut committer, writing);
            }
            continue;
        }
        commit_one(&mut committer, batch, &syncers, writing);
        backfill.tend(committer.writer(), false);
    }
    syncers.stop();
    backfill.stop();
}

// ORDER: commit → answer reads → hand writes to the syncers. A read never waits for a sync.
fn commit_one(
    committer: &mut Committer,
    mut batch: Vec<Box<dyn Command>>,
    syncers: &Syncers,
    writing: &Writing,
) {
    if syncers.has_failed() {
        for command in batch {
            command.fail(Failure::Lost);
        }
        return;
    }
    let done = committer.commit(&mut batch);
    writing.note(&done);
    match done {
        Ok(()) => {
            let (reads, writes): (Vec<_>, Vec<_>) =
                batch.into_iter().partition(|command| command.durability() == Durability::Read);
            reads.into_iter().for_each(Command::answer);
            syncers.hand_over(writes, committer.synced_head());
        }
        Err(failure) => {
            for command in batch {
                command.fail(failure.clone());
            }
        }
    }
}

// What cannot be looked at makes the pulse stop; why it did is said then.
fn look(committer: &mut Committer, store: &Store, writing: &Writing) {
    if store.is_shared()
        && let Err(failure) = committer.follow(store)
    {
        tracing::debug!(%failure, "what the other servers did cannot be read");
        if committer.is_behind() {
            writing.note(&Err(failure));
        }
    }
}
