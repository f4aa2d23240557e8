//! Git identity: what runs commit is theirs, and this plane says so with its signature.
//!
//! The key never leaves the server. A signature is given for one object, which says whose it is and
//! is found to say the truth, and only once that is on record.

mod judge;
mod keys;
mod rotate;
mod sign;

use marque_domain::GitIdentity;
use marque_domain::git::agents_domain;
use marque_wire::sshsig;

pub(crate) use keys::{GitSigner, SETTING, candidate};

use crate::plane::Plane;
use crate::view::{AllowedSignersView, GitView, RunView};

impl Plane {
    /// What verifies the commits of this plane's runs, as `ssh-keygen` reads it.
    pub fn allowed_signers(&self) -> AllowedSignersView {
        let keys = self.git().keys();
        AllowedSignersView { text: keys.allowed_signers(&agents_domain(self.trust_domain())) }
    }

    /// By which names a run commits; none where the plane gives runs no git identity.
    pub(crate) fn git_of(&self, run: &RunView) -> Option<GitView> {
        let settings = self.settings().git;
        if !settings.identity {
            return None;
        }
        let agent = GitIdentity::of_agent(&run.agent, self.trust_domain());
        let person = run.on_behalf_of.as_ref().unwrap_or(&run.opened_by);
        let person = GitIdentity::of_person(person, self.trust_domain());
        let author = judge::usual_author(settings.author, &agent, &person).clone();
        Some(GitView {
            author,
            committer: agent,
            key: sshsig::public_line(self.git().keys().current().as_bytes()),
            allowed_signers: self.allowed_signers().text,
        })
    }

    pub(crate) fn git(&self) -> &GitSigner {
        &self.inner().git
    }

    pub(crate) fn trust_domain(&self) -> &str {
        &self.inner().trust_domain
    }
}
