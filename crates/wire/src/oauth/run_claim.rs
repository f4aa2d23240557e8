//! The run of a token: what it is revoked by, and what it was approved by.
//!
//! A private claim, so its name must be ours alone (RFC 7519 section 4.2): it is the issuer's own
//! URL with `/claims/run` behind it. Members that a reader does not know never widen anything.

use marque_domain::approval::Approval;
use marque_domain::name::TaskRef;
use marque_domain::run::Run;
use marque_domain::{Digest, Id};
use serde_json::{Map, Value};

use super::{Issuer, hash_name};
use crate::jose::{BadJson, NumericDate};
use crate::json::{Object, need};

/// Most approvals of one token.
const APPROVALS_MAX: usize = 16;
/// How problems call the claim, whose name differs from issuer to issuer.
const CLAIM: &str = "claims/run";

/// In which run a token was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunClaim {
    /// Which: kill it, and the token is dead.
    pub id: Id<Run>,
    /// The run that opened it.
    pub parent: Option<Id<Run>>,
    /// For what outside reason.
    pub task: TaskRef,
    /// What exactly acts: the digest of the agent's version.
    pub agent_version: Digest,
    /// How many actors there are: 1 where the agent acts as itself.
    pub depth: u8,
    /// What it may do: the digest of its mandate.
    pub authority_hash: Digest,
    /// What humans allowed beyond that.
    pub approvals: Vec<ApprovalReference>,
}

/// One approval, by reference and hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalReference {
    /// Which.
    pub id: Id<Approval>,
    /// Of exactly which operation.
    pub hash: Digest,
    /// Until when.
    pub exp: NumericDate,
}

impl RunClaim {
    /// The name of the claim in tokens of `issuer`.
    pub fn name(issuer: &Issuer) -> String {
        format!("{}/{CLAIM}", issuer.as_str().trim_end_matches('/'))
    }

    pub(super) fn from_value(value: Value) -> Result<Self, BadJson> {
        let members = Object::from_value(value);
        let mut members = members.map_err(|_| BadJson::Wrong(CLAIM, "an object"))?;
        let id = members.parsed("id", 40, "the id of a run", |text| text.parse().ok())?;
        let parent = members.parsed("parent", 40, "the id of a run", |text| text.parse().ok())?;
        let task = members.parsed("task", 256, "a task", |text| text.parse().ok())?;
        let kind = "a digest";
        let agent_version = members.parsed("agent_version", 71, kind, |text| text.parse().ok())?;
        let depth = members.number("depth", super::CHAIN_MAX as u64)?;
        let depth = need("depth", depth.and_then(|depth| u8::try_from(depth).ok()))?;
        let authority =
            members.parsed("authority_hash", hash_name::BYTES, kind, hash_name::read)?;
        let approvals = members.objects("approvals", APPROVALS_MAX)?.unwrap_or_default();
        let approvals = approvals.into_iter().map(ApprovalReference::from_object);
        if depth == 0 {
            return Err(BadJson::Wrong("depth", "at least 1"));
        }
        Ok(Self {
            id: need("id", id)?,
            parent,
            task: need("task", task)?,
            agent_version: need("agent_version", agent_version)?,
            depth,
            authority_hash: need("authority_hash", authority)?,
            approvals: approvals.collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn to_json(&self) -> Value {
        let mut members = Map::new();
        members.insert("id".to_owned(), self.id.to_string().into());
        if let Some(parent) = self.parent {
            members.insert("parent".to_owned(), parent.to_string().into());
        }
        members.insert("task".to_owned(), self.task.to_string().into());
        members.insert("agent_version".to_owned(), self.agent_version.to_string().into());
        members.insert("depth".to_owned(), self.depth.into());
        members.insert("authority_hash".to_owned(), hash_name::print(&self.authority_hash).into());
        if !self.approvals.is_empty() {
            let approvals: Vec<Value> =
                self.approvals.iter().map(ApprovalReference::to_json).collect();
            members.insert("approvals".to_owned(), approvals.into());
        }
        Value::Object(members)
    }
}

impl ApprovalReference {
    fn from_object(mut members: Object) -> Result<Self, BadJson> {
        let id = members.parsed("id", 40, "the id of an approval", |text| text.parse().ok())?;
        let hash = members.parsed("hash", hash_name::BYTES, "a digest", hash_name::read)?;
        let exp = members.date("exp")?;
        Ok(Self { id: need("id", id)?, hash: need("hash", hash)?, exp: need("exp", exp)? })
    }

    fn to_json(&self) -> Value {
        Value::Object(Map::from_iter([
            ("id".to_owned(), self.id.to_string().into()),
            ("hash".to_owned(), hash_name::print(&self.hash).into()),
            ("exp".to_owned(), self.exp.as_seconds().into()),
        ]))
    }
}
