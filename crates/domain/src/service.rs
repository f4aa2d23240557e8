//! What each recogniser knows: the operations that exist, their class, and how resources are spelt.
//!
//! The vocabulary only. Turning a request into an operation is the gateway's work.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::resource::Part;

/// How much an operation can change. It fixes the durability of its log entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Changes nothing upstream.
    Read,
    /// Changes data.
    Write,
    /// Changes who may do what, or cannot be undone.
    Admin,
    /// The recogniser cannot tell; treated as [`Class::Admin`] wherever it matters.
    Unclassified,
}

/// The recogniser behind a connection.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// Any HTTP API: the operation is the method (RFC 9110 §9), the resource its path.
    #[default]
    Http,
    /// A git server over HTTP: the operation is what happens to a repository and its refs.
    Git,
    /// Bytes to a host that no connection serves; contents unseen.
    Net,
    /// A resource server: it verifies tokens of ours itself, and nothing is forwarded to it (RFC
    /// 6749 §1.1). The operations are what a token for it can say.
    Resource,
}

/// One operation a recogniser knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationKind {
    /// The word in a permission, such as `GET`.
    pub name: &'static str,
    /// How much it can change.
    pub class: Class,
    /// What a permission for it names, in order.
    pub parts: &'static [Part],
}

/// The opening of a WebSocket (RFC 6455) on a path.
pub const SOCKET_OPENING: &str = "websocket";
/// One message that is sent on an open WebSocket.
pub const SOCKET_MESSAGE: &str = "websocket.send";

/// Holding a token for a connection, whatever the token says (RFC 6749 §1.4).
pub const TOKEN: &str = "token";
/// One scope of a token (RFC 6749 §3.3).
pub const SCOPE: &str = "scope";

const fn token() -> OperationKind {
    OperationKind { name: TOKEN, class: Class::Unclassified, parts: &[] }
}

const fn http(name: &'static str, class: Class) -> OperationKind {
    OperationKind { name, class, parts: &[Part::Path] }
}

const fn git(name: &'static str, class: Class, parts: &'static [Part]) -> OperationKind {
    OperationKind { name, class, parts }
}

// RFC 9110 §9.2.1: GET, HEAD and OPTIONS are safe. What an upstream does with them is its own
// affair; a connection whose upstream changes state on GET has no business being granted widely.
const METHODS: [OperationKind; 7] = [
    http("GET", Class::Read),
    http("HEAD", Class::Read),
    http("OPTIONS", Class::Read),
    http("POST", Class::Write),
    http("PUT", Class::Write),
    http("PATCH", Class::Write),
    http("DELETE", Class::Write),
];

// Those before, the methods, those after.
#[expect(clippy::indexing_slicing, reason = "worked out by the compiler, which checks the bounds")]
const fn with_methods<const ALL: usize>(
    before: &[OperationKind],
    after: &[OperationKind],
) -> [OperationKind; ALL] {
    let (first, last) = (before.len(), before.len() + METHODS.len());
    assert!(ALL == last + after.len(), "the length that is asked for is that of all");
    let mut all = [token(); ALL];
    let mut place = 0;
    while place < ALL {
        all[place] = if place < first {
            before[place]
        } else if place < last {
            METHODS[place - first]
        } else {
            after[place - last]
        };
        place += 1;
    }
    all
}

const HTTP: &[OperationKind] = &with_methods::<10>(
    &[],
    &[
        // Of no group, so that only a line that names them allows them: what passes in a socket is
        // not what `GET` of the same path would do (threat 90).
        http(SOCKET_OPENING, Class::Unclassified),
        http(SOCKET_MESSAGE, Class::Unclassified),
        // Whoever holds one can call from outside the run's own doors (threat 98).
        token(),
    ],
);

// A deleted ref may be the last name of its commits, so it cannot be counted on to come back.
const GIT: &[OperationKind] = &[
    git("repo.read", Class::Read, &[Part::Repository]),
    git("git.push", Class::Write, &[Part::Repository, Part::Ref]),
    git("git.delete", Class::Admin, &[Part::Repository, Part::Ref]),
    git("git.option", Class::Write, &[Part::Repository, Part::PushOption]),
    git("lfs.write", Class::Write, &[Part::Repository]),
    git("lfs.lock", Class::Write, &[Part::Repository]),
    token(),
];

const NET: &[OperationKind] =
    &[OperationKind { name: "connect", class: Class::Unclassified, parts: &[Part::Host] }];

const fn sql(name: &'static str, class: Class) -> OperationKind {
    OperationKind { name, class, parts: &[Part::Table] }
}

// What the types of `authorization_details` speak of (RFC 9396 §2), and scopes.
const RESOURCE: &[OperationKind] = &with_methods::<16>(
    &[
        token(),
        OperationKind { name: SCOPE, class: Class::Unclassified, parts: &[Part::Scope] },
        OperationKind { name: "tool.call", class: Class::Unclassified, parts: &[Part::Tool] },
    ],
    &[
        git("git.push", Class::Write, &[Part::Repository, Part::Ref]),
        git("git.delete", Class::Admin, &[Part::Repository, Part::Ref]),
        sql("select", Class::Read),
        sql("insert", Class::Write),
        sql("update", Class::Write),
        sql("delete", Class::Write),
    ],
);

impl Service {
    /// Every service.
    pub const ALL: [Self; 4] = [Self::Http, Self::Git, Self::Net, Self::Resource];

    /// Every operation of this service.
    pub fn operations(self) -> &'static [OperationKind] {
        match self {
            Self::Http => HTTP,
            Self::Git => GIT,
            Self::Net => NET,
            Self::Resource => RESOURCE,
        }
    }

    /// The operation of that name, in exactly that spelling.
    pub fn operation(self, name: &str) -> Option<&'static OperationKind> {
        self.operations().iter().find(|kind| kind.name == name)
    }

    /// The operations a group name such as `read` or `write` stands for; empty if there is no such
    /// group. A grant stores the members, so a later release that adds one widens nothing.
    pub fn group(self, name: &str) -> Vec<&'static OperationKind> {
        let class = match name {
            "read" => Class::Read,
            "write" => Class::Write,
            "admin" => Class::Admin,
            _ => return Vec::new(),
        };
        self.operations().iter().filter(|kind| kind.class == class).collect()
    }

    /// Whether the service may take two spellings that differ in case for one resource: git servers
    /// on file systems that ignore case do (threat 116).
    pub fn may_fold_case(self) -> bool {
        matches!(self, Self::Git | Self::Resource)
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Git => "git",
            Self::Net => "net",
            Self::Resource => "resource",
        })
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
            Self::Unclassified => "unclassified",
        })
    }
}

impl Class {
    /// Whether an operation of this class waits for the disk before it happens.
    pub fn needs_disk(self) -> bool {
        self != Self::Read
    }
}

#[cfg(test)]
mod tests {
    use super::{SOCKET_MESSAGE, SOCKET_OPENING, Service};

    // threat 90
    #[test]
    fn no_group_stands_for_a_websocket() {
        for group in ["read", "write", "admin", "unclassified", "http", "*", "**"] {
            let members = Service::Http.group(group);
            assert!(!members.iter().any(|kind| kind.name.starts_with(SOCKET_OPENING)), "{group}");
        }
        for name in [SOCKET_OPENING, SOCKET_MESSAGE] {
            assert!(Service::Http.operation(name).is_some_and(|kind| kind.class.needs_disk()));
        }
    }
}
