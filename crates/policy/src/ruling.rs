//! Rulings: what the organisation's policies say of one operation.

use std::fmt;

/// What policy said. Only [`Ruling::Pass`] lets the road go on without a human.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// No policy objects.
    Pass,
    /// A human must answer first. An approval lifts exactly these rules.
    Ask {
        /// The policies that ask, sorted.
        rules: Vec<RuleId>,
        /// Their words for the human.
        words: String,
    },
    /// No. An approval does not help.
    Forbid {
        /// The policies that forbid, sorted.
        rules: Vec<RuleId>,
        /// Their reasons.
        words: String,
    },
    /// A policy that could matter has no answer: refuse, for it might have been a no.
    Error {
        /// The policies without an answer, sorted; empty if the facts themselves are unusable.
        rules: Vec<RuleId>,
        /// What and why.
        message: String,
    },
}

/// A policy's id: its `@id`, or its file and its place in it, such as `night.cedar#2`. At most
/// 256 printable ASCII characters without spaces.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub(crate) String);

impl RuleId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<RuleId> for String {
    fn from(id: RuleId) -> Self {
        id.0
    }
}
