//! Operations: one recognised request, in the words of its service.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::connection::{Connection, Endpoint};
use crate::digest::Digest;
use crate::id::Id;
use crate::service::{Class, Service, TOKEN};

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
    /// The connection that the request itself names. `None` where the endpoint says which serves
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Id<Connection>>,
    /// Everything else that identifies the effect, such as `query`, and each header sent on.
    pub parameters: BTreeMap<String, String>,
    /// What is known of the body.
    pub body: Body,
    /// Further effects of the same request. Each needs a permission of its own, and `class` is the
    /// class of the whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Effect>,
}

/// One more thing a request does beside what its operation is named after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// Its name in the service's vocabulary.
    pub name: String,
    /// How much it can change.
    pub class: Class,
    /// The canonical resource parts a permission matches.
    pub resource: Vec<String>,
}

/// One of the things a request does: the first one or a further one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EffectRef<'a> {
    /// Its name in the service's vocabulary.
    pub name: &'a str,
    /// How much it can change.
    pub class: Class,
    /// The canonical resource parts a permission matches.
    pub resource: &'a [String],
}

/// What is known of a request's body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "body", rename_all = "snake_case")]
pub enum Body {
    /// There is none.
    Empty,
    /// It streams past unread.
    Streamed,
    /// It streams past unread, but the parameters commit to what it holds: a push names the ids of
    /// the objects its refs will point to.
    Bound,
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
    /// It streams past unread, but the parameters commit to what it holds.
    Bound,
    /// It was read whole before the decision.
    Read,
}

impl Body {
    /// Which kind it is.
    pub fn kind(&self) -> BodyKind {
        match self {
            Self::Empty => BodyKind::Empty,
            Self::Streamed => BodyKind::Streamed,
            Self::Bound => BodyKind::Bound,
            Self::Read { .. } => BodyKind::Read,
        }
    }
}

impl Operation {
    /// Everything the request does, the first effect first.
    pub fn effects(&self) -> impl Iterator<Item = EffectRef<'_>> {
        let further = self.also.iter().map(|effect| EffectRef {
            name: &effect.name,
            class: effect.class,
            resource: &effect.resource,
        });
        std::iter::once(self.first()).chain(further)
    }

    fn first(&self) -> EffectRef<'_> {
        // Alone, the first effect is the whole.
        let kind = self.service.operation(&self.name).filter(|_| !self.also.is_empty());
        EffectRef {
            name: &self.name,
            class: kind.map_or(self.class, |kind| kind.class),
            resource: &self.resource,
        }
    }

    /// The permission line that the first effect needs, on the connection of that name.
    pub fn line(&self, connection: &str) -> String {
        self.first().line(connection)
    }

    /// The permission lines that exactly this operation needs, one for each effect.
    pub fn lines(&self, connection: &str) -> Vec<String> {
        self.effects().map(|effect| effect.line(connection)).collect()
    }
}

impl EffectRef<'_> {
    /// The permission line that exactly this effect needs, on the connection of that name.
    pub fn line(&self, connection: &str) -> String {
        format!("{connection}:{self}")
    }
}

impl fmt::Display for EffectRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        self.resource.iter().try_for_each(|part| write!(f, " {part}"))
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resource = self.resource.join(" ");
        match self.service {
            Service::Net => write!(f, "connect {}", self.endpoint),
            _ if self.name == TOKEN => {
                write!(f, "token for {}", self.parameters.get("resource").map_or("", |named| named))
            }
            Service::Http | Service::Resource => {
                write!(f, "{} {}://{}{resource}", self.name, self.scheme, self.endpoint)
            }
            Service::Git => {
                write!(f, "{} {}://{}/{resource}", self.name, self.scheme, self.endpoint)
            }
        }?;
        match self.also.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
#[path = "operation_tests.rs"]
mod tests;
