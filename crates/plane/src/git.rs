//! Git identity: what runs commit is theirs, and this plane says so with its signature.
//!
//! The key never leaves the server. A signature is given for one object, which says whose it is and
//! is found to say the truth, and only once that is on record.

mod judge;
mod keys;
mod push;
mod rotate;
mod sign;

use std::collections::BTreeSet;

use marque_domain::git::agents_domain;
use marque_domain::{GitIdentity, Name, Service};
use marque_wire::sshsig;

pub use push::PushLooker;

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
            hosts: self.git_hosts(run),
            key: sshsig::public_line(self.git().keys().current().as_bytes()),
            allowed_signers: self.allowed_signers().text,
        })
    }

    fn git_hosts(&self, run: &RunView) -> Vec<String> {
        let world = self.world();
        let named = run.allow.iter().chain(&run.ask).filter_map(|line| line.split_once(':'));
        let named: BTreeSet<Name> = named.filter_map(|(name, _)| name.parse().ok()).collect();
        let connections = named.iter().filter_map(|name| world.connection_named(name));
        let of_git = connections.filter(|connection| connection.fact.service == Service::Git);
        let hosts = of_git.flat_map(|connection| &connection.fact.hosts).map(|at| match at.port {
            443 => at.host.clone(),
            port => format!("{}:{port}", at.host),
        });
        hosts.collect::<BTreeSet<_>>().into_iter().collect()
    }

    pub(crate) fn git(&self) -> &GitSigner {
        &self.inner().git
    }

    pub(crate) fn trust_domain(&self) -> &str {
        &self.inner().trust_domain
    }
}
