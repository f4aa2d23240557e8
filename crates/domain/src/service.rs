//! What each recogniser knows: the operations that exist, their class, and how resources are spelt.
//!
//! The vocabulary only. Turning a request into an operation is the gateway's work.

use std::fmt;

use serde::{Deserialize, Serialize};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// Any HTTP API: the operation is the method (RFC 9110 §9), the resource its path.
    Http,
    /// Bytes to a host that no connection serves; contents unseen.
    Net,
}

/// One operation a recogniser knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationKind {
    /// The word in a permission, such as `GET`.
    pub name: &'static str,
    /// How much it can change.
    pub class: Class,
    /// How many resource parts a permission for it names.
    pub parts: usize,
}

const fn http(name: &'static str, class: Class) -> OperationKind {
    OperationKind { name, class, parts: 1 }
}

// RFC 9110 §9.2.1: GET, HEAD and OPTIONS are safe. What an upstream does with them is its own
// affair; a connection whose upstream changes state on GET has no business being granted widely.
const HTTP: &[OperationKind] = &[
    http("GET", Class::Read),
    http("HEAD", Class::Read),
    http("OPTIONS", Class::Read),
    http("POST", Class::Write),
    http("PUT", Class::Write),
    http("PATCH", Class::Write),
    http("DELETE", Class::Write),
];

const NET: &[OperationKind] =
    &[OperationKind { name: "connect", class: Class::Unclassified, parts: 1 }];

impl Service {
    /// Every operation of this service.
    pub fn operations(self) -> &'static [OperationKind] {
        match self {
            Self::Http => HTTP,
            Self::Net => NET,
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

    /// Refuses a resource pattern that no request of this service could ever match, or that reads
    /// as something it is not. Returns what is wrong.
    pub fn check_resource(self, part: &str) -> Result<(), &'static str> {
        match self {
            Self::Http => check_http_path(part),
            Self::Net => Ok(()),
        }
    }
}

// The gateway refuses requests whose path is not canonical (threat 84), so a pattern with a
// non-canonical segment would match nothing and mislead whoever reads the grant.
fn check_http_path(part: &str) -> Result<(), &'static str> {
    if !part.starts_with('/') && part != "**" {
        return Err("a path starts with `/`, or is `**` for every path");
    }
    for segment in part.split('/') {
        if segment == "." || segment == ".." {
            return Err("dot segments are never sent on; name the path itself");
        }
        if segment.contains(['?', '#', ';', '\\']) {
            return Err("a path pattern has no query, fragment, parameters or backslashes");
        }
    }
    check_percent_escapes(part.as_bytes())
}

fn check_percent_escapes(bytes: &[u8]) -> Result<(), &'static str> {
    let upper_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'A'..=b'F');
    for (place, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%') {
        let escape = bytes.get(place + 1..place + 3).unwrap_or_default();
        if escape.len() != 2 || !escape.iter().all(upper_hex) {
            return Err("write percent escapes as `%` and two upper-case hexadecimal digits");
        }
    }
    Ok(())
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Net => "net",
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
