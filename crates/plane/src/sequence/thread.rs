//! The committer's thread: batch after batch, until nobody can ask any more.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use marque_store::Store;

use super::Message;
use super::command::Command;
use super::gathering::Gathering;
use super::turns::{BATCH, Core, Turns};
use super::writing::Again;

/// How often an idle committer looks after the write-ahead log.
const IDLE: Duration = Duration::from_millis(200);
/// How often a committer that shares its store looks what the others did, if nobody says so.
const LOOK: Duration = Duration::from_millis(100);

/// Serves the queue and what lies aside until the queue is closed and both are empty.
pub(super) fn serve(turns: &Turns, queue: &Receiver<Message>, store: &Store) {
    let _ends = Ends(turns);
    let mut again = Again::default();
    let idle = if store.is_shared() { LOOK } else { IDLE };
    // Whether more lay aside than one batch takes.
    let mut has_more = false;
    loop {
        let received = queue.recv_timeout(if has_more { Duration::ZERO } else { idle });
        let is_quiet = matches!(received, Err(RecvTimeoutError::Timeout)) && !has_more;
        let is_idle = is_quiet && !turns.has_passed();
        let is_over = matches!(received, Err(RecvTimeoutError::Disconnected));
        let queued: Vec<_> =
            received.into_iter().chain(queue.try_iter()).filter_map(run).take(BATCH).collect();
        let Some(mut guard) = turns.core() else { break };
        let Some(core) = guard.as_mut() else { break };
        let count = queued.len();
        // ORDER: what lay aside before a command was queued is in its batch, or in one before, if
        // it was not more than a batch.
        let mut batch = turns.aside.take(BATCH);
        has_more = batch.len() == BATCH;
        batch.extend(turns.gathering().map(Gathering::take).unwrap_or_default());
        batch.extend(queued);
        if batch.is_empty() {
            if is_over {
                break;
            }
            look(core, store);
            // Where the others cannot be heard, hearing them comes first.
            if !(store.is_shared() && core.committer.is_behind()) {
                again.tries(&mut core.committer, &core.writing);
            }
        } else {
            core.commit(batch);
            turns.unqueue(count);
        }
        core.backfill.tend(core.committer.writer(), is_idle);
    }
}

// However the thread ends, a panic of a command included: nobody waits for it any more.
struct Ends<'a>(&'a Turns);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn run(message: Message) -> Option<Box<dyn Command>> {
    match message {
        Message::Run(command) => Some(command),
        Message::Look => None,
    }
}

// What cannot be looked at makes the pulse stop; why it did is said then.
fn look(core: &mut Core, store: &Store) {
    if store.is_shared()
        && let Err(failure) = core.committer.follow(store)
    {
        tracing::debug!(%failure, "what the other servers did cannot be read");
        if core.committer.is_behind() {
            core.writing.note(&Err(failure));
        }
    }
}
