//! Whether a request may be believed: every check of a token, in one order.
//!
//! Owns the order. What each check is, is for the leaves to say; nothing is asked of the issuer
//! before the token is found to be its own, but for the keys to find that with.

mod builder;

use std::sync::Arc;

use http::request::Parts;
use marque_wire::jose::{NumericDate, TokenClass, Unverified};
use marque_wire::oauth::{
    AccessTokenClaims, BadProof, Confirmation, DpopProof, ExpectedProof, ExpectedToken, Htu,
    PROOF_AGE_MAX_SECS, ProtectedResource, Resource, Scheme, Thumbprint, single_proof,
};

pub use builder::VerifierBuilder;
pub(crate) use builder::resource;

use crate::caller::Caller;
use crate::introspect::Introspector;
use crate::keys::Keys;
use crate::nonces::{Nonces, Pair};
use crate::policy::ChainPolicy;
use crate::presented::{ClientCertificate, Presented};
use crate::refusal::{PROOF_ALGORITHMS, Reason, Refusal, Voice};
use crate::replay::Replays;
use crate::server::Server;
use crate::status::StatusLists;

/// Verifies the tokens of one issuer for one resource. Made once, at the start, and shared: a clone
/// is the same verifier, with the same keys and the same memory of proofs.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    server: Arc<Server>,
    keys: Arc<Keys>,
    audience: Resource,
    /// What stands before the path of each request, from outside.
    origin: String,
    policy: ChainPolicy,
    voice: Arc<Voice>,
    replays: Replays,
    nonces: Option<Nonces>,
    lists: StatusLists,
    introspector: Option<Introspector>,
    started: NumericDate,
}

impl Verifier {
    /// A verifier of the tokens that `issuer` issues for `audience`: both URLs, byte for byte as
    /// the issuer's configuration has them.
    pub fn builder(issuer: &str, audience: &str) -> VerifierBuilder {
        VerifierBuilder::new(issuer, audience)
    }

    /// Verifies the token of a request, and uses its proof up.
    ///
    /// A certificate that the client proved in TLS is taken from the extensions of the request, as
    /// [`ClientCertificate`].
    ///
    /// # Errors
    /// A [`Refusal`] to be answered, for the first check that does not hold.
    pub async fn verify(&self, parts: &Parts) -> Result<Caller, Refusal> {
        let verified = self.0.check(parts).await;
        verified.map_err(|reason| Refusal::new(reason, &self.0.voice).with_nonce(self.nonce()))
    }

    /// The nonce that the next proof must have, where nonces are required: `DPoP-Nonce` of each
    /// answer (RFC 9449 section 8.2). [`crate::VerifyLayer`] sets it.
    pub fn nonce(&self) -> Option<String> {
        Some(self.0.nonces.as_ref()?.at(self.0.server.date()).newest)
    }

    /// The metadata of the resource, to be served as JSON at its well-known place (RFC 9728
    /// section 3).
    pub fn protected_resource(&self) -> ProtectedResource {
        ProtectedResource {
            resource: self.0.audience.to_string(),
            authorization_servers: vec![self.0.server.issuer.to_string()],
            bearer_methods_supported: vec!["header".to_owned()],
            dpop_signing_alg_values_supported: PROOF_ALGORITHMS.map(str::to_owned).into(),
            dpop_bound_access_tokens_required: !self.0.voice.accepts_bearer,
            tls_client_certificate_bound_access_tokens: true,
            actor_profile_required: self.0.policy.is_delegated_only(),
            ..ProtectedResource::default()
        }
    }
}

impl Inner {
    async fn check(&self, parts: &Parts) -> Result<Caller, Reason> {
        let presented = Presented::read(parts)?;
        // ORDER: limits, algorithm and class are looked at before any key is, so that garbage
        // causes no fetch.
        let token = Unverified::parse(TokenClass::AccessToken, presented.token)?;
        let key_id = token.key_id().ok_or(Reason::UnknownKey)?.to_owned();
        let keys = self.keys.with(&key_id).await?;
        let key = keys.find(&key_id).ok_or(Reason::UnknownKey)?;
        // In its one spelling: no byte of a token of ours can be changed.
        let claims = AccessTokenClaims::read(token.verify_ours(key)?)?;
        let now = self.server.date();
        let (issuer, audience) = (&self.server.issuer, &self.audience);
        claims.check(&ExpectedToken { issuer, audience, now })?;
        let is_proven = self.prove(parts, &presented, claims.cnf, now)?;
        // ORDER: revocation may ask the issuer, so it comes when everything else about the token
        // held.
        if let Some(place) = &claims.status {
            self.lists.check(place).await?;
        }
        if let Some(introspector) = &self.introspector {
            introspector.check(presented.token, &claims).await?;
        }
        self.policy.admit(&claims)?;
        Ok(Caller::new(claims, is_proven, now, &self.voice))
    }

    /// Whether whoever presents the token proved to hold what it is bound to. `false` only where
    /// it is bound to nothing and that is accepted.
    fn prove(
        &self,
        parts: &Parts,
        presented: &Presented<'_>,
        bound: Option<Confirmation>,
        now: NumericDate,
    ) -> Result<bool, Reason> {
        match (bound, presented.scheme) {
            (Some(Confirmation::Key(key)), Scheme::Dpop) => {
                self.use_proof(parts, presented.token, key, now).map(|()| true)
            }
            // RFC 8705 section 3: such a token comes as a bearer token, over its certificate.
            (Some(Confirmation::Certificate(bound)), Scheme::Bearer) => {
                let shown = parts.extensions.get::<ClientCertificate>();
                let is_shown = shown.is_some_and(|shown| shown.0 == bound);
                if is_shown { Ok(true) } else { Err(Reason::Bound) }
            }
            (Some(_), _) => Err(Reason::Bound),
            (None, Scheme::Bearer) if self.voice.accepts_bearer => Ok(false),
            (None, _) => Err(Reason::Unbound),
        }
    }

    fn use_proof(
        &self,
        parts: &Parts,
        token: &[u8],
        key: Thumbprint,
        now: NumericDate,
    ) -> Result<(), Reason> {
        let target = Htu::parse(&format!("{}{}", self.origin, parts.uri.path()));
        let target = target.map_err(|_| BadProof::Target)?;
        let pair = self.nonces.as_ref().map(|nonces| nonces.at(now));
        let good = pair.as_ref().map(|pair| [pair.newest.as_str(), pair.before.as_str()]);
        let expected = ExpectedProof {
            method: parts.method.as_str(),
            target: &target,
            now,
            nonces: good.as_ref().map(|good| &good[..]),
            access_token: Some(token),
            key: Some(key),
        };
        let proof = DpopProof::check(single_proof(&parts.headers)?, &expected)?;
        self.replays.use_up(&self.remembered(proof, pair.as_ref(), now)?, now)
    }

    /// The proof, with how long its name must be remembered.
    fn remembered(
        &self,
        proof: DpopProof,
        pair: Option<&Pair>,
        now: NumericDate,
    ) -> Result<DpopProof, Reason> {
        match pair {
            Some(pair) => {
                let over = now.plus_seconds(pair.remaining_secs(now));
                Ok(DpopProof { until: proof.until.min(over), ..proof })
            }
            // Nobody here remembers what was used before the start (threat 56).
            None if proof.until < self.started.plus_seconds(PROOF_AGE_MAX_SECS + 1) => {
                Err(Reason::Replayed)
            }
            None => Ok(proof),
        }
    }
}
