//! The log as a test reads it: straight from the store, past every verb.

use marque_domain::{Answer, Code, Decision, Event, LogEntry, Verb};
use marque_plane::KeyRecords;
use marque_store::{Store, StoredEntry};
use marque_tlog::{Evidence, KeyChain, Report};

/// Every entry there is, oldest first.
pub struct Log {
    stored: Vec<StoredEntry>,
    entries: Vec<LogEntry>,
    checkpoints: Vec<String>,
}

impl Log {
    pub(crate) fn read(store: &Store) -> Self {
        let read = store
            .read("test.log", |tx| Ok((tx.entries(0, 1_000_000)?, tx.checkpoints(0, 1_000_000)?)));
        let (stored, checkpoints) = read.unwrap();
        let entries = stored.iter().map(|entry| entry.entry().unwrap()).collect();
        let checkpoints = checkpoints.into_iter().map(|kept| kept.note).collect();
        Self { stored, entries, checkpoints }
    }

    /// The entries.
    pub fn entries(&self) -> &[LogEntry] {
        &self.entries
    }

    /// How many there are.
    pub fn size(&self) -> usize {
        self.entries.len()
    }

    /// The words of the events, in order, such as `claimed`.
    pub fn words(&self) -> Vec<&'static str> {
        self.entries.iter().map(|entry| entry.event.word()).collect()
    }

    /// What humans changed, in order.
    pub fn verbs(&self) -> Vec<Verb> {
        let verb = |entry: &LogEntry| match &entry.event {
            Event::Changed(change) => Some(change.verb),
            _ => None,
        };
        self.entries.iter().filter_map(verb).collect()
    }

    /// The decisions, in order.
    pub fn decisions(&self) -> Vec<&Decision> {
        self.entries.iter().filter_map(|entry| decision_of(&entry.event)).collect()
    }

    /// The last decision.
    #[track_caller]
    pub fn last_decision(&self) -> &Decision {
        self.decisions().pop().unwrap_or_else(|| panic!("nothing was decided"))
    }

    /// The codes of the refusals and holds, in order.
    pub fn codes(&self) -> Vec<String> {
        let codes = self.decisions();
        codes.iter().filter_map(|decision| decision.answer.code()).map(Code::text).collect()
    }

    /// How many calls were allowed.
    pub fn allowed(&self) -> usize {
        let decisions = self.decisions();
        decisions.iter().filter(|decision| decision.answer == Answer::Allowed).count()
    }

    /// The leaf hash of one entry, as stored.
    pub fn leaf(&self, index: u64) -> Option<marque_domain::Digest> {
        let place = usize::try_from(index).ok()?;
        self.stored.get(place).map(|entry| entry.leaf)
    }

    /// Every byte of it as text, to look for what must not be there.
    pub fn text(&self) -> String {
        let lines = self.stored.iter().map(|entry| String::from_utf8_lossy(&entry.bytes));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Its keys, for whoever trusts that one.
    pub fn keys(&self, trusted: &str) -> KeyChain {
        let mut records = KeyRecords::default();
        self.entries.iter().for_each(|entry| records.see(entry));
        let keys = records.chain(&trusted.parse().unwrap()).unwrap();
        assert!(records.is_claimed_by(&keys), "the claim names another key");
        keys
    }

    /// What the offline verifier says, holding the log against one signed checkpoint and its own.
    pub fn verified(&self, key: &str, checkpoint: &str) -> Report {
        let mut evidence = Evidence::new(self.keys(key));
        self.checkpoints.iter().for_each(|note| evidence.own_checkpoint(note));
        evidence.checkpoint(checkpoint).unwrap();
        let mut verifier = evidence.verifier();
        for entry in &self.stored {
            if verifier.entry(entry.index, &entry.bytes, &entry.leaf).is_break() {
                break;
            }
        }
        verifier.finish()
    }
}

fn decision_of(event: &Event) -> Option<&Decision> {
    match event {
        Event::Decided(decision) => Some(decision),
        _ => None,
    }
}
