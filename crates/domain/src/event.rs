//! Events: everything the log keeps, each a typed record with one canonical form.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::agent::{Agent, AgentVersion};
use crate::canonical::{NotCanonical, canonical_bytes};
use crate::chain::ActorChain;
use crate::decision::Decision;
use crate::digest::Digest;
use crate::fact::FactRef;
use crate::git::{GitRefused, GitSigned, PushLook};
use crate::id::{Id, Named};
use crate::limits::is_zero;
use crate::name::{Name, TaskRef, UserName};
use crate::run::{Closing, Run, Tier};
use crate::time::Timestamp;
use crate::token::AccessToken;
use crate::user::User;

/// An event at its index. Its canonical bytes are the leaf of the Merkle tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry<E = Event> {
    /// From 0, without gaps.
    pub index: u64,
    /// Which.
    pub id: Id<LogEntry>,
    /// When, by the sequencer's clock; it may step back, the index never does.
    pub at: Timestamp,
    /// What: an event, or a reference to one.
    pub event: E,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// The first administrator took the plane. Always entry 0.
    Claimed {
        /// Who.
        by: UserRef,
        /// Of the public key that signs checkpoints.
        log_key: Digest,
    },
    /// A human rotated the log's key. It is the last entry that the old key vouches for.
    LogKeyRotated {
        /// Who.
        by: UserRef,
        /// Of the public key it retires: what the claim, or the rotation before, named.
        old_key: Digest,
        /// That key as verifiers read it (C2SP signed note), since the claim names its digest only.
        old_verifier: String,
        /// Of the public key that signs checkpoints from then on.
        new_key: Digest,
        /// That key as verifiers read it.
        new_verifier: String,
    },
    /// The server started.
    Started {
        /// Its version.
        version: String,
        /// Of the policy set in force.
        policy_digest: Digest,
        /// Intents whose outcome a crash swallowed, marked unknown right after this entry.
        unknown_outcomes: u64,
    },
    /// An older copy of the store was taken as it is.
    Restored(Box<Restored>),
    /// A human changed something.
    Changed(Change),
    /// A run was opened.
    RunOpened(Box<RunOpened>),
    /// A run is over.
    RunClosed {
        /// Which.
        run: Id<Run>,
        /// How it was held; absent in entries from before tiers were told here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tier: Option<Tier>,
        /// Why.
        cause: Closing,
        /// The human who ended it; `None` where it ended by itself.
        by: Option<UserRef>,
        /// Calls it was allowed.
        calls: u64,
        /// Calls it was refused, those included that came too fast to be recorded one by one.
        refusals: u64,
    },
    /// A commit or a tag of a run was signed: durable before the signature is handed out.
    GitSigned(Box<GitSigned>),
    /// A run was not given a signature.
    GitRefused(Box<GitRefused>),
    /// A human rotated the key that signs what runs commit.
    GitKeyRotated {
        /// Who.
        by: UserRef,
        /// The public key it retires, as OpenSSH writes it.
        old_key: String,
        /// The public key that signs from then on.
        new_key: String,
    },
    /// An issuer that is trusted publishes other keys than before: from here on they count, and
    /// none of those before.
    IssuerKeysChanged {
        /// Which set, as it stands afterwards.
        fact: FactRef,
        /// Whose.
        issuer: String,
        /// The URL it came from.
        from: String,
        /// Of the set before; absent at the first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        old: Option<Digest>,
        /// Of the set.
        new: Digest,
        /// How many keys it has.
        keys: u64,
    },
    /// A client took a token back.
    TokenRevoked {
        /// Which.
        token: Id<AccessToken>,
        /// Of which run.
        run: Id<Run>,
        /// The client, by its id.
        by: String,
    },
    /// The server moved the keys of tokens on by itself.
    TokenKeyMoved {
        /// The key, by its id.
        key: String,
        /// What it signs with.
        algorithm: String,
        /// `prepared` where it was published, `active` where it signs from then on.
        step: String,
    },
    /// The road answered. For a yes this is the intent, durable before the act.
    Decided(Box<Decision>),
    /// How an allowed act went.
    Outcome {
        /// The decision that allowed it.
        decision: Id<Decision>,
        /// The run that acted.
        run: Id<Run>,
        /// How it was held, as far as that is known when the outcome is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tier: Option<Tier>,
        /// How it went.
        result: Outcome,
        /// Bytes of the request's body that were sent on.
        sent_bytes: u64,
        /// Bytes of the answer's body that came back.
        received_bytes: u64,
        /// Credentials found in the answer, none of which reached the run.
        #[serde(default, skip_serializing_if = "is_zero")]
        redacted: u64,
        /// What was seen of the objects of a push.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        git: Option<Box<PushLook>>,
    },
}

/// An older copy of the store was taken as it is, and what was in force in it is off until a human
/// turns it on again: what was taken away since is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// Counts up from 1 over the life of the plane.
    pub number: u64,
    /// The root of the entries that were found: all before this one.
    pub root: Digest,
    /// The most entries that were seen before, by all that is remembered; absent where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_size: Option<u64>,
    /// Their root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_root: Option<Digest>,
    /// The epoch after it, above every one that may have been lost.
    pub epoch: u64,
    /// The agents that were suspended, as they stand afterwards.
    pub agents: Vec<FactRef>,
    /// Runs that were closed.
    pub runs: u64,
    /// Approvals that lapsed.
    pub approvals: u64,
}

/// How an allowed act went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Outcome {
    /// The upstream answered, to the end.
    Answered {
        /// Its status.
        status: u16,
    },
    /// The upstream could not be reached, or broke off.
    Failed {
        /// `failed.address`, `failed.dial`, `failed.tls`, `failed.upstream`, `failed.late`,
        /// `failed.credential`, `failed.request`, `failed.packed`, `failed.echo`, `failed.answer`,
        /// `failed.upgrade`, `failed.stale`, `failed.opaque` or `failed.bytes`.
        code: String,
    },
    /// The client went away, or the server ended.
    Abandoned,
    /// A kill cut it.
    Cut,
    /// A crash swallowed it; it may or may not have happened.
    Unknown,
}

/// A human changed a fact, or used their factor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What they did.
    pub verb: Verb,
    /// Who.
    pub by: UserRef,
    /// To what, as it stands afterwards.
    pub fact: Option<FactRef>,
    /// What people call it.
    pub label: String,
    /// What else matters, such as granted lines or an approved digest. Never a secret.
    pub details: BTreeMap<String, String>,
}

/// What a human can do to the plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Verb {
    /// Opened their terminal for administrative verbs.
    #[serde(rename = "terminal.unlocked")]
    TerminalUnlocked,
    /// Gave a wrong factor.
    #[serde(rename = "factor.failed")]
    FactorFailed,
    /// Registered an agent.
    #[serde(rename = "agent.added")]
    AgentAdded,
    /// Stopped an agent.
    #[serde(rename = "agent.suspended")]
    AgentSuspended,
    /// Restarted an agent.
    #[serde(rename = "agent.resumed")]
    AgentResumed,
    /// Ended an agent.
    #[serde(rename = "agent.retired")]
    AgentRetired,
    /// Set what an agent may spend.
    #[serde(rename = "agent.limited")]
    AgentLimited,
    /// Registered a connection.
    #[serde(rename = "connection.added")]
    ConnectionAdded,
    /// Replaced a connection's credential.
    #[serde(rename = "connection.rotated")]
    ConnectionRotated,
    /// Set what may be spent through a connection.
    #[serde(rename = "connection.limited")]
    ConnectionLimited,
    /// Removed a connection.
    #[serde(rename = "connection.removed")]
    ConnectionRemoved,
    /// Gave a grant.
    #[serde(rename = "grant.added")]
    GrantAdded,
    /// Ended a grant.
    #[serde(rename = "grant.revoked")]
    GrantRevoked,
    /// Said yes to an operation.
    #[serde(rename = "approval.given")]
    ApprovalGiven,
    /// Said no to an operation.
    #[serde(rename = "approval.declined")]
    ApprovalDeclined,
    /// Closed a task and its runs.
    #[serde(rename = "task.closed")]
    TaskClosed,
    /// Killed a run, an agent's runs, or all.
    #[serde(rename = "killed")]
    Killed,
    /// Registered a client of the token service.
    #[serde(rename = "client.added")]
    ClientAdded,
    /// Stopped a client.
    #[serde(rename = "client.suspended")]
    ClientSuspended,
    /// Restarted a client.
    #[serde(rename = "client.resumed")]
    ClientResumed,
    /// Ended a client.
    #[serde(rename = "client.retired")]
    ClientRetired,
    /// Trusted an issuer to say who people are.
    #[serde(rename = "issuer.added")]
    IssuerAdded,
    /// Trusted an issuer no more.
    #[serde(rename = "issuer.removed")]
    IssuerRemoved,
    /// Took a token back.
    #[serde(rename = "token.revoked")]
    TokenRevoked,
    /// Moved the keys of tokens on.
    #[serde(rename = "token_key.rotated")]
    TokenKeyRotated,
    /// Took a key of tokens out of the published set.
    #[serde(rename = "token_key.retired")]
    TokenKeyRetired,
    /// Loaded another policy set.
    #[serde(rename = "policy.loaded")]
    PolicyLoaded,
}

/// A run, as it was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOpened {
    /// Which.
    pub run: Id<Run>,
    /// Of which agent.
    pub agent: Id<Agent>,
    /// Called what.
    pub agent_name: Name,
    /// In which version.
    pub version: Id<AgentVersion>,
    /// For what.
    pub task: TaskRef,
    /// The human who opened it, or the tree it belongs to.
    pub opened_by: UserRef,
    /// The person it acts for.
    pub on_behalf_of: Option<UserRef>,
    /// The run that opened it.
    pub parent: Option<Id<Run>>,
    /// Who acts for whom.
    pub chain: ActorChain,
    /// How it is held.
    pub tier: Tier,
    /// Whether it may make user namespaces.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub user_namespaces: bool,
    /// Lines that go on by themselves.
    pub allow: Vec<String>,
    /// Lines that ask.
    pub ask: Vec<String>,
    /// Lines that never are.
    pub never: Vec<String>,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// Every fact used to open it, by revision.
    pub facts: Vec<FactRef>,
}

/// A human, by id and by the name they had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRef {
    /// Which.
    pub id: Id<User>,
    /// Called what.
    pub name: UserName,
}

impl From<&User> for UserRef {
    fn from(user: &User) -> Self {
        Self { id: user.id, name: user.name.clone() }
    }
}

impl<E: Serialize> LogEntry<E> {
    /// The bytes that are hashed, stored, and proved.
    pub fn canonical_bytes(&self) -> Result<Vec<u8>, NotCanonical> {
        canonical_bytes(self)
    }
}

impl Event {
    /// The event as one word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Claimed { .. } => "claimed",
            Self::LogKeyRotated { .. } => "log_key_rotated",
            Self::Started { .. } => "started",
            Self::Restored(_) => "restored",
            Self::Changed(_) => "changed",
            Self::RunOpened(_) => "run_opened",
            Self::RunClosed { .. } => "run_closed",
            Self::GitSigned(_) => "git_signed",
            Self::GitRefused(_) => "git_refused",
            Self::GitKeyRotated { .. } => "git_key_rotated",
            Self::IssuerKeysChanged { .. } => "issuer_keys_changed",
            Self::TokenRevoked { .. } => "token_revoked",
            Self::TokenKeyMoved { .. } => "token_key_moved",
            Self::Decided(_) => "decided",
            Self::Outcome { .. } => "outcome",
        }
    }

    /// The run it belongs to, if it belongs to one.
    pub fn run(&self) -> Option<Id<Run>> {
        match self {
            Self::RunOpened(opened) => Some(opened.run),
            Self::RunClosed { run, .. }
            | Self::Outcome { run, .. }
            | Self::TokenRevoked { run, .. } => Some(*run),
            Self::Decided(decision) => decision.actor.as_ref().map(|actor| actor.run),
            Self::GitSigned(signed) => Some(signed.run),
            Self::GitRefused(refused) => Some(refused.run),
            Self::Claimed { .. }
            | Self::GitKeyRotated { .. }
            | Self::TokenKeyMoved { .. }
            | Self::LogKeyRotated { .. }
            | Self::Started { .. }
            | Self::Restored(_)
            | Self::IssuerKeysChanged { .. }
            | Self::Changed(_) => None,
        }
    }
}

impl Named for LogEntry {
    const PREFIX: &'static str = "evt";
    const NOUN: &'static str = "a log entry";
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
