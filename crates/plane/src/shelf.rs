//! A shelf: the current revision of every fact of one kind, structurally shared.
//!
//! Cloning costs one reference count; a change copies O(log n) nodes and leaves older clones alone.

use std::sync::Arc;

use marque_domain::{Fact, Id, Revised};
use rpds::HashTrieMapSync;

/// The current revision of every fact of one kind.
#[derive(Clone)]
pub(crate) struct Shelf<T: Fact>(HashTrieMapSync<Id<T>, Arc<Revised<T>>>);

impl<T: Fact> Default for Shelf<T> {
    fn default() -> Self {
        Self(HashTrieMapSync::new_sync())
    }
}

impl<T: Fact> Shelf<T> {
    /// The current revision of that fact.
    pub(crate) fn get(&self, id: Id<T>) -> Option<&Arc<Revised<T>>> {
        self.0.get(&id)
    }

    /// The number of the current revision; 0 if there is none.
    pub(crate) fn revision(&self, id: Id<T>) -> u64 {
        self.get(id).map_or(0, |revised| revised.revision)
    }

    /// Every current revision, in no order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Revised<T>>> {
        self.0.values()
    }

    /// How many facts there are.
    pub(crate) fn len(&self) -> usize {
        self.0.size()
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn put(&mut self, revised: Arc<Revised<T>>) {
        self.0.insert_mut(revised.fact.id(), revised);
    }

    pub(crate) fn forget(&mut self, id: Id<T>) {
        self.0.remove_mut(&id);
    }
}
