//! Gathering: commands that wait for the disk, until whatever else is ready has added its own.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::command::Command;

/// Commands that gather at most: with the last of them all are committed at once.
pub(super) const MOST: usize = 64;

/// What gathers, in the order it came. Whoever puts the first sees to it that all are taken.
#[derive(Default)]
pub(super) struct Gathering(Mutex<Vec<Box<dyn Command>>>);

impl Gathering {
    /// Puts one there; how many there are then.
    pub(super) fn put(&self, command: Box<dyn Command>) -> usize {
        let mut gathered = self.lock();
        gathered.push(command);
        gathered.len()
    }

    /// Takes all of them.
    pub(super) fn take(&self) -> Vec<Box<dyn Command>> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Box<dyn Command>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
