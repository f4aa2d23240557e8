//! What travels beside the plane's own specs and views: headers and small bodies.
//!
//! Clients print these and the handlers read them back, so both share this one shape.

use std::collections::BTreeMap;

use marque_domain::{AccessToken, Approval, Digest, Id, Run, TaskRef, Timestamp};
use marque_plane::spec::ConnectionSpec;
use serde::{Deserialize, Serialize};

/// Set to `true`, a mutating verb is judged and not done.
pub const DRY_RUN: &str = "marque-dry-run";
/// The scheme of `Authorization: Marque-Run <run id>:<secret>`.
pub const RUN_SCHEME: &str = "Marque-Run";
/// Most bytes of a request's body.
pub const BODY_MAX_BYTES: usize = 256 * 1024;
/// Most bytes of an object of git that is to be signed.
pub const OBJECT_MAX_BYTES: usize = 1024 * 1024;

/// A problem document (RFC 9457): what, why, and what next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemDocument {
    /// `urn:marque:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the status means.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What and why: lower case, no full stop.
    pub detail: String,
    /// Stable, to branch on.
    pub code: String,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The question a human was asked, if this is a hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<Id<Approval>>,
    /// The request, as the server's traces name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// Opens a terminal.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnlockBody {
    /// For how long, in seconds.
    pub ttl_secs: u64,
}

/// A connection without its secret. On the wire a member `secret` stands beside the two others; it
/// is read into a type that wipes itself and is never printed, so it is not a field here.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionBody {
    /// The connection.
    pub connection: ConnectionSpec,
}

/// Says yes to exactly one operation.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApproveBody {
    /// The digest of the operation the human was shown.
    pub digest: Digest,
}

/// Closes a task and its runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskBody {
    /// Which.
    pub task: TaskRef,
}

/// Takes a token back.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeTokenBody {
    /// Which: its `jti`.
    pub token: Id<AccessToken>,
    /// The run it is of.
    pub run: Id<Run>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RevokedTokenView {
    /// The token that is good no more.
    pub token: Id<AccessToken>,
    /// The run it was of.
    pub run: Id<Run>,
}

/// Moves the keys of tokens on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenKeyBody {
    /// Of which algorithm: `ES256` or `RS256`.
    pub algorithm: String,
}

/// Takes a key of tokens out of use.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetireTokenKeyBody {
    /// Which: its `kid`.
    pub key: String,
    /// Whether it goes even if it signs: another one does from that moment.
    #[serde(default)]
    pub now: bool,
}

/// What of the log is asked for. Absent members ask for all.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogParameters {
    /// `decided`, `run_opened`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// By the agent's name when it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// In that run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<Id<Run>>,
    /// For that task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// By or for that human.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Through that connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// Of that name, such as `GET`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// `allowed`, `held` or `refused`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// Of that decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// Not before, in milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Before, in milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// From that index on; going back from it if the newest come first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_index: Option<u64>,
    /// Whether the newest come first.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub newest_first: bool,
    /// At most so many, 10,000 at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// For counting: `agent`, `task`, `operation`, `resource` or `answer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// One line of an answer to "how often".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// What was grouped by; empty where an entry has none.
    pub value: String,
    /// How many entries.
    pub entries: u64,
}

/// Proof that an entry is in the log, to be checked offline.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReceiptView {
    /// The entry.
    pub index: u64,
    /// The receipt, as text.
    pub receipt: String,
}

/// Whether the server is well.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HealthView {
    /// `ok`.
    pub status: String,
    /// What else there is to say.
    #[serde(flatten)]
    pub more: BTreeMap<String, String>,
}
