//! Listening: a thread that hears when another server committed, and has the committer look.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::Duration;

use marque_store::{Listener, Store};

use super::Message;
use crate::failure::Failure;

/// How long one wait takes at most, and a pause after a failure.
const WAIT: Duration = Duration::from_millis(250);

/// Ends the thread once it is dropped or told to, after at most one wait.
pub(super) struct Listening {
    is_over: Arc<AtomicBool>,
}

impl Listening {
    /// Starts it, where servers share the store.
    pub(super) fn start(store: &Store, queue: &SyncSender<Message>) -> Result<Self, Failure> {
        let listening = Self { is_over: Arc::default() };
        if let Some(listener) = store.listener()? {
            let (queue, is_over) = (queue.clone(), Arc::clone(&listening.is_over));
            thread::Builder::new()
                .name("marque-listen".to_owned())
                .spawn(move || listen(listener, &queue, &is_over))
                .map_err(|error| Failure::Store(format!("no thread to listen: {error}")))?;
        }
        Ok(listening)
    }

    pub(super) fn stop(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stop();
    }
}

fn listen(mut listener: Listener, queue: &SyncSender<Message>, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        match listener.wait(WAIT) {
            // A full queue is looked through anyway, and every batch catches up.
            Ok(true) => drop(queue.try_send(Message::Look)),
            Ok(false) => {}
            // The committer looks by itself until it works again.
            Err(error) => {
                tracing::debug!(%error, "the other servers are not heard");
                thread::sleep(WAIT);
            }
        }
    }
}
