//! Names people choose: labels of agents, connections, users and tasks.
//!
//! Each has one spelling, so that a name in a log or a policy means one thing: no control
//! characters, no look-alikes, no spaces.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Not a label.
    #[error(
        "`{0}` is not a name: use 1 to 63 of `a`-`z`, `0`-`9` and `-`, starting and ending with a \
         letter or digit"
    )]
    Label(String),
    /// Not a user name.
    #[error(
        "`{0}` is not a user name: use 1 to 128 of letters, digits and `.`, `_`, `@`, `+`, `-`"
    )]
    User(String),
    /// Not a task.
    #[error(
        "`{0}` is not a task: write a kind and a reference such as `ticket:OPS-12`, at most 256 \
         printable ASCII characters without spaces"
    )]
    Task(String),
}

/// What an agent or a connection is called: a DNS label, so that it fits every place a name goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Arc<str>);

/// What a human is called, such as `alice` or `alice@example.com`. Case is kept, and counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserName(Arc<str>);

/// The outside reason for a run: a kind, a colon, and a reference, such as `issue:acme/web#42`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskRef(Arc<str>);

impl FromStr for Name {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let holds = (1..=63).contains(&text.len())
            && text.bytes().all(|byte| inner(byte) || byte == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        if holds { Ok(Self(text.into())) } else { Err(BadName::Label(clip(text))) }
    }
}

impl FromStr for UserName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let holds = (1..=128).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._@+-".contains(&byte));
        if holds { Ok(Self(text.into())) } else { Err(BadName::User(clip(text))) }
    }
}

impl FromStr for TaskRef {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let kind_holds = |kind: &str| {
            (1..=32).contains(&kind.len())
                && kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
        };
        let holds = text.len() <= 256
            && text.bytes().all(|byte| byte.is_ascii_graphic())
            && text
                .split_once(':')
                .is_some_and(|(kind, rest)| kind_holds(kind) && !rest.is_empty());
        if holds { Ok(Self(text.into())) } else { Err(BadName::Task(clip(text))) }
    }
}

fn clip(text: &str) -> String {
    text.chars().take(80).collect()
}

impl Name {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl UserName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TaskRef {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Name {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl TryFrom<String> for UserName {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl TryFrom<String> for TaskRef {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl From<UserName> for String {
    fn from(name: UserName) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl From<TaskRef> for String {
    fn from(task: TaskRef) -> Self {
        task.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{Name, TaskRef, UserName};

    // threat 87, threat 139: a label can carry neither a line break nor a terminal escape.
    #[test]
    fn a_name_cannot_smuggle_anything() {
        for bad in ["", "-a", "a-", "A", "a b", "a\r\nb", "a\u{1b}[31m", "é", &"a".repeat(64)] {
            assert!(bad.parse::<Name>().is_err(), "name {bad:?} must not parse");
        }
        for bad in ["", "ticket", ":x", "ticket:", "ticket:a b", "ticket:a\r\nX: y", "Ticket:1"] {
            assert!(bad.parse::<TaskRef>().is_err(), "task {bad:?} must not parse");
        }
        for bad in ["", "a b", "a\n", "=cmd|x", "a/b"] {
            assert!(bad.parse::<UserName>().is_err(), "user {bad:?} must not parse");
        }
    }

    #[test]
    fn ordinary_names_parse() {
        assert!("triage-bot-2".parse::<Name>().is_ok());
        assert!("alice@example.com".parse::<UserName>().is_ok());
        for task in ["ticket:OPS-12", "issue:acme/web#42", "workflow:monthly-close-2025-11"] {
            assert!(task.parse::<TaskRef>().is_ok(), "`{task}` must parse");
        }
    }
}
