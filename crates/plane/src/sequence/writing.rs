//! Whether the log can be written, as the last try told.
//!
//! Whoever cannot write refuses everything and is not ready, so that nobody may ask any more: the
//! committer tries again by itself.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::committer::Committer;
use crate::failure::Failure;

/// How often a committer that could not write tries again.
const AGAIN: Duration = Duration::from_millis(500);
/// What it writes then: as much room as a decision and its outcome take, many times over.
const ROOM_BYTES: usize = 64 * 1024;
const ROOM: &str = "room";

/// Why nothing can be recorded, if nothing can.
#[derive(Default)]
pub(crate) struct Writing(Mutex<Option<Failure>>);

impl Writing {
    /// Why not.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes note of a try. What is news is said aloud; a lost disk stays lost.
    pub(super) fn note(&self, tried: &Result<(), Failure>) {
        let mut why = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (tried, &*why) {
            (_, Some(Failure::Lost)) | (Ok(()), None) => {}
            (Ok(()), Some(_)) => {
                *why = None;
                tracing::info!("the log can be written again");
            }
            (Err(failure), before) => {
                if before.is_none() {
                    tracing::error!(%failure, "nothing is allowed until the log can be written");
                }
                *why = Some(failure.clone());
            }
        }
    }
}

/// When a committer tried last.
#[derive(Default)]
pub(super) struct Again(Option<Duration>);

impl Again {
    /// Tries to write, if the last try failed and is a while ago.
    pub(super) fn tries(&mut self, committer: &mut Committer, writing: &Writing) {
        if !matches!(writing.failure(), Some(failure) if !matches!(failure, Failure::Lost)) {
            return;
        }
        let now = committer.elapsed();
        if self.0.is_some_and(|last| now.saturating_sub(last) < AGAIN) {
            return;
        }
        self.0 = Some(now);
        let mut put = |value: String| {
            committer.commit_alone(move |step| Ok(step.tx.put_setting(ROOM, &value)?))
        };
        let tried: Result<(), Failure> =
            put("0".repeat(ROOM_BYTES)).and_then(|()| put(String::new()));
        writing.note(&tried);
    }
}
