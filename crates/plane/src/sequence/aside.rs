//! Aside: commands that nobody waits for, until a batch takes them along.
//!
//! An outcome that made a batch of its own would cost a transaction, and wake the committer, for
//! every call. Beside the next decision it costs neither.

use std::sync::{Mutex, PoisonError};

use super::command::Command;
use crate::failure::Failure;

/// Commands that may lie there; one more is refused.
const ROOM: usize = 4_096;

/// What lies there, in the order it came.
#[derive(Default)]
pub(super) struct Aside(Mutex<Vec<Box<dyn Command>>>);

impl Aside {
    /// Puts one there.
    pub(super) fn put(&self, command: Box<dyn Command>) -> Result<(), Failure> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= ROOM {
            return Err(Failure::Overloaded);
        }
        all.push(command);
        Ok(())
    }

    /// Takes the first of them.
    pub(super) fn take(&self, at_most: usize) -> Vec<Box<dyn Command>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.len().min(at_most);
        all.drain(..count).collect()
    }
}
