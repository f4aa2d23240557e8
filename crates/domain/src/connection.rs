//! Connections: the governed tie to one upstream.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::authority::Authority;
use crate::credential::Credential;
use crate::fact::Fact;
use crate::id::{Id, Named};
use crate::limits::Limits;
use crate::name::Name;
use crate::permission::Registered;
use crate::service::Service;
use crate::time::Timestamp;
use crate::token::TokenTarget;
use crate::user::User;

/// A governed tie to one upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Which.
    pub id: Id<Connection>,
    /// Its label, the word before the colon of a permission.
    pub name: Name,
    /// The recogniser of its requests.
    pub service: Service,
    /// Where its requests go. Exactly these hosts and ports, never a suffix.
    pub hosts: Vec<Endpoint>,
    /// The addresses to dial instead of what the name resolves to. Only a pin reaches loopback,
    /// private and link-local ranges.
    pub pin: Option<SocketAddr>,
    /// How the upstream proves itself.
    pub transport: Transport,
    /// Where in a request the credential goes; `None` for an upstream that wants none.
    pub slot: Option<Slot>,
    /// The credential behind it.
    pub credential: Option<Id<Credential>>,
    /// What any agent may ever do through it.
    pub ceiling: Authority,
    /// What all agents together may spend through it, calls and bytes by the day.
    pub limits: Limits,
    /// The score below which a run is refused, 0 to 100.
    pub trust_floor: u8,
    /// Who rotates the credential, and by when.
    pub rotation: Option<Rotation>,
    /// What of its answers reaches a run.
    #[serde(default, skip_serializing_if = "Answers::is_strict")]
    pub answers: Answers,
    /// What tokens for it are like, where that is not as usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Box<TokenTarget>>,
    /// What this connection must never carry or hold, in its owner's words.
    pub never_holds: Option<String>,
    /// Who registered it.
    pub added_by: Id<User>,
    /// When.
    pub added_at: Timestamp,
    /// Whether it is served.
    pub state: ConnectionState,
}

/// A host and port, the host in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// A DNS name or an IP literal, as it stands in an authority.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// How the upstream proves itself, and whether the way there is private.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "transport", rename_all = "snake_case")]
pub enum Transport {
    /// TLS, verified against the system's trust store.
    Tls,
    /// TLS, verified against this authority only.
    TlsWithAuthority {
        /// PEM certificates.
        pem: String,
    },
    /// No TLS. A human said so explicitly; the credential crosses the wire in the clear.
    Plain,
}

/// Where a credential goes. Anything the client itself put there is stripped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "slot", rename_all = "snake_case", deny_unknown_fields)]
pub enum Slot {
    /// `Authorization: Bearer …` (RFC 6750 §2.1).
    // In braces, for serde lets pass whatever stands beside the tag of a variant that has none.
    Bearer {},
    /// `Authorization: Basic …` (RFC 7617), the secret being the password.
    Basic {
        /// The user name.
        user: String,
    },
    /// A header of its own.
    Header {
        /// Its name, in lower case.
        name: String,
    },
}

/// What of an upstream's answers reaches a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    /// What happens to an answer that holds a credential.
    #[serde(default)]
    pub on_echo: OnEcho,
    /// Fields that are dropped unless they are named here, such as `set-cookie`; lower case.
    #[serde(default)]
    pub passes: BTreeSet<String>,
}

/// What happens to an answer that holds a credential injected in the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnEcho {
    /// It goes on with asterisks in the credential's place.
    #[default]
    Redact,
    /// It ends there.
    Cut,
}

impl OnEcho {
    /// As one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Redact => "redact",
            Self::Cut => "cut",
        }
    }
}

impl Answers {
    /// Whether it is what a connection has that says nothing of it.
    pub fn is_strict(&self) -> bool {
        *self == Self::default()
    }
}

/// Who rotates a credential, and by when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// The human.
    pub owner: Id<User>,
    /// The day it is due.
    pub due: Timestamp,
}

/// Whether a connection is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ConnectionState {
    /// Served.
    Live,
    /// Gone; its credential was shredded.
    Removed {
        /// Since when.
        at: Timestamp,
        /// By whom.
        by: Id<User>,
    },
}

/// The connection was removed before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("connection `{0}` is already removed")]
pub struct AlreadyRemoved(Name);

impl Connection {
    /// Whether it is served.
    pub fn is_live(&self) -> bool {
        self.state == ConnectionState::Live
    }

    /// Takes the connection out of service for good.
    pub fn remove(self, by: Id<User>, at: Timestamp) -> Result<Self, AlreadyRemoved> {
        match self.state {
            ConnectionState::Live => {
                Ok(Self { state: ConnectionState::Removed { at, by }, credential: None, ..self })
            }
            ConnectionState::Removed { .. } => Err(AlreadyRemoved(self.name)),
        }
    }

    /// What a permission needs to know of it.
    pub fn registered(&self) -> Registered {
        Registered { name: self.name.clone(), id: self.id, service: self.service }
    }

    /// Whether requests to that endpoint are its own.
    pub fn serves(&self, endpoint: &Endpoint) -> bool {
        self.is_live() && self.hosts.contains(endpoint)
    }
}

impl Transport {
    /// `https` or `http`.
    pub fn scheme(&self) -> &'static str {
        match self {
            Self::Plain => "http",
            Self::Tls | Self::TlsWithAuthority { .. } => "https",
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Named for Connection {
    const PREFIX: &'static str = "con";
    const NOUN: &'static str = "a connection";
}

impl Fact for Connection {
    fn id(&self) -> Id<Self> {
        self.id
    }
}

#[cfg(test)]
mod tests {
    use super::{Rotation, Slot};

    #[test]
    fn a_slot_or_a_rotation_with_a_word_too_many_is_refused() {
        for known in [
            r#"{"slot":"bearer"}"#,
            r#"{"slot":"basic","user":"x"}"#,
            r#"{"slot":"header","name":"x"}"#,
        ] {
            serde_json::from_str::<Slot>(known).unwrap();
            let more = known.replace('}', r#","extra":1}"#);
            serde_json::from_str::<Slot>(&more).unwrap_err();
        }
        let extra = r#"{"extra":1,"owner":"usr_01KDWPVNG00000000000000000","due":1}"#;
        let refused = serde_json::from_str::<Rotation>(extra).unwrap_err();
        assert!(refused.to_string().starts_with("unknown field"), "{refused}");
    }
}
