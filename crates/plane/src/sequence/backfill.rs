//! Backfill: keeping the log of writes short without making anybody wait for the disk.
//!
//! A helper thread moves the bulk on a connection of its own; the committer then finishes between
//! two batches, which takes a few syncs and is the only time a read can wait for the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use marque_store::{Backfiller, Writer};

/// New bytes after which the helper sets out.
const HELP_AT: u64 = 8 << 20;
/// Bytes after which the committer moves them itself, helper or not.
const LIMIT: u64 = 64 << 20;

/// The helper, and how far it is.
pub(super) struct Backfill {
    calls: Option<SyncSender<()>>,
    is_ready: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    is_failing: bool,
}

impl Backfill {
    pub(super) fn start(backfiller: Backfiller) -> Self {
        let (calls, received) = sync_channel(1);
        let is_ready = Arc::new(AtomicBool::new(false));
        let ready = Arc::clone(&is_ready);
        let thread = std::thread::Builder::new()
            .name("marque-backfill".to_owned())
            .spawn(move || serve(backfiller, &received, &ready))
            .ok();
        Self { calls: Some(calls), is_ready, thread, is_failing: false }
    }

    /// Looks at the log of writes between two batches.
    pub(super) fn tend(&mut self, writer: &mut Writer, is_idle: bool) {
        let Ok(backlog) = writer.backlog() else { return };
        let is_ready = self.is_ready.swap(false, Ordering::AcqRel);
        let has_news = !backlog.is_complete();
        if is_ready || backlog.held_bytes() > LIMIT || (is_idle && has_news) {
            let done = writer.backfill();
            // Said once: an idle committer tries five times a second.
            if let (Err(error), false) = (&done, self.is_failing) {
                tracing::warn!(%error, "the log of writes could not be moved into the database");
            }
            self.is_failing = done.is_err();
        } else if backlog.left_bytes() > HELP_AT
            && let Some(calls) = &self.calls
        {
            // A call that finds another waiting is the same call.
            let _waiting = calls.try_send(());
        }
    }

    pub(super) fn stop(mut self) {
        self.calls = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn serve(mut backfiller: Backfiller, calls: &Receiver<()>, is_ready: &AtomicBool) {
    while calls.recv().is_ok() {
        match backfiller.backfill() {
            Ok(_) => is_ready.store(true, Ordering::Release),
            Err(error) => tracing::warn!(%error, "the backfill helper failed; the committer will"),
        }
    }
}
