//! Slices: the policies that can match one key, built once and kept within bounds.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::asked::Asked;
use crate::scope::Key;

/// How many slices are kept.
const MAX_SLICES: usize = 4_096;
/// How many policies all kept slices hold together, each about a kilobyte.
const MAX_POLICIES: usize = 32_768;

/// Policies that are put to Cedar together, and what they can ask about.
#[derive(Debug)]
pub(crate) struct Slice {
    pub(crate) policies: cedar_policy::PolicySet,
    pub(crate) asked: Asked,
}

/// A cache from key to slice; `None` is a key that no policy matches. Emptied when full: the next
/// requests fill it with what is asked for now.
#[derive(Debug, Default)]
pub(crate) struct Slices(RwLock<Kept>);

#[derive(Debug, Default)]
struct Kept {
    by_key: HashMap<Key, Option<Arc<Slice>>>,
    policies: usize,
}

impl Slices {
    /// The slice of that key, built by `build` unless it is kept.
    pub(crate) fn get<E>(
        &self,
        key: Key,
        build: impl FnOnce() -> Result<Option<Slice>, E>,
    ) -> Result<Option<Arc<Slice>>, E> {
        // A poisoned lock is as good as new: every write below leaves the cache whole.
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(slice) = kept.by_key.get(&key) {
            return Ok(slice.clone());
        }
        drop(kept);
        let slice = build()?.map(Arc::new);
        self.keep(key, slice.clone());
        Ok(slice)
    }

    fn keep(&self, key: Key, slice: Option<Arc<Slice>>) {
        let policies = slice.as_ref().map_or(0, |slice| slice.policies.num_of_policies());
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if kept.by_key.len() >= MAX_SLICES || kept.policies + policies > MAX_POLICIES {
            *kept = Kept::default();
        }
        if kept.by_key.insert(key, slice).is_none() {
            kept.policies += policies;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::{MAX_SLICES, Slices};
    use crate::scope::{Index, Scope};

    #[test]
    fn the_cache_never_grows_past_its_bound() {
        let named = |name: String| Scope { agent: Some(name), actions: None, connection: None };
        let index = Index::of((0..=MAX_SLICES).map(|n| named(format!("a{n}"))));
        let slices = Slices::default();
        for n in 0..=MAX_SLICES {
            let key = index.key(&format!("a{n}"), 0, "c");
            slices.get(key, || Ok::<_, Infallible>(None)).unwrap();
        }
        assert_eq!(slices.0.read().unwrap().by_key.len(), 1);
    }
}
