//! The world outside, as the plane asks it: documents at URLs, and how often each was asked for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use marque_plane::outbound::{Document, Fetching, Outbound, Unfetched, Wanted};
use tokio::sync::Notify;

/// Nothing answers 404 until a test says otherwise.
#[derive(Default)]
pub struct Outside {
    state: Mutex<State>,
    opened: Arc<Notify>,
}

#[derive(Default)]
struct State {
    documents: HashMap<String, Result<Document, Unfetched>>,
    asked: Vec<Wanted>,
    is_slow: bool,
}

impl Outside {
    /// That document is at that URL from now on.
    pub fn has(&self, url: &str, body: impl Into<Vec<u8>>) {
        self.has_for(url, body, "");
    }

    /// The same with that `Cache-Control`.
    pub fn has_for(&self, url: &str, body: impl Into<Vec<u8>>, cache_control: &str) {
        let document = Document { body: body.into(), cache_control: cache_control.to_owned() };
        self.lock().documents.insert(url.to_owned(), Ok(document));
    }

    /// That URL fails from now on.
    pub fn fails(&self, url: &str, with: Unfetched) {
        self.lock().documents.insert(url.to_owned(), Err(with));
    }

    /// Nothing answers until [`Outside::answers`].
    pub fn stalls(&self) {
        self.lock().is_slow = true;
    }

    /// Ends what [`Outside::stalls`] began.
    pub fn answers(&self) {
        self.lock().is_slow = false;
        self.opened.notify_waiters();
    }

    /// Everything that was asked for, in order.
    pub fn asked(&self) -> Vec<Wanted> {
        self.lock().asked.clone()
    }

    /// How often a URL was asked for.
    pub fn times(&self, url: &str) -> usize {
        self.lock().asked.iter().filter(|wanted| wanted.url.as_str() == url).count()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outbound for Outside {
    fn get(&self, wanted: Wanted) -> Fetching {
        let mut state = self.lock();
        let found = state.documents.get(wanted.url.as_str()).cloned();
        state.asked.push(wanted);
        let opened = Arc::clone(&self.opened).notified_owned();
        let is_slow = state.is_slow;
        Box::pin(async move {
            if is_slow {
                opened.await;
            }
            found.unwrap_or(Err(Unfetched::Status(404)))
        })
    }
}
