//! How a verifier is configured.

use std::sync::Arc;
use std::time::Duration;

use marque_wire::jose::JwkSet;
use marque_wire::oauth::Resource;

use super::{Inner, Verifier};
use crate::build::BuildError;
use crate::client_key::ClientKey;
use crate::introspect::Introspector;
use crate::keys::Keys;
use crate::nonces::Nonces;
use crate::policy::ChainPolicy;
use crate::refusal::Voice;
use crate::replay::Replays;
use crate::server::ServerDraft;
use crate::status::StatusLists;

/// How many proofs are remembered where nothing is said: about 40 MB once it is full, for 2,900
/// requests a second.
const REPLAYS: usize = 1 << 20;
/// How old a status list may grow where it cannot be fetched again, where nothing is said.
const STALE: Duration = Duration::from_secs(60);
/// The bounds of what the builder takes.
const STALE_MAX: Duration = Duration::from_secs(3600);
const INTROSPECTION_MAX: Duration = Duration::from_secs(300);

/// Builds a [`Verifier`]. What is not said is as strict as it comes.
#[must_use]
pub struct VerifierBuilder {
    server: ServerDraft,
    audience: String,
    origin: Option<String>,
    resource_metadata: Option<String>,
    keys: Option<JwkSet>,
    policy: ChainPolicy,
    accepts_bearer: bool,
    requires_nonces: bool,
    replays: usize,
    stale: Duration,
    client: Option<(String, ClientKey)>,
    introspection: Duration,
}

impl VerifierBuilder {
    pub(super) fn new(issuer: &str, audience: &str) -> Self {
        Self {
            server: ServerDraft { issuer: issuer.to_owned(), ..ServerDraft::default() },
            audience: audience.to_owned(),
            origin: None,
            resource_metadata: None,
            keys: None,
            policy: ChainPolicy::new(),
            accepts_bearer: false,
            requires_nonces: false,
            replays: REPLAYS,
            stale: STALE,
            client: None,
            introspection: Duration::ZERO,
        }
    }

    /// Trusts these certificate authorities, in PEM, beside those of the system.
    pub fn ca_pem(mut self, pem: &[u8]) -> Self {
        self.server.ca_pem = Some(pem.to_vec());
        self
    }

    /// Verifies with these keys and fetches none. They are never replaced.
    pub fn keys(mut self, keys: JwkSet) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Where requests go, from outside: the scheme, host and port, and a path that something in
    /// front takes away. Where nothing is said, those of the audience, without its path. Proofs
    /// are compared with it; what a request says of its host is not asked.
    pub fn origin(mut self, url: &str) -> Self {
        self.origin = Some(url.to_owned());
        self
    }

    /// Names this URL in challenges as the place of the resource's metadata (RFC 9728 section 5.1).
    pub fn resource_metadata(mut self, url: &str) -> Self {
        self.resource_metadata = Some(url.to_owned());
        self
    }

    /// Lets only those in who may act here.
    pub fn policy(mut self, policy: ChainPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Accepts tokens that are bound to no key, too: whoever sees one can use it until it is over.
    /// A token that is bound still needs its proof.
    pub fn accept_bearer(mut self) -> Self {
        self.accepts_bearer = true;
        self
    }

    /// Asks every proof for a nonce of this process (RFC 9449 section 9), so that one used here is
    /// good neither at a replica nor after a restart. A client's first request is then answered
    /// 401 with a nonce.
    pub fn require_nonces(mut self) -> Self {
        self.requires_nonces = true;
        self
    }

    /// Remembers so many proofs; each for up to six minutes, with nonces for two. When it is full,
    /// requests are answered 503. From 2 to 16,777,216.
    pub fn replay_capacity(mut self, proofs: usize) -> Self {
        self.replays = proofs;
        self
    }

    /// For how long a status list may be used that is due and cannot be fetched. From then on its
    /// tokens are refused. Where nothing is said, a minute; at most an hour.
    pub fn status_stale(mut self, stale: Duration) -> Self {
        self.stale = stale;
        self
    }

    /// Asks the issuer about every token (RFC 7662), as this client of it: the newest there is to
    /// know, for one more exchange. Where it does not answer, the request is refused.
    pub fn introspect(mut self, client_id: &str, key: ClientKey) -> Self {
        self.client = Some((client_id.to_owned(), key));
        self
    }

    /// Keeps the answer about a token for so long: that much later a kill is noticed. Where nothing
    /// is said, not at all; at most five minutes.
    pub fn introspection_kept(mut self, kept: Duration) -> Self {
        self.introspection = kept;
        self
    }

    #[cfg(test)]
    pub(crate) fn clock(mut self, clock: Arc<dyn crate::ambient::Clock>) -> Self {
        self.server.clock = Some(clock);
        self
    }

    /// The verifier. Nothing is fetched before the first request.
    ///
    /// # Errors
    /// [`BuildError`] for a URL that could be read in two ways, for authorities that cannot be
    /// read, and for what is out of its bounds.
    pub fn build(self) -> Result<Verifier, BuildError> {
        let bounds = [
            ("replay_capacity", (2..=1 << 24).contains(&self.replays)),
            ("status_stale", self.stale <= STALE_MAX),
            ("introspection_kept", self.introspection <= INTROSPECTION_MAX),
        ];
        if let Some((name, _)) = bounds.into_iter().find(|(_, holds)| !holds) {
            return Err(BuildError::Bound(name));
        }
        let audience = resource(self.audience)?;
        let origin = match self.origin {
            Some(url) => resource(url)?.as_str().trim_end_matches('/').to_owned(),
            None => audience.origin().to_owned(),
        };
        let resource_metadata = self.resource_metadata.map(resource).transpose()?;
        let server = self.server.build()?;
        let keys = self.keys.as_ref().map_or_else(|| Keys::of(&server), Keys::fixed);
        let keys = Arc::new(keys);
        let introspector = self.client.map(|(client_id, key)| {
            Introspector::new(Arc::clone(&server), client_id, key, self.introspection)
        });
        Ok(Verifier(Arc::new(Inner {
            audience,
            origin,
            policy: self.policy,
            voice: Arc::new(Voice { resource_metadata, accepts_bearer: self.accepts_bearer }),
            replays: Replays::new(self.replays),
            nonces: self.requires_nonces.then(Nonces::default),
            lists: StatusLists::new(Arc::clone(&server), Arc::clone(&keys), self.stale),
            introspector,
            started: server.date(),
            keys,
            server,
        })))
    }
}

pub(crate) fn resource(url: String) -> Result<Resource, BuildError> {
    Resource::parse(&url).map_err(|problem| BuildError::Resource { url, problem })
}
