//! Permissions: one line a human can read, `<connection>:<operation> <resource…>`.
//!
//! A parsed permission is bound to the connection's id; its name is kept only to print it.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::connection::Connection;
use crate::id::Id;
use crate::name::Name;
use crate::pattern::{BadPattern, Pattern};
use crate::service::{OperationKind, Service};

/// Leave to do one operation on the resources its patterns match.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Permission {
    connection: Id<Connection>,
    // A label for people. Authority binds to the id, so equality and order ignore it.
    label: Name,
    // Out of the vocabulary, as long as it is in it.
    #[serde(deserialize_with = "known_word")]
    operation: Cow<'static, str>,
    // Shared by the lines that are made of this one.
    #[serde(serialize_with = "each_pattern", deserialize_with = "all_patterns")]
    resource: Arc<[Pattern]>,
    // Whether the service may take spellings that differ in case for one resource. It follows from
    // the connection, so equality and order ignore it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    any_case: bool,
}

/// The connection a line names, as the caller found it under its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// What the connection is called.
    pub name: Name,
    /// The id authority binds to.
    pub id: Id<Connection>,
    /// The recogniser that fixes the vocabulary.
    pub service: Service,
}

/// What one request touches, as far as authority is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access<'a> {
    /// The connection that would serve it.
    pub connection: Id<Connection>,
    /// The operation's name in the connection's vocabulary.
    pub operation: &'a str,
    /// The canonical resource parts.
    pub resource: &'a [String],
}

/// Why a text is not a permission.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPermission {
    /// Not of the form at all.
    #[error(
        "`{0}` is not a permission: write `<connection>:<operation> <resource>`, like \
         `status:GET /v1/**`"
    )]
    Shape(String),
    /// No connection of that name.
    #[error("`{0}` is not a registered connection: see `marque connection list`")]
    UnknownConnection(String),
    /// The connection has no such operation or group.
    #[error(
        "`{operation}` is not an operation of `{connection}`: use one of {known}, or a group of \
         read, write, admin"
    )]
    UnknownOperation {
        /// The connection.
        connection: String,
        /// What was written.
        operation: String,
        /// What exists.
        known: String,
    },
    /// Too few or too many resource parts.
    #[error("`{line}` names {given} resource parts; `{operation}` takes {wanted}")]
    Parts {
        /// The line.
        line: String,
        /// The operation.
        operation: String,
        /// How many the operation takes.
        wanted: usize,
        /// How many were written.
        given: usize,
    },
    /// A part is not a pattern.
    #[error(transparent)]
    Pattern(#[from] BadPattern),
    /// A part that no request could match.
    #[error("`{part}` cannot be a resource of `{connection}`: {why}")]
    Resource {
        /// The part.
        part: String,
        /// The connection.
        connection: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl Permission {
    /// Reads one line. A group such as `read` becomes the operations it stands for today.
    ///
    /// `find` looks a connection up by name.
    pub fn parse(
        line: &str,
        find: impl Fn(&str) -> Option<Registered>,
    ) -> Result<Vec<Self>, BadPermission> {
        let shown = || line.chars().take(200).collect::<String>();
        let mut words = line.split_ascii_whitespace();
        let (name, operation) = words
            .next()
            .and_then(|head| head.split_once(':'))
            .ok_or_else(|| BadPermission::Shape(shown()))?;
        let parts: Vec<&str> = words.collect();
        let found = find(name);
        let registered = found
            .ok_or_else(|| BadPermission::UnknownConnection(name.chars().take(80).collect()))?;
        let kinds = match registered.service.operation(operation) {
            Some(kind) => vec![kind],
            None => registered.service.group(operation),
        };
        if kinds.is_empty() {
            let known =
                registered.service.operations().iter().map(|kind| format!("`{}`", kind.name));
            return Err(BadPermission::UnknownOperation {
                connection: registered.name.to_string(),
                operation: operation.chars().take(80).collect(),
                known: known.collect::<Vec<_>>().join(", "),
            });
        }
        let resource: Arc<[Pattern]> =
            parts.iter().map(|part| Pattern::parse(part)).collect::<Result<_, _>>()?;
        let fitting: Vec<_> = kinds.iter().filter(|kind| kind.parts.len() == parts.len()).collect();
        if let (Some(kind), true) = (kinds.first(), fitting.is_empty()) {
            return Err(BadPermission::Parts {
                line: shown(),
                operation: kind.name.to_owned(),
                wanted: kind.parts.len(),
                given: parts.len(),
            });
        }
        // Of a group, those members are meant that the parts can belong to.
        let (mut meant, mut misfit) = (Vec::new(), None);
        for kind in fitting {
            match check(kind, &parts, &registered) {
                Ok(()) => meant.push(Self::new(kind, &registered, Arc::clone(&resource))),
                Err(error) => misfit = misfit.or(Some(error)),
            }
        }
        match misfit {
            Some(error) if meant.is_empty() => Err(error),
            _ => Ok(meant),
        }
    }

    fn new(kind: &OperationKind, registered: &Registered, resource: Arc<[Pattern]>) -> Self {
        Self {
            connection: registered.id,
            label: registered.name.clone(),
            operation: Cow::Borrowed(kind.name),
            resource,
            any_case: registered.service.may_fold_case(),
        }
    }

    /// Every operation on every resource of a connection.
    pub fn everything(registered: &Registered) -> Result<Vec<Self>, BadPattern> {
        let any = Pattern::parse("**")?;
        let permission = |kind: &OperationKind| {
            Self::new(kind, registered, vec![any.clone(); kind.parts.len()].into())
        };
        Ok(registered.service.operations().iter().map(permission).collect())
    }

    /// The connection this permission binds to.
    pub fn connection(&self) -> Id<Connection> {
        self.connection
    }

    /// The operation it allows.
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// The patterns of its resource, one for each part.
    pub fn resource(&self) -> &[Pattern] {
        &self.resource
    }

    /// Whether this permission covers that access.
    pub fn matches(&self, access: &Access<'_>) -> bool {
        self.matches_by(access, Pattern::matches)
    }

    /// Whether this permission, as a line that asks or forbids, speaks of that access. Where the
    /// service may take spellings that differ in case for one resource, it speaks of all of them
    /// (threat 116); what is allowed is only the one that is written.
    pub fn touches(&self, access: &Access<'_>) -> bool {
        let in_case = if self.any_case { Pattern::matches_any_case } else { Pattern::matches };
        self.matches_by(access, in_case)
    }

    fn matches_by(&self, access: &Access<'_>, fits: fn(&Pattern, &str) -> bool) -> bool {
        self.connection == access.connection
            && self.operation == access.operation
            && self.resource.len() == access.resource.len()
            && self.resource.iter().zip(access.resource).all(|(pattern, part)| fits(pattern, part))
    }

    /// Whether everything `other` covers is proved to be covered by this permission.
    pub fn contains(&self, other: &Self) -> bool {
        self.is_about(other)
            && self
                .resource
                .iter()
                .zip(&*other.resource)
                .all(|(mine, theirs)| mine.contains(theirs))
    }

    /// The permissions that together cover exactly what both cover.
    pub(crate) fn intersect(&self, other: &Self) -> Result<Vec<Self>, BadPattern> {
        self.intersect_by(other, Pattern::intersect)
    }

    /// The part of this permission that `other` speaks of as a line that asks or forbids, where
    /// that is more than what both cover.
    pub(crate) fn touched_by(&self, other: &Self) -> Result<Vec<Self>, BadPattern> {
        if !self.any_case {
            return Ok(Vec::new());
        }
        self.intersect_by(other, Pattern::intersect_any_case)
    }

    pub(crate) fn require_bounds(&self) -> Result<(), BadPattern> {
        self.resource.iter().try_for_each(Pattern::require_bounds)
    }

    fn intersect_by(
        &self,
        other: &Self,
        intersect: fn(&Pattern, &Pattern) -> Result<Vec<Pattern>, BadPattern>,
    ) -> Result<Vec<Self>, BadPattern> {
        if !self.is_about(other) {
            return Ok(Vec::new());
        }
        let mut combined = vec![Vec::new()];
        for (mine, theirs) in self.resource.iter().zip(&*other.resource) {
            let both = intersect(mine, theirs)?;
            let extended = |prefix: &Vec<Pattern>| {
                let prefix = prefix.clone();
                both.iter().map(move |part| [&prefix[..], std::slice::from_ref(part)].concat())
            };
            combined = combined.iter().flat_map(extended).collect();
        }
        let permission = |resource: Vec<Pattern>| {
            let is_mine = resource == *self.resource;
            let resource = if is_mine { Arc::clone(&self.resource) } else { resource.into() };
            Self { resource, ..self.clone() }
        };
        Ok(combined.into_iter().map(permission).collect())
    }

    /// Whether they do not differ in what equality ignores either.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self == other && self.label == other.label && self.any_case == other.any_case
    }

    fn is_about(&self, other: &Self) -> bool {
        self.connection == other.connection
            && self.operation == other.operation
            && self.resource.len() == other.resource.len()
    }

    fn key(&self) -> (Id<Connection>, &str, &[Pattern]) {
        (self.connection, &self.operation, &self.resource)
    }
}

fn check(
    kind: &OperationKind,
    parts: &[&str],
    registered: &Registered,
) -> Result<(), BadPermission> {
    let misfit = |part: &str, why| BadPermission::Resource {
        part: part.chars().take(120).collect(),
        connection: registered.name.to_string(),
        why,
    };
    let mut named = kind.parts.iter().zip(parts);
    named.try_for_each(|(named, part)| named.check(part).map_err(|why| misfit(part, why)))
}

// What an older or newer vocabulary has is kept as it is written.
fn known_word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'static, str>, D::Error> {
    let word = String::deserialize(deserializer)?;
    let known = Service::ALL.into_iter().find_map(|service| service.operation(&word));
    Ok(known.map_or(Cow::Owned(word), |kind| Cow::Borrowed(kind.name)))
}

fn each_pattern<S: Serializer>(resource: &[Pattern], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(resource)
}

fn all_patterns<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<[Pattern]>, D::Error> {
    Vec::deserialize(deserializer).map(Arc::from)
}

impl PartialEq for Permission {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Permission {}

impl PartialOrd for Permission {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Permission {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.label, self.operation)?;
        self.resource.iter().try_for_each(|part| write!(f, " {part}"))
    }
}
