//! Aside: commands that nobody waits for, until a batch takes them along.
//!
//! An outcome that made a batch of its own would cost a transaction, and wake the committer, for
//! every call. Beside the next decision it costs neither.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::command::Command;
use crate::failure::Failure;

/// Commands that may lie there; one more is refused.
const ROOM: usize = 4_096;

/// What lies there, in the order it came; `None` once nobody takes it any more.
pub(super) struct Aside(Mutex<Option<Vec<Box<dyn Command>>>>);

impl Default for Aside {
    fn default() -> Self {
        Self(Mutex::new(Some(Vec::new())))
    }
}

impl Aside {
    /// Puts one there; whether it is the only one. What is not taken is given back.
    pub(super) fn put(
        &self,
        command: Box<dyn Command>,
    ) -> Result<bool, (Box<dyn Command>, Failure)> {
        let mut lying = self.lock();
        let Some(all) = lying.as_mut() else { return Err((command, Failure::Stopped)) };
        if all.len() >= ROOM {
            return Err((command, Failure::Overloaded));
        }
        all.push(command);
        Ok(all.len() == 1)
    }

    /// Takes the first of them.
    pub(super) fn take(&self, at_most: usize) -> Vec<Box<dyn Command>> {
        let mut lying = self.lock();
        let Some(all) = lying.as_mut() else { return Vec::new() };
        let count = all.len().min(at_most);
        all.drain(..count).collect()
    }

    /// Takes nothing any more.
    pub(super) fn close(&self) {
        let left = self.lock().take();
        for command in left.into_iter().flatten() {
            command.fail(Failure::Stopped);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Box<dyn Command>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
