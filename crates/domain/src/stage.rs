//! The eight stages of the road, and every way a stage can refuse.
//!
//! The same eight words are span names, metric labels, code prefixes and documentation headings.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::approval::Approval;
use crate::decision::Decision;
use crate::id::Id;

/// The stages, in the order every request passes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Who asks, proven how?
    Caller,
    /// Which run, and does everything it stands on still stand?
    Run,
    /// Does the mandate speak of it?
    Mandate,
    /// Does the organisation forbid it or ask for a human?
    Policy,
    /// Is the run trusted enough?
    Trust,
    /// Is there budget?
    Limits,
    /// Which credential would serve?
    Broker,
    /// Is it durable?
    Record,
}

impl Stage {
    /// All eight, in order.
    pub const ALL: [Self; 8] = [
        Self::Caller,
        Self::Run,
        Self::Mandate,
        Self::Policy,
        Self::Trust,
        Self::Limits,
        Self::Broker,
        Self::Record,
    ];

    /// The stage as one word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Run => "run",
            Self::Mandate => "mandate",
            Self::Policy => "policy",
            Self::Trust => "trust",
            Self::Limits => "limits",
            Self::Broker => "broker",
            Self::Record => "record",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Every way to be refused. Codes are stable; clients and tests branch on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Code {
    /// No proof of a run came with the request.
    #[serde(rename = "refused.caller.missing")]
    CallerMissing,
    /// The proof belongs to no open run.
    #[serde(rename = "refused.caller.unknown")]
    CallerUnknown,
    /// The run is captured, and what came in did not come through a door of it.
    #[serde(rename = "refused.caller.door")]
    CallerDoor,
    /// A client, its token or its proof of possession does not hold.
    #[serde(rename = "refused.caller.proof")]
    CallerProof,
    /// The proof was used before.
    #[serde(rename = "refused.caller.replayed")]
    CallerReplayed,
    /// The person for whom it is must be authenticated better, or again.
    #[serde(rename = "refused.caller.step_up")]
    CallerStepUp,
    /// The run ended by itself.
    #[serde(rename = "refused.run.closed")]
    RunClosed,
    /// The run's time is up.
    #[serde(rename = "refused.run.expired")]
    RunExpired,
    /// A human killed the run.
    #[serde(rename = "refused.run.killed")]
    RunKilled,
    /// The agent is not active.
    #[serde(rename = "refused.run.agent_stopped")]
    AgentStopped,
    /// No human stands behind the version.
    #[serde(rename = "refused.run.version_not_approved")]
    VersionNotApproved,
    /// The person the run acts for is gone.
    #[serde(rename = "refused.run.person_gone")]
    PersonGone,
    /// Neither owner nor sponsor is there.
    #[serde(rename = "refused.run.nobody_accountable")]
    NobodyAccountable,
    /// The run is held less firmly than somebody asks for.
    #[serde(rename = "refused.run.tier")]
    TierBelowFloor,
    /// No line of the mandate speaks of the operation.
    #[serde(rename = "refused.mandate.nothing_allows")]
    NothingAllows,
    /// A line forbids the operation.
    #[serde(rename = "refused.mandate.never")]
    Never,
    /// A line holds the operation for a human.
    #[serde(rename = "refused.mandate.needs_approval")]
    MandateNeedsApproval,
    /// More than one connection would serve it, and the mandate names none or several.
    #[serde(rename = "refused.mandate.ambiguous_connection")]
    AmbiguousConnection,
    /// The operation is held, but its body is too large to be approved.
    #[serde(rename = "refused.mandate.body_too_large")]
    BodyTooLarge,
    /// No connection is what the token is asked for.
    #[serde(rename = "refused.mandate.no_target")]
    NoTarget,
    /// It goes beyond the token that is presented or exchanged.
    #[serde(rename = "refused.mandate.beyond_token")]
    BeyondToken,
    /// A policy forbids it.
    #[serde(rename = "refused.policy.forbidden")]
    PolicyForbids,
    /// A policy holds it for a human.
    #[serde(rename = "refused.policy.needs_approval")]
    PolicyNeedsApproval,
    /// A policy could not be evaluated.
    #[serde(rename = "refused.policy.error")]
    PolicyError,
    /// The score is below a floor.
    #[serde(rename = "refused.trust.below_floor")]
    BelowFloor,
    /// The score asks for a human.
    #[serde(rename = "refused.trust.needs_approval")]
    TrustNeedsApproval,
    /// Too fast.
    #[serde(rename = "refused.limits.rate_spent")]
    RateSpent,
    /// Too many.
    #[serde(rename = "refused.limits.calls_spent")]
    CallsSpent,
    /// Too many bytes.
    #[serde(rename = "refused.limits.bytes_spent")]
    BytesSpent,
    /// The connection has no credential although it wants one.
    #[serde(rename = "refused.broker.no_credential")]
    NoCredential,
    /// The log cannot be written.
    #[serde(rename = "refused.record.log_unavailable")]
    LogUnavailable,
    /// Facts kept changing while the decision was made.
    #[serde(rename = "refused.record.facts_changed")]
    FactsChanged,
    /// Too many decisions wait for the log.
    #[serde(rename = "refused.record.overloaded")]
    Overloaded,
}

impl Code {
    /// Every code, for documentation and coverage tests.
    pub const ALL: [Self; 33] = [
        Self::CallerMissing,
        Self::CallerUnknown,
        Self::CallerDoor,
        Self::CallerProof,
        Self::CallerReplayed,
        Self::CallerStepUp,
        Self::RunClosed,
        Self::RunExpired,
        Self::RunKilled,
        Self::AgentStopped,
        Self::VersionNotApproved,
        Self::PersonGone,
        Self::NobodyAccountable,
        Self::TierBelowFloor,
        Self::NothingAllows,
        Self::Never,
        Self::MandateNeedsApproval,
        Self::AmbiguousConnection,
        Self::BodyTooLarge,
        Self::NoTarget,
        Self::BeyondToken,
        Self::PolicyForbids,
        Self::PolicyNeedsApproval,
        Self::PolicyError,
        Self::BelowFloor,
        Self::TrustNeedsApproval,
        Self::RateSpent,
        Self::CallsSpent,
        Self::BytesSpent,
        Self::NoCredential,
        Self::LogUnavailable,
        Self::FactsChanged,
        Self::Overloaded,
    ];

    /// The stage that refuses with it.
    pub const fn stage(self) -> Stage {
        match self {
            Self::CallerMissing
            | Self::CallerUnknown
            | Self::CallerDoor
            | Self::CallerProof
            | Self::CallerReplayed
            | Self::CallerStepUp => Stage::Caller,
            Self::RunClosed
            | Self::RunExpired
            | Self::RunKilled
            | Self::AgentStopped
            | Self::VersionNotApproved
            | Self::PersonGone
            | Self::NobodyAccountable
            | Self::TierBelowFloor => Stage::Run,
            Self::NothingAllows
            | Self::Never
            | Self::MandateNeedsApproval
            | Self::AmbiguousConnection
            | Self::BodyTooLarge
            | Self::NoTarget
            | Self::BeyondToken => Stage::Mandate,
            Self::PolicyForbids | Self::PolicyNeedsApproval | Self::PolicyError => Stage::Policy,
            Self::BelowFloor | Self::TrustNeedsApproval => Stage::Trust,
            Self::RateSpent | Self::CallsSpent | Self::BytesSpent => Stage::Limits,
            Self::NoCredential => Stage::Broker,
            Self::LogUnavailable | Self::FactsChanged | Self::Overloaded => Stage::Record,
        }
    }

    /// The code as it is printed, such as `refused.run.killed`.
    pub fn text(self) -> String {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::String(text)) => text,
            _ => format!("refused.{}", self.stage()),
        }
    }

    /// Whether a human's approval of exactly this operation would lift it.
    pub const fn is_hold(self) -> bool {
        matches!(
            self,
            Self::MandateNeedsApproval | Self::PolicyNeedsApproval | Self::TrustNeedsApproval
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// A no, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Stable, to branch on.
    pub code: Code,
    /// What and why: lower case, no full stop.
    pub message: String,
    /// What to do next.
    pub remedy: Option<String>,
    /// The question a human was asked, if the refusal is a hold.
    pub approval: Option<Id<Approval>>,
    /// The decision in the log that says the same, once it is recorded.
    pub decision: Option<Id<Decision>>,
}

impl Refusal {
    /// A refusal with a remedy.
    pub fn new(code: Code, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        let (message, remedy) = (message.into(), Some(remedy.into()));
        Self { code, message, remedy, approval: None, decision: None }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::{Code, Stage};

    #[test]
    fn every_code_names_its_stage_and_no_two_are_alike() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            assert!(code.text().starts_with(&format!("refused.{}.", code.stage())), "{code:?}");
            assert!(seen.insert(code.text()), "{code:?} is spelt like another");
        }
        assert!(Stage::ALL.is_sorted());
    }
}
