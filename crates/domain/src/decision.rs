//! Decisions: the final answer of the road, with everything it rested on.

use serde::{Deserialize, Serialize};

use crate::approval::Approval;
use crate::chain::ActorChain;
use crate::digest::Digest;
use crate::fact::FactRef;
use crate::id::{Id, Named};
use crate::limits::Meter;
use crate::name::{Name, TaskRef, UserName};
use crate::operation::{BodyKind, Effect};
use crate::run::{Run, Tier};
use crate::service::{Class, Service};
use crate::stage::Code;
use crate::time::Timestamp;
use crate::token::TokenRecord;
use crate::trust::{TrustInputs, TrustScore};

/// One decision, as the log keeps it. Enough to replay it: every fact by revision, every counter
/// and trust input by value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Which.
    pub id: Id<Decision>,
    /// The moment the stages looked at.
    pub at: Timestamp,
    /// Yes, held, or no.
    pub answer: Answer,
    /// What was asked.
    pub operation: OperationSummary,
    /// Who asked; `None` where the caller could not be told.
    pub actor: Option<ActorSummary>,
    /// The mandate's or grant's line that decided, as a person reads it.
    pub line: Option<String>,
    /// Every fact used, by revision.
    pub facts: Vec<FactRef>,
    /// The policies that spoke, by id.
    pub rules: Vec<String>,
    /// Of the policy set in force.
    pub policy_digest: Option<Digest>,
    /// What trust was computed from.
    pub trust_inputs: Option<TrustInputs>,
    /// What it came to.
    pub trust: Option<TrustScore>,
    /// The run's meter before this call.
    pub meter: Option<Meter>,
    /// The approval it consumed, or asked for.
    pub approval: Option<Id<Approval>>,
    /// The credential that served, by revision. Never its value.
    pub credential: Option<FactRef>,
    /// The token it was about: minted, or how it was to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Box<TokenRecord>>,
}

/// How a decision came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// All eight stages passed.
    Allowed,
    /// A human must answer first.
    Held {
        /// The stage's code.
        code: Code,
        /// What and why.
        message: String,
    },
    /// No.
    Refused {
        /// The stage's code.
        code: Code,
        /// What and why.
        message: String,
    },
}

/// What was asked, without anything that could hold a secret: no query, headers or body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationSummary {
    /// The recogniser.
    pub service: Service,
    /// The connection that would serve, if one was found.
    pub connection: Option<Name>,
    /// The operation's name.
    pub name: String,
    /// The resource parts.
    pub resource: Vec<String>,
    /// Where it was to go: `scheme://host:port`.
    pub target: String,
    /// How much it can change.
    pub class: Class,
    /// Whether there was a query.
    pub has_query: bool,
    /// What was known of the body when it was decided.
    pub body: BodyKind,
    /// Of the whole operation, query, headers and body included.
    pub digest: Digest,
    /// Further effects of the same request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Effect>,
}

impl OperationSummary {
    /// Everything that was asked for, as `<name> <resource…>`, the first effect first.
    pub fn effects(&self) -> impl Iterator<Item = String> {
        let further = self.also.iter().map(|effect| (&effect.name, &effect.resource));
        let all = std::iter::once((&self.name, &self.resource)).chain(further);
        all.map(|(name, resource)| format!("{name} {}", resource.join(" ")))
    }
}

/// Who asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActorSummary {
    /// In which run.
    pub run: Id<Run>,
    /// The agent's name when it happened.
    pub agent: Name,
    /// The number of its version.
    pub version: u32,
    /// For what.
    pub task: TaskRef,
    /// How the run was held.
    pub tier: Tier,
    /// The human who opened the run.
    pub opened_by: UserName,
    /// The person it acted for; `None` for nobody.
    pub on_behalf_of: Option<UserName>,
    /// Who acts for whom.
    pub chain: ActorChain,
}

impl Named for Decision {
    const PREFIX: &'static str = "dec";
    const NOUN: &'static str = "a decision";
}

impl Answer {
    /// The answer as one word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Held { .. } => "held",
            Self::Refused { .. } => "refused",
        }
    }

    /// The code, unless it was a yes.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Allowed => None,
            Self::Held { code, .. } | Self::Refused { code, .. } => Some(*code),
        }
    }
}
