//! Who may use a resource: the pair of whose authority is used and who presents it.
//!
//! Pure rules over verified claims. Inner actors are history (RFC 8693 section 4.1): only their
//! number counts here.

use std::collections::BTreeSet;

use marque_wire::oauth::{AccessTokenClaims, Act, CHAIN_MAX};
use thiserror::Error;

use crate::build::BuildError;

/// Who may act, for whom, through how many hands. Says nothing of what: that is the scope's.
///
/// The presenter is the outermost actor of a token, and where it has none, its subject. Names are
/// compared byte for byte, and count only where the issuer itself gave them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainPolicy {
    presenters: BTreeSet<String>,
    trust_domains: BTreeSet<String>,
    subjects: BTreeSet<String>,
    must_act: bool,
    depth_max: usize,
}

/// Why whoever acts may not: `actor_unauthorized`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ActorProblem {
    /// Nobody acts: the token is its subject's own.
    #[error("the access token has no `act`, and only those who act for somebody may do this")]
    NoActor,
    /// More actors than may be between.
    #[error("the actor chain of the access token is longer than is accepted here")]
    Depth,
    /// Somebody else presents it.
    #[error("whoever presents the access token is not one of those who may act here")]
    Presenter,
    /// For somebody else.
    #[error("the subject of the access token is not one of those for whom this may be done")]
    Subject,
}

impl Default for ChainPolicy {
    fn default() -> Self {
        Self::new()
    }
}

impl ChainPolicy {
    /// Everybody whom the issuer gave a token for this resource.
    pub fn new() -> Self {
        Self {
            presenters: BTreeSet::new(),
            trust_domains: BTreeSet::new(),
            subjects: BTreeSet::new(),
            must_act: false,
            depth_max: CHAIN_MAX,
        }
    }

    /// Lets this presenter act, by its exact SPIFFE ID, without the run. Once any presenter or
    /// trust domain is named, nobody else may.
    ///
    /// # Errors
    /// [`BuildError::Spiffe`] for what is no SPIFFE ID.
    pub fn presenter(mut self, spiffe_id: &str) -> Result<Self, BuildError> {
        let bad = || BuildError::Spiffe(spiffe_id.to_owned());
        let rest = spiffe_id.strip_prefix("spiffe://").ok_or_else(bad)?;
        let (domain, path) = rest.split_once('/').ok_or_else(bad)?;
        let is_segment = |segment: &str| {
            let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            !matches!(segment, "" | "." | "..") && segment.bytes().all(is_letter)
        };
        if !is_trust_domain(domain) || !path.split('/').all(is_segment) {
            return Err(bad());
        }
        self.presenters.insert(spiffe_id.to_owned());
        Ok(self)
    }

    /// Lets every presenter of this trust domain act (SPIFFE ID section 2.1).
    ///
    /// # Errors
    /// [`BuildError::Spiffe`] for what is no trust domain.
    pub fn trust_domain(mut self, name: &str) -> Result<Self, BuildError> {
        if !is_trust_domain(name) {
            return Err(BuildError::Spiffe(name.to_owned()));
        }
        self.trust_domains.insert(name.to_owned());
        Ok(self)
    }

    /// Lets this party's authority be used. Once any is named, nobody else's may.
    #[must_use]
    pub fn subject(mut self, sub: &str) -> Self {
        self.subjects.insert(sub.to_owned());
        self
    }

    /// Only for those who act for somebody: a token without `act` is refused.
    #[must_use]
    pub fn delegated_only(self) -> Self {
        Self { must_act: true, ..self }
    }

    /// At most so many actors: 0 is for subjects themselves alone, 1 for who acts for them
    /// directly. At most 8, which is also what holds where nothing is said.
    #[must_use]
    pub fn depth_max(self, depth_max: usize) -> Self {
        Self { depth_max: depth_max.min(CHAIN_MAX), ..self }
    }

    /// Whether a token's pair may use the resource.
    ///
    /// # Errors
    /// [`ActorProblem`], the first that does not hold.
    pub fn admit(&self, claims: &AccessTokenClaims) -> Result<(), ActorProblem> {
        let actors = claims.act.as_ref().map_or(&[][..], Act::actors);
        if self.must_act && actors.is_empty() {
            return Err(ActorProblem::NoActor);
        }
        if actors.len() > self.depth_max {
            return Err(ActorProblem::Depth);
        }
        let names_all = self.presenters.is_empty() && self.trust_domains.is_empty();
        let presenter = match actors.first() {
            Some(actor) if actor.iss == claims.iss => Some(&actor.sub),
            Some(_) => None,
            None => Some(&claims.sub),
        };
        if !names_all && !presenter.is_some_and(|presenter| self.names(presenter)) {
            return Err(ActorProblem::Presenter);
        }
        if !self.subjects.is_empty() && !self.subjects.contains(&claims.sub) {
            return Err(ActorProblem::Subject);
        }
        Ok(())
    }

    pub(crate) fn is_delegated_only(&self) -> bool {
        self.must_act
    }

    fn names(&self, presenter: &str) -> bool {
        let rest = presenter.strip_prefix("spiffe://").and_then(|rest| rest.split_once('/'));
        let is_of_domain = rest.is_some_and(|(domain, _)| self.trust_domains.contains(domain));
        is_of_domain || self.presenters.contains(presenter)
    }
}

fn is_trust_domain(name: &str) -> bool {
    let is_letter =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    (1..=255).contains(&name.len()) && name.bytes().all(is_letter)
}
