//! What an endpoint is asked, and how the service is set up.

use std::time::Duration;

use marque_wire::oauth::{BadProof, Issuer};

use crate::caller::Presented;

/// How the token service is set up.
#[derive(Debug, Clone)]
pub struct OAuthSettings {
    /// Who issues: the base of all its addresses.
    pub issuer: Issuer,
    /// The base of the addresses under which the gateway serves connections, without a slash at its
    /// end; `None` where it has no reverse door.
    pub gateway: Option<String>,
    /// How long a token is good; 15 minutes at most.
    pub token_ttl: Duration,
    /// How long a key signs before the next one takes over.
    pub rotate_after: Duration,
    /// How many runs one client may have open at once, of jobs or people.
    pub runs_per_client: usize,
}

impl OAuthSettings {
    /// The address of an endpoint: `token`, `introspect`, `revoke`, `jwks`, `status`.
    pub fn endpoint(&self, name: &str) -> String {
        format!("{}/oauth/{name}", self.issuer.as_str().trim_end_matches('/'))
    }

    /// What tokens for that connection are for, where the gateway serves it.
    pub fn resource_of(&self, connection: &str) -> Option<String> {
        self.gateway.as_ref().map(|base| format!("{base}/c/{connection}"))
    }
}

/// What came with a request beside its body. No `Debug`: it holds proofs.
pub struct EndpointAsk {
    /// That it came from a run itself, over the run's own socket.
    pub presented: Presented,
    /// The one DPoP proof, if there is one.
    pub proof: Result<Option<Vec<u8>>, BadProof>,
    /// The certificate that the client showed and whose key it holds, in DER.
    pub certificate: Option<Vec<u8>>,
    /// User and password of HTTP Basic (RFC 6749 §2.3.1), decoded.
    pub basic: Option<(String, marque_crypto::Secret)>,
}

impl EndpointAsk {
    /// A request without anything.
    pub fn bare() -> Self {
        Self { presented: Presented::Nothing, proof: Ok(None), certificate: None, basic: None }
    }
}
