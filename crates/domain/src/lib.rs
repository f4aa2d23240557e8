//! The words of Marque: nouns, their states, and the pure rules over them.
//!
//! Nothing here waits, reads a clock, draws randomness, logs, or touches the outside.
#![warn(missing_docs)]

pub mod agent;
pub mod approval;
pub mod authority;
pub mod canonical;
pub mod chain;
pub mod client;
pub mod connection;
pub mod credential;
pub mod decision;
pub mod digest;
pub mod event;
pub mod fact;
pub mod git;
pub mod grant;
pub mod id;
pub mod issuer;
pub mod limits;
pub mod name;
pub mod operation;
pub mod pattern;
pub mod permission;
pub mod portion;
pub mod resource;
pub mod run;
pub mod service;
pub mod size;
pub mod sorted;
pub mod stage;
pub mod time;
pub mod token;
pub mod trust;
pub mod user;

pub use agent::{Agent, AgentState, AgentVersion, VersionState};
pub use approval::{Approval, ApprovalState};
pub use authority::{Authority, Reach};
pub use canonical::canonical_bytes;
pub use chain::{Actor, ActorChain};
pub use client::Client;
pub use connection::{Answers, Connection, Endpoint, OnEcho, Slot, Transport};
pub use credential::Credential;
pub use decision::{Answer, Decision};
pub use digest::Digest;
pub use event::{Event, LogEntry, Outcome, UserRef, Verb};
pub use fact::{Fact, FactRef, Revised};
pub use git::{GitAuthor, GitFinding, GitIdentity};
pub use grant::Grant;
pub use id::{Id, Named};
pub use issuer::{IssuerKeys, KeySource, TrustedIssuer};
pub use limits::{Limits, Meter, Period};
pub use name::{Name, TaskRef, UserName};
pub use operation::{Body, Effect, EffectRef, Operation};
pub use pattern::Pattern;
pub use permission::{Access, Permission};
pub use run::{Closing, Run, RunState, Tier};
pub use service::{Class, SCOPE, SOCKET_MESSAGE, SOCKET_OPENING, Service, TOKEN};
pub use sorted::Sorted;
pub use stage::{Code, Refusal, Stage};
pub use time::Timestamp;
pub use token::{AccessToken, TokenRecord, TokenStatusList, TokenTarget};
pub use trust::{TrustInputs, TrustLevel, TrustScore};
pub use user::User;
