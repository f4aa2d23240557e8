//! Sorted sets in one piece of memory, for the few things a fact names.
//!
//! They are made once and read often; a tree would take a kilobyte for the first permission alone.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A set in ascending order. Clones share one piece of memory; an empty one takes none.
#[derive(PartialEq, Eq)]
pub struct Sorted<T>(Arc<[T]>);

impl<T> Sorted<T> {
    /// The same without what does not hold; shares this set's memory if all of it does.
    #[must_use]
    pub fn where_holds(&self, holds: impl Fn(&T) -> bool) -> Self
    where
        T: Clone,
    {
        let left: Vec<T> = self.iter().filter(|one| holds(one)).cloned().collect();
        if left.len() == self.len() { self.clone() } else { Self::ascending(left) }
    }

    fn ascending(all: Vec<T>) -> Self {
        // An empty slice of its own would be allocated.
        if all.is_empty() { Self::default() } else { Self(all.into()) }
    }
}

impl<T: Ord> FromIterator<T> for Sorted<T> {
    // Of equal ones the first stays.
    fn from_iter<I: IntoIterator<Item = T>>(all: I) -> Self {
        let mut all: Vec<T> = all.into_iter().collect();
        all.sort();
        all.dedup();
        Self::ascending(all)
    }
}

impl<T: Ord, const N: usize> From<[T; N]> for Sorted<T> {
    fn from(all: [T; N]) -> Self {
        all.into_iter().collect()
    }
}

impl<T> Deref for Sorted<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'a, T> IntoIterator for &'a Sorted<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

// Derives would demand the same of `T`.
impl<T> Clone for Sorted<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Sorted<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: fmt::Debug> fmt::Debug for Sorted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self).finish()
    }
}

impl<T: Serialize> Serialize for Sorted<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }
}

impl<'de, T: Deserialize<'de> + Ord> Deserialize<'de> for Sorted<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from_iter)
    }
}

#[cfg(test)]
mod tests {
    use super::Sorted;

    #[test]
    fn a_set_is_sorted_and_names_each_thing_once_however_it_is_made() {
        let set = Sorted::from([3, 1, 2, 3, 1]);
        assert_eq!(*set, [1, 2, 3]);
        assert_eq!(serde_json::from_str::<Sorted<u8>>("[2,3,1,2]").unwrap(), set);
        assert_eq!(serde_json::to_string(&set).unwrap(), "[1,2,3]");
    }

    #[test]
    fn what_loses_nothing_shares_its_memory() {
        let set = Sorted::from([1, 2, 3]);
        assert_eq!(set.where_holds(|_| true).as_ptr(), set.as_ptr());
        assert_eq!(*set.where_holds(|one| *one != 2), [1, 3]);
    }
}
