//! What humans do to the plane: one file for each noun, one method for each verb.
//!
//! Every verb takes an [`crate::Acting`], is one queued change with its log entry, and shows what
//! became of it. None of them is reachable with a run's proof.

pub(crate) mod agents;
pub(crate) mod approvals;
pub(crate) mod claim;
pub(crate) mod clients;
pub(crate) mod connections;
pub(crate) mod grants;
pub(crate) mod issuers;
pub(crate) mod keys;
pub(crate) mod kill;
pub(crate) mod limits;
pub(crate) mod lines;
pub(crate) mod runs;
pub(crate) mod targets;
pub(crate) mod token_keys;

use std::collections::BTreeMap;

use marque_domain::event::Change;
use marque_domain::{Event, FactRef, Limits, UserRef, Verb};

// The entry of one change, without details.
pub(crate) fn changed(
    verb: Verb,
    by: &UserRef,
    fact: Option<FactRef>,
    label: impl ToString,
) -> Change {
    let label = label.to_string();
    Change { verb, by: by.clone(), fact, label, details: BTreeMap::new() }
}

pub(crate) trait Detailed {
    /// The same change with one more detail.
    fn detail(self, name: &str, value: impl ToString) -> Self;
    /// The same change with its limits, if there are any.
    fn limited(self, limits: &Limits) -> Self;
    /// The event.
    fn event(self) -> Event;
}

impl Detailed for Change {
    fn detail(mut self, name: &str, value: impl ToString) -> Self {
        self.details.insert(name.to_owned(), value.to_string());
        self
    }

    fn limited(self, limits: &Limits) -> Self {
        if *limits == Limits::default() {
            return self;
        }
        self.detail("limits", limits::words(limits))
    }

    fn event(self) -> Event {
        Event::Changed(self)
    }
}
