//! Facts: what the plane believes, kept as append-only revisions.

use std::fmt;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};

use crate::id::{Id, Named};

/// Something the plane believes under an id. Every change of it is a new revision.
pub trait Fact: Named + Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The id all revisions share.
    fn id(&self) -> Id<Self>;
}

/// A fact as it stood: revision 1 is the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revised<T> {
    /// The fact.
    pub fact: T,
    /// Its revision.
    pub revision: u64,
}

impl<T: Fact> Revised<T> {
    /// The reference an entry keeps, such as `agt_…@3`.
    pub fn reference(&self) -> FactRef {
        FactRef { id: self.fact.id().to_string(), revision: self.revision }
    }
}

/// Names one revision of one fact: `<id>@<revision>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct FactRef {
    /// The fact's id, as printed.
    pub id: String,
    /// The revision, from 1.
    pub revision: u64,
}

/// The text is not a reference to a revision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a fact reference: expected `<id>@<revision>`")]
pub struct BadFactRef(String);

impl fmt::Display for FactRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.id, self.revision)
    }
}

impl FromStr for FactRef {
    type Err = BadFactRef;

    fn from_str(text: &str) -> Result<Self, BadFactRef> {
        let parsed = text.rsplit_once('@').and_then(|(id, revision)| {
            Some(Self { id: id.to_owned(), revision: revision.parse().ok()? })
        });
        // One spelling only: `+3` and `03` are numbers too.
        parsed
            .filter(|parsed| parsed.to_string() == text)
            .ok_or_else(|| BadFactRef(text.chars().take(80).collect()))
    }
}

impl TryFrom<String> for FactRef {
    type Error = BadFactRef;

    fn try_from(text: String) -> Result<Self, BadFactRef> {
        text.parse()
    }
}

impl Serialize for FactRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::FactRef;

    #[test]
    fn a_reference_has_one_spelling() {
        let reference: FactRef = "agt_1@3".parse().unwrap();
        assert_eq!((reference.id.as_str(), reference.revision), ("agt_1", 3));
        for bad in ["agt_1", "agt_1@", "agt_1@+3", "agt_1@03", "agt_1@-1"] {
            assert!(bad.parse::<FactRef>().is_err(), "`{bad}` was read");
        }
    }
}
