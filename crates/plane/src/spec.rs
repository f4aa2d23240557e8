//! What callers hand to the plane: plain data, parsed at the edge, judged by the verbs.
//!
//! The CLI prints these as JSON bodies and the API reads them back, so both share this one shape.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use marque_domain::client::ClientKeys;
use marque_domain::connection::Rotation;
use marque_domain::issuer::{KeySource, PersonNaming};
use marque_domain::token::StepUp;
use marque_domain::{
    Answers, Digest, Limits, Name, Service, Slot, TaskRef, Tier, Timestamp, UserName,
};
use serde::{Deserialize, Serialize};

/// A new agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentSpec {
    /// Its name, for ever.
    pub name: Name,
    /// What it is for; at most 500 characters.
    pub purpose: String,
    /// The technical human; the caller if not named.
    pub owner: Option<UserName>,
    /// The accountable human; the owner if not named.
    pub sponsor: Option<UserName>,
    /// Digests of what it is made of, by `prompt`, `tools`, `model`, `code`.
    #[serde(default)]
    pub digests: BTreeMap<String, Digest>,
    /// What all its runs together may spend, calls and bytes by the day.
    #[serde(default)]
    pub limits: Limits,
}

/// New limits of an agent or a connection.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitSpec {
    /// Drops those there are; otherwise the ones not named below stay.
    #[serde(default)]
    pub clear: bool,
    /// Those to set.
    #[serde(default)]
    pub limits: Limits,
}

/// A new connection. Its secret travels beside it, never in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionSpec {
    /// Its name, the word before the colon of a permission.
    pub name: Name,
    /// The recogniser of its requests: `http` or `git`.
    #[serde(default)]
    pub service: Service,
    /// `host` or `host:port`, at least one; the port is 443, or 80 for a plain one.
    pub hosts: Vec<String>,
    /// The address to dial instead of what the names resolve to.
    pub pin: Option<SocketAddr>,
    /// PEM certificates that alone may vouch for the upstream.
    pub authority_pem: Option<String>,
    /// No TLS to the upstream.
    #[serde(default)]
    pub plain_http: bool,
    /// Where the credential goes; none for an upstream that wants none.
    pub slot: Option<Slot>,
    /// What any agent may ever do through it, as lines without the connection's name, such as
    /// `GET /v1/**` or `git.push acme/api refs/heads/agent/**`; everything if empty.
    #[serde(default)]
    pub ceiling: Vec<String>,
    /// What all agents together may spend through it, calls and bytes by the day.
    #[serde(default)]
    pub limits: Limits,
    /// The score below which a run is refused, 0 to 100.
    #[serde(default)]
    pub trust_floor: u8,
    /// Who rotates the credential, and by when.
    pub rotation: Option<Rotation>,
    /// What of its answers reaches a run.
    #[serde(default)]
    pub answers: Answers,
    /// What tokens for it are like.
    #[serde(default)]
    pub tokens: Option<TokenTargetSpec>,
    /// What it must never hold, in words.
    pub never_holds: Option<String>,
}

/// Permission lines in their three parts, as written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lines {
    /// Go on by themselves.
    #[serde(default)]
    pub allow: Vec<String>,
    /// Ask a human.
    #[serde(default)]
    pub ask: Vec<String>,
    /// Are never done.
    #[serde(default)]
    pub never: Vec<String>,
}

/// A new grant.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantSpec {
    /// For which agent.
    pub agent: Name,
    /// What it allows, asks for and forbids.
    pub lines: Lines,
    /// When it ends.
    pub until: Timestamp,
    /// Who may open runs under it; the caller if empty.
    #[serde(default)]
    pub openers: BTreeSet<UserName>,
    /// How firmly every run of the agent must at least be held as long as the grant is live.
    #[serde(default)]
    pub tier_floor: Option<Tier>,
    /// Whether captured runs under it may make user namespaces.
    #[serde(default)]
    pub user_namespaces: bool,
}

/// A run to open.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSpec {
    /// Of which agent; a child run of the same agent if not named and a run asks.
    pub agent: Option<Name>,
    /// For what.
    pub task: Option<TaskRef>,
    /// The person it acts for; itself if none.
    pub on_behalf_of: Option<UserName>,
    /// What it may do; all its agent's grants allow if empty.
    #[serde(default)]
    pub mandate: Lines,
    /// Lines of a file in the repository: they narrow, they never widen.
    pub file_mandate: Option<Lines>,
    /// What it may spend.
    #[serde(default)]
    pub limits: Limits,
    /// How long it may last, in seconds.
    pub ttl_secs: u64,
    /// How its launcher holds it; a child run is held as its parent is, whatever this says.
    pub tier: Tier,
    /// How firmly its mandate asks that it be held; it is not opened otherwise.
    #[serde(default)]
    pub tier_floor: Option<Tier>,
    /// Public keys of its own, a JWK set: it asks the token service for tokens with assertions that
    /// one of them signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<String>,
}

/// A new client of the token service.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSpec {
    /// Its name, for ever.
    pub name: Name,
    /// The agent it runs.
    pub agent: Name,
    /// What it proves itself by.
    pub proof: ClientKeys,
    /// For what its runs are opened; named after each where there is none.
    #[serde(default)]
    pub task: Option<TaskRef>,
    /// What each of its runs may do; all its agent's grants allow if empty.
    #[serde(default)]
    pub mandate: Lines,
    /// What each of its runs may spend.
    #[serde(default)]
    pub limits: Limits,
    /// How long each of its runs may last, in seconds.
    pub run_ttl_secs: u64,
    /// Until when its assertions may name the token endpoint as their audience.
    #[serde(default)]
    pub endpoint_audience_until: Option<Timestamp>,
}

/// An issuer to be trusted to say who people are.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerSpec {
    /// What it is called here.
    pub name: Name,
    /// The `iss` of its tokens, byte for byte.
    pub issuer: String,
    /// What they must name us by.
    pub audience: String,
    /// Its public keys, a JWK set; empty where it publishes them itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub jwks: String,
    /// Where it publishes them, instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<KeySource>,
    /// How its tokens name the person.
    #[serde(default)]
    pub naming: PersonNaming,
    /// Who is whom: what its tokens call a person, and their name here.
    pub people: BTreeMap<String, UserName>,
}

/// What tokens for a connection are like.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenTargetSpec {
    /// What they are for: the address of the resource server. For a `resource` connection alone.
    #[serde(default)]
    pub audience: Option<String>,
    /// `ES256` or `RS256`; ES256 if not named.
    #[serde(default)]
    pub algorithm: Option<String>,
    /// Whether a token may be bound to no key.
    #[serde(default)]
    pub bearer: bool,
    /// The agent that serves it, and so may exchange tokens that came for it.
    #[serde(default)]
    pub served_by: Option<Name>,
    /// The public keys with which it asks about tokens, a JWK set.
    #[serde(default)]
    pub keys: Option<String>,
    /// Whether it asks with a secret instead, which is shown once.
    #[serde(default)]
    pub secret: bool,
    /// How a person must have been authenticated for whom the gateway is called.
    #[serde(default)]
    pub step_up: StepUp,
}

/// What to kill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kill", content = "which", rename_all = "snake_case", deny_unknown_fields)]
pub enum KillTarget {
    /// A run by its id, and its children.
    Run(String),
    /// Every run of an agent, by name, and their children.
    Agent(Name),
    /// Every run of the agents of a person, by name.
    Owner(UserName),
    /// Every run there is.
    All,
}
