//! Operations: one recognised request, in the words of its service.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::connection::Endpoint;
use crate::digest::Digest;
use crate::service::{Class, Service};

/// One recognised request. Two requests with equal operations have the same effect upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The recogniser that made it.
    pub service: Service,
    /// Its name in that vocabulary, such as `GET`.
    pub name: String,
    /// How much it can change.
    pub class: Class,
    /// The canonical resource parts a permission matches.
    pub resource: Vec<String>,
    /// `https` or `http`.
    pub scheme: String,
    /// Where it goes.
    pub endpoint: Endpoint,
    /// Everything else that identifies the effect, such as `query`, and each header sent on.
    pub parameters: BTreeMap<String, String>,
    /// What is known of the body.
    pub body: Body,
}

/// What is known of a request's body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "body", rename_all = "snake_case")]
pub enum Body {
    /// There is none.
    Empty,
    /// It streams past unread.
    Streamed,
    /// It was read whole before the decision.
    Read {
        /// Of all its bytes.
        digest: Digest,
        /// How many.
        size_bytes: u64,
        /// Its beginning, for the human who approves; at most 4 KiB, invalid UTF-8 replaced.
        preview: String,
    },
}

/// [`Body`] without what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyKind {
    /// There is none.
    Empty,
    /// It streams past unread.
    Streamed,
    /// It was read whole before the decision.
    Read,
}

impl Body {
    /// Which kind it is.
    pub fn kind(&self) -> BodyKind {
        match self {
            Self::Empty => BodyKind::Empty,
            Self::Streamed => BodyKind::Streamed,
            Self::Read { .. } => BodyKind::Read,
        }
    }
}

impl Operation {
    /// The permission line that exactly this operation needs, on the connection of that name.
    pub fn line(&self, connection: &str) -> String {
        format!("{connection}:{} {}", self.name, self.resource.join(" "))
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.service {
            Service::Net => write!(f, "connect {}", self.endpoint),
            Service::Http => {
                let path = self.resource.join(" ");
                write!(f, "{} {}://{}{path}", self.name, self.scheme, self.endpoint)
            }
        }
    }
}
