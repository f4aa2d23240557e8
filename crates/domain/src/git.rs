//! Git identity: by which name and address commits know agents and people, and what the log keeps
//! of them.
//!
//! Pure: what a commit says is read elsewhere, and comes in as text.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::id::Id;
use crate::limits::is_zero;
use crate::name::{Name, UserName};
use crate::run::Run;

/// Most findings of one push that are recorded one by one.
pub const FINDINGS_MAX: usize = 16;

/// A name and an address, as git writes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitIdentity {
    /// The name.
    pub name: String,
    /// The address. Nobody need read mail there.
    pub mail: String,
}

/// Whom a commit of a run may name as its author. Its committer is always the agent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GitAuthor {
    /// The agent.
    #[default]
    Agent,
    /// The person the run acts for or, where it acts for nobody, who opened it; or the agent.
    Person,
    /// Anybody, as commits that are rebased or picked keep theirs.
    Any,
}

impl GitIdentity {
    /// That of an agent: `triage <triage@agents.TRUST-DOMAIN>`. It never changes, and no person of
    /// the trust domain has it.
    pub fn of_agent(agent: &Name, trust_domain: &str) -> Self {
        let mail = format!("{agent}@{}", agents_domain(trust_domain));
        Self { name: agent.as_str().to_owned(), mail }
    }

    /// That of a person: `alice <alice@users.TRUST-DOMAIN>`, or the address that their name is.
    pub fn of_person(person: &UserName, trust_domain: &str) -> Self {
        let name = person.as_str();
        let is_address = name.split_once('@').is_some_and(|(user, host)| {
            !user.is_empty() && !host.is_empty() && !host.contains('@')
        });
        let host = trust_domain.trim_matches('.');
        let mail =
            if is_address { name.to_owned() } else { format!("{}@users.{host}", bare(name)) };
        Self { name: bare(name).to_owned(), mail: bare(&mail).to_owned() }
    }
}

/// The domain of every agent's address.
pub fn agents_domain(trust_domain: &str) -> String {
    format!("agents.{}", trust_domain.trim_matches('.'))
}

// git takes dots off the ends of names and addresses.
fn bare(name: &str) -> &str {
    match name.trim_matches('.') {
        "" => "user",
        bare => bare,
    }
}

impl fmt::Display for GitIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} <{}>", self.name, self.mail)
    }
}

/// What a run had signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitSigned {
    /// The run.
    pub run: Id<Run>,
    /// Of which agent.
    pub agent: Name,
    /// The person it acts for.
    pub on_behalf_of: Option<UserName>,
    /// `commit` or `tag`.
    pub object: String,
    /// SHA-256 of what the signature is over: the object without it.
    pub payload: Digest,
    /// The fingerprint of the key, as `ssh-keygen -l` prints it.
    pub key: String,
}

/// What a run was not given a signature for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitRefused {
    /// The run.
    pub run: Id<Run>,
    /// Of which agent.
    pub agent: Name,
    /// The person it acts for.
    pub on_behalf_of: Option<UserName>,
    /// SHA-256 of what was to be signed.
    pub payload: Digest,
    /// A code of a finding, or of the road's stage `run`.
    pub code: String,
    /// Why.
    pub message: String,
}

/// What is wrong with a commit or a tag. Codes are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum GitFinding {
    /// It cannot be read in one way only.
    #[serde(rename = "git.object")]
    Object,
    /// Its committer is not the run's agent.
    #[serde(rename = "git.committer")]
    Committer,
    /// Its author is nobody the policy lets it name.
    #[serde(rename = "git.author")]
    Author,
    /// It names another run than the one that made it, or none, or several.
    #[serde(rename = "git.agent_run")]
    AgentRun,
    /// It names another person than the run acts for, or none, or several.
    #[serde(rename = "git.on_behalf_of")]
    OnBehalfOf,
    /// It is not signed by this plane although it says that an agent of this plane made it.
    #[serde(rename = "git.signature")]
    Signature,
}

impl GitFinding {
    /// Every one, for documentation.
    pub const ALL: [Self; 6] = [
        Self::Object,
        Self::Committer,
        Self::Author,
        Self::AgentRun,
        Self::OnBehalfOf,
        Self::Signature,
    ];

    /// The code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Object => "git.object",
            Self::Committer => "git.committer",
            Self::Author => "git.author",
            Self::AgentRun => "git.agent_run",
            Self::OnBehalfOf => "git.on_behalf_of",
            Self::Signature => "git.signature",
        }
    }
}

/// What was seen of the objects of a push while they passed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushLook {
    /// Commits and tags that were looked into.
    pub objects: u64,
    /// Differences to what is not in the push, which may be of any kind; git makes them of files
    /// and folders only.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unknown: u64,
    /// Why not all were, if they were not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_looked_into: Option<String>,
    /// What was found, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<PushFinding>,
    /// How many more there were.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u64,
}

/// One finding in a push.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushFinding {
    /// The id of the commit or tag.
    pub object: String,
    /// What is wrong.
    pub finding: GitFinding,
}

#[cfg(test)]
mod tests {
    use super::{GitFinding, GitIdentity};

    #[test]
    fn an_agent_and_a_person_of_one_name_are_two_identities() {
        let agent = GitIdentity::of_agent(&"alice".parse().unwrap(), "marque.example");
        let person = GitIdentity::of_person(&"alice".parse().unwrap(), "marque.example");
        assert_eq!(agent.to_string(), "alice <alice@agents.marque.example>");
        assert_eq!(person.to_string(), "alice <alice@users.marque.example>");
    }

    // git strips dots at the ends, so that what it writes must be what is expected.
    #[test]
    fn an_identity_is_what_git_will_write() {
        for (name, expected) in [
            ("alice@example.com", "alice@example.com <alice@example.com>"),
            (".al.ice.", "al.ice <al.ice@users.marque.example>"),
            ("...", "user <user@users.marque.example>"),
            ("a@b@c", "a@b@c <a@b@c@users.marque.example>"),
        ] {
            let person = GitIdentity::of_person(&name.parse().unwrap(), ".marque.example.");
            assert_eq!(person.to_string(), expected);
        }
    }

    #[test]
    fn a_finding_is_recorded_by_its_code() {
        for finding in GitFinding::ALL {
            let json = serde_json::to_string(&finding).unwrap();
            assert_eq!(json, format!("\"{}\"", finding.code()));
        }
    }
}
