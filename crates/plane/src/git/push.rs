//! What a run pushes: whether it claims to be an agent's of this plane without being so.
//!
//! Other people's commits are pushed all the time, merged or rebased, and nothing is held back for
//! what is found here: it is recorded with the outcome of the push, and counts against the run.

use std::sync::Arc;

use marque_crypto::git_key::GitPublicKey;
use marque_domain::Timestamp;
use marque_domain::git::{FINDINGS_MAX, GitFinding, PushFinding, PushLook, agents_domain};
use marque_wire::git::object::{AGENT_RUN, Ident, ON_BEHALF_OF, Object, Trailer, trailer};
use marque_wire::sshsig::SshSignature;

use super::keys::GitKeys;
use crate::live::LiveRun;
use crate::plane::Plane;

/// How far a clock inside a run may be behind.
const SKEW_SECS: u64 = 60;

/// Looks at the objects of one push, one by one.
pub struct PushLooker {
    keys: Arc<GitKeys>,
    opened_at: Timestamp,
    agents: String,
    users: String,
    look: PushLook,
}

impl Plane {
    /// Looks at what a run pushes; none where the plane gives runs no git identity.
    pub fn push_looker(&self, live: &LiveRun) -> Option<PushLooker> {
        if !self.settings().git.identity {
            return None;
        }
        let opened_at = self.world().runs.get(live.run)?.fact.opened_at;
        Some(PushLooker {
            keys: self.git().keys(),
            opened_at,
            agents: agents_domain(self.trust_domain()),
            users: format!("users.{}", self.trust_domain().trim_matches('.')),
            look: PushLook::default(),
        })
    }
}

impl PushLooker {
    /// Looks at one commit or tag.
    pub fn look_at(&mut self, id: &str, object: &[u8]) {
        let Ok(read) = Object::parse(object) else {
            let unread = "a commit or tag in it cannot be read in one way only";
            self.look.not_looked_into.get_or_insert_with(|| unread.to_owned());
            return;
        };
        self.look.objects += 1;
        if let Some(finding) = self.finding(&read) {
            if self.look.findings.len() < FINDINGS_MAX {
                self.look.findings.push(PushFinding { object: id.to_owned(), finding });
            } else {
                self.look.more += 1;
            }
        }
    }

    /// What was seen; `unlooked` says why the rest was not, `unknown` how many differences there
    /// were whose kind cannot be told.
    pub fn finish(mut self, unlooked: Option<&str>, unknown: u64) -> PushLook {
        self.look.unknown = unknown;
        if let Some(why) = unlooked {
            self.look.not_looked_into = Some(why.to_owned());
        }
        self.look
    }

    // In the order of what is worst.
    fn finding(&self, object: &Object<'_>) -> Option<GitFinding> {
        if self.is_signed(object) {
            // What it says was judged before it was signed.
            return None;
        }
        let committer = &object.committer;
        if is_at(committer, &self.agents) {
            return Some(GitFinding::Signature);
        }
        if is_at(committer, &self.users) {
            return Some(GitFinding::Committer);
        }
        // The rest is in the history of every repository that agents work on: people rebase and
        // squash it. It is forged where it was made while the run was there, as it says itself.
        let opened = self.opened_at.as_millis() / 1_000;
        if committer.seconds.is_none_or(|at| at.saturating_add(SKEW_SECS) < opened) {
            return None;
        }
        if trailer(object.message, AGENT_RUN) != Trailer::Absent {
            return Some(GitFinding::AgentRun);
        }
        if trailer(object.message, ON_BEHALF_OF) != Trailer::Absent {
            return Some(GitFinding::OnBehalfOf);
        }
        let author = object.author.as_ref();
        let is_ours =
            author.is_some_and(|author| is_at(author, &self.agents) || is_at(author, &self.users));
        is_ours.then_some(GitFinding::Author)
    }

    fn is_signed(&self, object: &Object<'_>) -> bool {
        let Some(signature) = &object.signature else { return false };
        let Ok(read) = SshSignature::parse(signature) else { return false };
        let by = |key: &GitPublicKey| read.verify_for_git(key, &object.payload).is_ok();
        self.keys.publics().iter().any(by)
    }
}

// Domains have no case.
fn is_at(ident: &Ident<'_>, domain: &str) -> bool {
    let at = ident.mail.iter().rposition(|byte| *byte == b'@');
    let host = at.and_then(|at| ident.mail.get(at + 1..)).unwrap_or_default();
    host.eq_ignore_ascii_case(domain.as_bytes())
}

#[cfg(test)]
#[path = "push_tests.rs"]
mod tests;
