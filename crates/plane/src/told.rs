//! Told: what one batch did to the world, as the other servers of the same plane hear it.
//!
//! Facts are named, for the store has them. What only memory holds (meters, reservations, the
//! living side of runs) is told whole and kept beside the facts, so that a server that starts later
//! knows it too. A server that has its store to itself tells nobody, and keeps what belongs to runs
//! that outlive it.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use marque_domain::{AccessToken, Credential, Decision, Digest, FactRef, Id, Run, Timestamp};
use serde::{Deserialize, Serialize};

use crate::world::{MeterKey, Place, World};

/// The format in which servers tell each other what they did. A server reads what is told in its
/// own and in the one before, so that they can be restarted with a new release one by one;
/// `docs/development/release.md` says what a new format may change.
pub(crate) const SPEAKS: u64 = 2;

/// One thing that changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    /// A fact has this revision.
    Fact(FactRef),
    /// Something beside the facts is another now.
    Kept(Kept),
    /// A credential has other sealed bytes, or none.
    Sealed(Id<Credential>),
    /// The log has grown.
    Logged,
    /// The log has another key.
    LogKey,
}

/// What is kept beside the facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kept {
    /// What was spent under a key.
    Meter(MeterKey),
    /// What a call under way has reserved.
    Held(Id<Decision>),
    /// How often a run was refused.
    Refusals(Id<Run>),
    /// The living side of a run.
    Live(Id<Run>),
    /// The keys that sign tokens.
    TokenKeys,
    /// A place in a status list.
    Listed(Place),
    /// A token that was taken back.
    Revoked(Id<AccessToken>),
    /// A proof or an assertion that was used, until when that is remembered and by its digest. Time
    /// comes first, so that those that are written and cleared together lie together.
    Once(Timestamp, Digest),
    /// A request that waits for a human, by the hash of its code.
    Deferral(Digest),
}

/// The changes of a batch, in order.
pub(crate) struct Changes {
    is_told: bool,
    list: Vec<Change>,
}

impl Changes {
    /// None yet. `is_told` is whether there is anybody to tell them to.
    pub(crate) fn new(is_told: bool) -> Self {
        Self { is_told, list: Vec::new() }
    }

    /// Notes a change, where somebody is told.
    pub(crate) fn note(&mut self, change: impl FnOnce() -> Change) {
        if self.is_told {
            self.list.push(change());
        }
    }

    /// Notes that something beside the facts is another now; where nobody is told, only what
    /// `outlives` this server.
    pub(crate) fn note_kept(&mut self, kept: Kept, outlives: bool) {
        if self.is_told || outlives {
            self.list.push(Change::Kept(kept));
        }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are, to go back to with [`Changes::cut_to`].
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// Forgets what a command that is undone has noted.
    pub(crate) fn cut_to(&mut self, len: usize) {
        self.list.truncate(len);
    }

    /// What others are told: each thing once, as it is after the batch. `None` if nothing changed.
    pub(crate) fn told(&self, world: &World) -> Option<Told> {
        let changed: BTreeSet<_> = self.list.iter().collect();
        let mut told = Told::default();
        for change in changed {
            match change {
                Change::Fact(fact) => told.facts.push(fact.clone()),
                Change::Sealed(credential) => told.sealed.push(*credential),
                Change::Logged => {}
                Change::LogKey => told.log_key = world.log_key,
                Change::Kept(kept) => told.kept.push((kept.to_string(), world.kept(*kept))),
            }
        }
        (!self.list.is_empty()).then_some(told)
    }
}

/// What one batch did.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Told {
    /// Revisions, oldest first for each fact.
    pub(crate) facts: Vec<FactRef>,
    /// Keys and what is kept under them; nothing any more if that is missing.
    pub(crate) kept: Vec<(String, Option<String>)>,
    /// Credentials with other sealed bytes, or none.
    pub(crate) sealed: Vec<Id<Credential>>,
    /// The log's key, if it is another now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) log_key: Option<Digest>,
}

/// A key that no server of this version writes.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is kept by another server, which this one does not understand")]
pub(crate) struct UnknownKey(String);

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Meter(key) => write!(f, "meter {key}"),
            Self::Held(decision) => write!(f, "held {decision}"),
            Self::Refusals(run) => write!(f, "refusals {run}"),
            Self::Live(run) => write!(f, "live {run}"),
            Self::TokenKeys => f.write_str("token_keys all"),
            Self::Listed(place) => write!(f, "listed {place}"),
            Self::Revoked(token) => write!(f, "revoked {token}"),
            Self::Once(until, digest) => write!(f, "once {:015} {digest}", until.as_millis()),
            Self::Deferral(code) => write!(f, "deferral {code}"),
        }
    }
}

impl FromStr for Kept {
    type Err = UnknownKey;

    fn from_str(text: &str) -> Result<Self, UnknownKey> {
        let unknown = || UnknownKey(text.chars().take(80).collect());
        let (kind, rest) = text.split_once(' ').ok_or_else(unknown)?;
        match kind {
            "meter" => rest.parse().ok().map(Self::Meter),
            "held" => rest.parse().ok().map(Self::Held),
            "refusals" => rest.parse().ok().map(Self::Refusals),
            "live" => rest.parse().ok().map(Self::Live),
            "token_keys" => (rest == "all").then_some(Self::TokenKeys),
            "listed" => rest.parse().ok().map(Self::Listed),
            "revoked" => rest.parse().ok().map(Self::Revoked),
            "once" => {
                let (until, digest) = rest.split_once(' ').ok_or_else(unknown)?;
                let until = until.parse().ok().map(Timestamp::from_millis);
                until.zip(digest.parse().ok()).map(|(until, digest)| Self::Once(until, digest))
            }
            "deferral" => rest.parse().ok().map(Self::Deferral),
            _ => None,
        }
        .ok_or_else(unknown)
    }
}

impl fmt::Display for MeterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(id) => id.fmt(f),
            Self::Agent(id) => id.fmt(f),
            Self::Connection(id) => id.fmt(f),
            Self::Strangers => f.write_str("strangers"),
            Self::Refusals(id) => write!(f, "refusals {id}"),
            Self::ClientRefusals(id) => write!(f, "refusals {id}"),
            Self::ResourceRefusals(id) => write!(f, "refusals {id}"),
            Self::Factors => f.write_str("factors"),
        }
    }
}

impl FromStr for MeterKey {
    type Err = UnknownKey;

    fn from_str(text: &str) -> Result<Self, UnknownKey> {
        let run = || text.parse().ok().map(Self::Run);
        let agent = || text.parse().ok().map(Self::Agent);
        let connection = || text.parse().ok().map(Self::Connection);
        match text {
            "strangers" => Ok(Self::Strangers),
            "factors" => Ok(Self::Factors),
            _ => match text.strip_prefix("refusals ") {
                Some(of) => {
                    let client = || of.parse().ok().map(Self::ClientRefusals);
                    let resource = || of.parse().ok().map(Self::ResourceRefusals);
                    of.parse().ok().map(Self::Refusals).or_else(client).or_else(resource)
                }
                None => run().or_else(agent).or_else(connection),
            }
            .ok_or_else(|| UnknownKey(text.chars().take(80).collect())),
        }
    }
}

impl From<MeterKey> for String {
    fn from(key: MeterKey) -> Self {
        key.to_string()
    }
}

impl TryFrom<String> for MeterKey {
    type Error = UnknownKey;

    fn try_from(text: String) -> Result<Self, UnknownKey> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use marque_domain::{Id, Timestamp};

    use super::{Kept, MeterKey, Place, Told};

    // threat 155: a server of the next release may say more.
    #[test]
    fn members_that_this_release_does_not_know_are_passed_over() {
        let body = r#"{"facts":["agt_1@2"],"kept":[],"sealed":[],"novel":{"a":[1]}}"#;
        let told: Told = serde_json::from_str(body).unwrap();
        assert_eq!(told.facts.len(), 1);
    }

    #[test]
    fn every_key_reads_back_as_it_was_written() {
        let at = Timestamp::from_millis(1_700_000_000_000);
        let run = Id::new(at, [7; 10]);
        let keys = [
            Kept::Meter(MeterKey::Run(run)),
            Kept::Meter(MeterKey::Agent(Id::new(at, [1; 10]))),
            Kept::Meter(MeterKey::Connection(Id::new(at, [2; 10]))),
            Kept::Meter(MeterKey::Strangers),
            Kept::Meter(MeterKey::Refusals(run)),
            Kept::Meter(MeterKey::ClientRefusals(Id::new(at, [1; 10]))),
            Kept::Meter(MeterKey::ResourceRefusals(Id::new(at, [2; 10]))),
            Kept::Meter(MeterKey::Factors),
            Kept::Held(Id::new(at, [3; 10])),
            Kept::Refusals(run),
            Kept::Live(run),
            Kept::TokenKeys,
            Kept::Listed(Place { list: Id::new(at, [8; 10]), index: 131_071 }),
            Kept::Revoked(Id::new(at, [4; 10])),
            Kept::Once(at, marque_domain::Digest::from_bytes([5; 32])),
            Kept::Deferral(marque_domain::Digest::from_bytes([6; 32])),
        ];
        for key in keys {
            assert_eq!(key.to_string().parse::<Kept>().unwrap(), key);
        }
        let bad = ["", "meter", "meter nobody", "live agt_1", "other run_1", "token_keys x"];
        let nowhere = ["listed", "listed stl_01M8QPX8KXX6AQYXQJ5YVQCAHB", "listed 1"];
        for bad in bad.into_iter().chain(nowhere) {
            assert!(bad.parse::<Kept>().is_err(), "`{bad}` was read");
        }
    }
}
