//! Approvals: one human's answer to one held operation, bound to its digest.

use serde::{Deserialize, Serialize};

use crate::decision::Decision;
use crate::digest::Digest;
use crate::fact::Fact;
use crate::id::{Id, Named};
use crate::operation::Operation;
use crate::run::Run;
use crate::time::Timestamp;
use crate::user::User;

/// One question to a human, and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Which.
    pub id: Id<Approval>,
    /// In which run it was asked; it serves no other.
    pub run: Id<Run>,
    /// The digest of exactly the operation that was asked for.
    pub digest: Digest,
    /// The operation, as the human is shown it.
    pub operation: Operation,
    /// The permission line it needs, on the connection that would serve it.
    pub line: String,
    /// Why it was held: the mandate's line or the policy's words.
    pub reason: String,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// When it lapses, asked or given.
    pub until: Timestamp,
    /// How it stands.
    pub state: ApprovalState,
}

/// Asked → given → used; asked → declined; asked or given → lapsed, with its run at the latest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ApprovalState {
    /// Waits for a human.
    Asked,
    /// A human said yes, with a factor, to this digest. Good for one use.
    Given {
        /// Who.
        by: Id<User>,
        /// When.
        at: Timestamp,
    },
    /// A human said no.
    Declined {
        /// Who.
        by: Id<User>,
        /// When.
        at: Timestamp,
    },
    /// Its time passed, or its run ended, before it was used.
    Lapsed {
        /// When.
        at: Timestamp,
    },
    /// Spent on this decision.
    Used {
        /// Who had given it.
        by: Id<User>,
        /// For which decision.
        decision: Id<Decision>,
    },
}

/// Why an approval cannot be answered or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadApprovalMove {
    /// Its time is over.
    #[error("approval `{0}` has lapsed: the agent must ask again")]
    Lapsed(Id<Approval>),
    /// It was answered before.
    #[error("approval `{0}` is already {1}")]
    Answered(Id<Approval>, &'static str),
    /// It was asked for something else.
    #[error("approval `{0}` is for {1}, not for {2}: look again with `marque approval show {0}`")]
    OtherOperation(Id<Approval>, Digest, Digest),
}

impl Approval {
    /// A human's yes to `digest`, which must be what they were shown.
    pub fn give(
        self,
        by: Id<User>,
        digest: Digest,
        now: Timestamp,
    ) -> Result<Self, BadApprovalMove> {
        if digest != self.digest {
            return Err(BadApprovalMove::OtherOperation(self.id, self.digest, digest));
        }
        self.must_wait(now)?;
        Ok(Self { state: ApprovalState::Given { by, at: now }, ..self })
    }

    /// A human's no.
    pub fn decline(self, by: Id<User>, now: Timestamp) -> Result<Self, BadApprovalMove> {
        self.must_wait(now)?;
        Ok(Self { state: ApprovalState::Declined { by, at: now }, ..self })
    }

    /// Spends it on one decision.
    pub fn consume(self, decision: Id<Decision>, now: Timestamp) -> Result<Self, BadApprovalMove> {
        if now >= self.until {
            return Err(BadApprovalMove::Lapsed(self.id));
        }
        match self.state {
            ApprovalState::Given { by, .. } => {
                Ok(Self { state: ApprovalState::Used { by, decision }, ..self })
            }
            _ => Err(BadApprovalMove::Answered(self.id, self.word(now))),
        }
    }

    /// Ends it unused, because its run ended.
    pub fn lapse(self, at: Timestamp) -> Result<Self, BadApprovalMove> {
        match self.state {
            ApprovalState::Asked | ApprovalState::Given { .. } => {
                Ok(Self { state: ApprovalState::Lapsed { at }, ..self })
            }
            _ => Err(BadApprovalMove::Answered(self.id, self.word(at))),
        }
    }

    /// Whether nothing can follow.
    pub fn is_final(&self) -> bool {
        !matches!(self.state, ApprovalState::Asked | ApprovalState::Given { .. })
    }

    /// Whether it can be spent now on an operation of that digest in that run.
    pub fn serves(&self, run: Id<Run>, digest: Digest, now: Timestamp) -> bool {
        self.run == run
            && self.digest == digest
            && now < self.until
            && matches!(self.state, ApprovalState::Given { .. })
    }

    /// Whether it still waits for a human.
    pub fn is_waiting(&self, now: Timestamp) -> bool {
        self.state == ApprovalState::Asked && now < self.until
    }

    /// The state as one word.
    pub fn word(&self, now: Timestamp) -> &'static str {
        match self.state {
            ApprovalState::Asked | ApprovalState::Given { .. } if now >= self.until => "lapsed",
            ApprovalState::Asked => "asked",
            ApprovalState::Given { .. } => "given",
            ApprovalState::Declined { .. } => "declined",
            ApprovalState::Lapsed { .. } => "lapsed",
            ApprovalState::Used { .. } => "used",
        }
    }

    fn must_wait(&self, now: Timestamp) -> Result<(), BadApprovalMove> {
        match self.word(now) {
            "asked" => Ok(()),
            "lapsed" => Err(BadApprovalMove::Lapsed(self.id)),
            word => Err(BadApprovalMove::Answered(self.id, word)),
        }
    }
}

impl Named for Approval {
    const PREFIX: &'static str = "apr";
    const NOUN: &'static str = "an approval";
}

impl Fact for Approval {
    fn id(&self) -> Id<Self> {
        self.id
    }
}

#[cfg(test)]
#[path = "approval_tests.rs"]
mod tests;
