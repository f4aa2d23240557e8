//! What the plane shows: plain data for the API, the CLI and `--json`.

use std::collections::BTreeMap;

use marque_domain::decision::ActorSummary;
use marque_domain::issuer::PersonNaming;
use marque_domain::token::StepUp;
use marque_domain::{
    Actor, Agent, Approval, Client, Connection, Credential, Decision, Digest, FactRef, GitIdentity,
    Grant, Id, Limits, LogEntry, Name, Run, TaskRef, Tier, Timestamp, TrustedIssuer, User,
    UserName,
};
use serde::{Deserialize, Serialize};

/// How the plane stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StatusView {
    /// Its version.
    pub version: String,
    /// Its name in checkpoints and SPIFFE ids.
    pub trust_domain: String,
    /// Who claimed it, and when; nobody yet if absent.
    pub claimed: Option<ClaimView>,
    /// Where the proxy door listens.
    pub proxy: Option<String>,
    /// Open runs.
    pub open_runs: usize,
    /// Entries in the log.
    pub log_size: u64,
    /// Of the policy set in force.
    pub policy_digest: Digest,
    /// Policies in force.
    pub policies: usize,
    /// Who issues tokens; nobody where the token service is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
}

/// Log entry 0, in short.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClaimView {
    /// Who.
    pub by: UserName,
    /// When.
    pub at: Timestamp,
    /// The verifier key of the log, as C2SP signed notes print it: the one in force, if it was
    /// rotated since.
    pub log_key: String,
}

/// A key of the plane. Nothing of its private half.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyView {
    /// `log`, `git`, `token ES256`, `token RS256`, `key-encryption` or `machine-hash`.
    pub purpose: String,
    /// Of a key that signs the one that verifies, of others their id, if they have one.
    pub id: Option<String>,
    /// The entry after which it came into force; none for those from before the claim.
    pub since: Option<u64>,
    /// The entry that retired it, the last that it vouches for.
    pub until: Option<u64>,
    /// `active` or `retired`; of a key of tokens also `prepared`.
    pub state: String,
    /// Of a key of tokens: from when it may sign if it is prepared, since when it has if it is
    /// active, until when it is published if it is retired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// A rotation of the log's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotatedView {
    /// The entry that holds it.
    pub index: u64,
    /// The key it retired, as verifiers read it.
    pub old: String,
    /// The key that signs from then on.
    pub new: String,
}

/// An opened terminal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UnlockView {
    /// Who opened it.
    pub user: UserName,
    /// Until when.
    pub until: Timestamp,
}

/// What may be spent, and what is left of it: of a run in all, of an agent or a connection today.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetView {
    /// The limits; what is not there is not limited.
    pub limits: Limits,
    /// Calls spent.
    pub calls: u64,
    /// Bytes spent, those included that calls under way hold.
    pub bytes: u64,
    /// Calls left, where they are limited.
    pub calls_left: Option<u64>,
    /// Bytes left, where they are limited.
    pub bytes_left: Option<u64>,
}

/// An agent, with names for ids.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AgentView {
    /// Which.
    pub id: Id<Agent>,
    /// Called what.
    pub name: Name,
    /// `spiffe://<trust-domain>/agent/<name>`.
    pub spiffe_id: String,
    /// What it is for.
    pub purpose: String,
    /// The technical human.
    pub owner: UserName,
    /// The accountable human.
    pub sponsor: UserName,
    /// The number of the version that runs.
    pub version: u32,
    /// What that version is made of.
    pub digests: BTreeMap<String, Digest>,
    /// `draft`, `active`, `suspended` or `retired`.
    pub state: String,
    /// Its open runs.
    pub open_runs: Vec<Id<Run>>,
    /// Its live grants.
    pub grants: Vec<Id<Grant>>,
    /// What all its runs together may spend.
    pub budget: BudgetView,
    /// Since when.
    pub added_at: Timestamp,
}

/// A connection, with names for ids. Nothing of its secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConnectionView {
    /// Which.
    pub id: Id<Connection>,
    /// Called what.
    pub name: Name,
    /// Its recogniser.
    pub service: String,
    /// `host:port`, each.
    pub hosts: Vec<String>,
    /// The pinned address.
    pub pin: Option<String>,
    /// `tls`, `tls_with_authority` or `plain`.
    pub transport: String,
    /// `bearer`, `basic`, `header <name>` or `none`.
    pub slot: String,
    /// The sealed credential's id.
    pub credential: Option<Id<Credential>>,
    /// Its revision: 1 when first sealed, one more with each rotation.
    pub credential_revision: Option<u64>,
    /// What any agent may ever do through it.
    pub ceiling: Vec<String>,
    /// What all agents together may spend through it.
    pub budget: BudgetView,
    /// The score below which a run is refused.
    pub trust_floor: u8,
    /// Who rotates, and by when.
    pub rotation: Option<String>,
    /// What becomes of an answer that holds a credential: `redact` or `cut`.
    #[serde(default)]
    pub on_echo: String,
    /// Fields of answers that pass although they are held back elsewhere.
    #[serde(default)]
    pub passes: Vec<String>,
    /// What it must never hold.
    pub never_holds: Option<String>,
    /// `live` or `removed`.
    pub state: String,
    /// Since when.
    pub added_at: Timestamp,
    /// What tokens for it are like, where that is not as usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<TokenTargetView>,
}

/// What tokens for a connection are like.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TokenTargetView {
    /// What they are for; the gateway's own address of the connection if absent.
    pub audience: Option<String>,
    /// `ES256` or `RS256`.
    pub algorithm: String,
    /// Whether one may be bound to no key.
    pub bearer: bool,
    /// The agent that serves it.
    pub served_by: Option<Name>,
    /// How a person must have been authenticated for whom the gateway is called.
    #[serde(default, skip_serializing_if = "StepUp::is_nothing")]
    pub step_up: StepUp,
    /// How it asks about tokens: `private_key_jwt`, `client_secret_basic` or `none`.
    pub asks_by: String,
    /// The secret with which it asks, when it was just made, and never again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// A client of the token service, with names for ids.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClientView {
    /// Which: its `client_id`.
    pub id: Id<Client>,
    /// Called what.
    pub name: Name,
    /// The agent it runs.
    pub agent: Name,
    /// How it proves itself: `private_key_jwt`, `self_signed_tls_client_auth`, `tls_client_auth` or
    /// `jwt-bearer`.
    pub proof: String,
    /// The keys of the issuer of its tokens, where it proves itself by those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<IssuerKeysView>,
    /// For what its runs are opened.
    pub task: Option<TaskRef>,
    /// Lines that go on by themselves.
    pub allow: Vec<String>,
    /// Lines that ask.
    pub ask: Vec<String>,
    /// Lines that never are.
    pub never: Vec<String>,
    /// How long each of its runs may last, in seconds.
    pub run_ttl_secs: u64,
    /// Until when its assertions may name the token endpoint as their audience.
    pub endpoint_audience_until: Option<Timestamp>,
    /// Who registered it.
    pub added_by: UserName,
    /// When.
    pub added_at: Timestamp,
    /// `active`, `suspended` or `retired`.
    pub state: String,
}

/// The keys of an issuer, and what is known of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IssuerKeysView {
    /// The URL they came from; absent where a human gave them.
    pub from: Option<String>,
    /// How many there are that verify something here.
    pub count: usize,
    /// Of the set.
    pub digest: Digest,
    /// When this server last saw them there, or any server, to the hour.
    pub fetched_at: Option<Timestamp>,
    /// When this server last began to ask.
    pub tried_at: Option<Timestamp>,
    /// Why that failed, if it did.
    pub error: Option<String>,
    /// Whether they are too old to be believed: tokens of the issuer are refused.
    pub stale: bool,
}

/// An issuer that says who people are, with names for ids.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IssuerView {
    /// Which.
    pub id: Id<TrustedIssuer>,
    /// Called what.
    pub name: Name,
    /// The `iss` of its tokens.
    pub issuer: String,
    /// What they must name us by.
    pub audience: String,
    /// Its keys.
    pub keys: IssuerKeysView,
    /// How they name the person.
    pub naming: PersonNaming,
    /// Who is whom.
    pub people: BTreeMap<String, UserName>,
    /// Who trusted it.
    pub added_by: UserName,
    /// When.
    pub added_at: Timestamp,
}

/// A grant, with names for ids.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GrantView {
    /// Which.
    pub id: Id<Grant>,
    /// For whom.
    pub agent: Name,
    /// Who gave it.
    pub given_by: UserName,
    /// Who may open runs under it.
    pub openers: Vec<UserName>,
    /// Lines that go on by themselves.
    pub allow: Vec<String>,
    /// Lines that ask.
    pub ask: Vec<String>,
    /// Lines that never are.
    pub never: Vec<String>,
    /// How firmly every run of the agent must at least be held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier_floor: Option<Tier>,
    /// Whether captured runs under it may make user namespaces.
    #[serde(default)]
    pub user_namespaces: bool,
    /// When it ends by itself.
    pub until: Timestamp,
    /// `live`, `revoked` or `expired`.
    pub state: String,
}

/// A run, with names for ids.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunView {
    /// Which.
    pub id: Id<Run>,
    /// `spiffe://<trust-domain>/agent/<name>/run/<run-id>`.
    pub spiffe_id: String,
    /// Of which agent.
    pub agent: Name,
    /// In which version.
    pub version: u32,
    /// For what.
    pub task: TaskRef,
    /// The human who opened it, or its tree.
    pub opened_by: UserName,
    /// The person it acts for.
    pub on_behalf_of: Option<UserName>,
    /// The run that opened it.
    pub parent: Option<Id<Run>>,
    /// Who acts for whom, the current actor last.
    pub actors: Vec<Actor>,
    /// How it is held.
    pub tier: Tier,
    /// Whether it may make user namespaces.
    #[serde(default)]
    pub user_namespaces: bool,
    /// Lines that go on by themselves.
    pub allow: Vec<String>,
    /// Lines that ask.
    pub ask: Vec<String>,
    /// Lines that never are.
    pub never: Vec<String>,
    /// Calls decided so far.
    pub calls: u64,
    /// Refusals so far.
    pub refusals: u64,
    /// What it may spend.
    pub budget: BudgetView,
    /// `open`, `done`, `expired`, `killed`, `drifted` or `orphaned`.
    pub state: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// Until when the job, person or hop that it was for is stopped because it was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_until: Option<Timestamp>,
}

/// A run just opened: what only its launcher may know.
///
/// No `Debug`: it carries the run's proxy secret.
#[derive(Clone, Serialize, Deserialize)]
pub struct OpenedRunView {
    /// The run.
    pub run: RunView,
    /// The run's proxy secret. Dies with the run.
    pub secret: String,
    /// Where the proxy door listens, `127.0.0.1:port`.
    pub proxy: String,
    /// The certificate authority of this run's interception, PEM.
    pub ca_pem: String,
    /// Lines of the repository's file that lie beyond the grants and were left out.
    pub left_out: Vec<String>,
    /// TCP ports a captured run needs doors at beside 80, 443, 22, 5432 and 53: those of the
    /// connections its mandate names, sorted, at most 32.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// Hosts of every connection the mandate names, sorted.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// What it commits as; none where the plane gives runs no git identity.
    #[serde(default)]
    pub git: Option<GitView>,
    /// Who issues tokens; nobody where the token service is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
}

/// What a run commits as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitView {
    /// Its author, unless somebody says otherwise.
    pub author: GitIdentity,
    /// Its committer: the agent.
    pub committer: GitIdentity,
    /// The public key that verifies it, as OpenSSH writes it.
    pub key: String,
    /// The hosts of the git connections that its mandate names.
    pub hosts: Vec<String>,
    /// What `ssh-keygen` verifies with.
    pub allowed_signers: String,
}

/// A signature for git.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitSignatureView {
    /// As `ssh-keygen -Y sign` prints it.
    pub signature: String,
}

/// What verifies the commits of a plane's runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllowedSignersView {
    /// The file, as `ssh-keygen` reads it.
    pub text: String,
}

/// An approval, as a human must see it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ApprovalView {
    /// The question and its answer.
    pub approval: Approval,
    /// `asked`, `given`, `declined`, `used` or `lapsed`.
    pub state: String,
    /// Who asks.
    pub actor: ActorSummary,
    /// The permission line that would cover it.
    pub line: String,
    /// What the run's trust comes to now, 0 to 100; 0 once the run is over.
    pub trust: u8,
}

/// What a kill did.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KilledView {
    /// The runs it closed.
    pub runs: Vec<Id<Run>>,
    /// Who would have opened the next one, and is let in no more until a human says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stopped: Vec<StoppedView>,
    /// From the request until every stream was cut and the entry was on disk, in microseconds.
    pub took_micros: u64,
}

/// Who stands behind runs, and was stopped with them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoppedView {
    /// The client; none of a hop that a launched run presented.
    pub client: Option<Name>,
    /// The run by which it is let in again, where it is one job, person or hop and not the client.
    pub run: Option<Id<Run>>,
}

/// A decision replayed from its recorded revisions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExplainView {
    /// The entry that holds it.
    pub index: u64,
    /// When.
    pub at: Timestamp,
    /// The decision.
    pub decision: Decision,
    /// Each fact it used, as it stood.
    pub facts: Vec<FactView>,
    /// The policy set in force.
    pub policies: Option<String>,
    /// How the act went, if it was allowed and is over.
    pub outcome: Option<LogEntry>,
    /// What stages 2 to 5 answer today from those revisions; must equal what was recorded.
    pub replayed: String,
}

/// One revision of a fact.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FactView {
    /// Which.
    pub reference: FactRef,
    /// Its body, as stored.
    pub body: serde_json::Value,
}

/// A signed checkpoint with what it says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CheckpointView {
    /// Entries it covers.
    pub size: u64,
    /// The root of their tree.
    pub root: Digest,
    /// The signed note.
    pub note: String,
    /// Leaf hashes of the asked run's entries, by index, so that an anchor names the exact entry.
    pub leaves: Vec<(u64, Digest)>,
}

/// A run that ended, and the log as it was then.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EndedView {
    /// The run.
    pub run: RunView,
    /// What its launcher keeps outside the data directory.
    pub checkpoint: CheckpointView,
}

/// Whoever asked, as the plane sees them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "you_are", rename_all = "snake_case")]
pub enum WhoamiView {
    /// A run.
    Run(Box<RunView>),
    /// A human at an unlocked terminal.
    User {
        /// Whom.
        user: UserName,
        /// Which.
        id: Id<User>,
        /// Until when the terminal is open.
        until: Option<Timestamp>,
    },
    /// A process of the data directory's owner, without a factor.
    Nobody,
}
