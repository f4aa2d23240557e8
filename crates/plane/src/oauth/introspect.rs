//! Introspection (RFC 7662): what a token is worth now, told to whom it is for. Everybody else
//! learns nothing, not even that it exists (threat 36).

use marque_crypto::Secret;
use marque_domain::{AccessToken, Id};
use marque_wire::oauth::{AccessTokenClaims, Introspection, IntrospectionRequest};

use super::answer::Refused;
use super::ask::{EndpointAsk, OAuthSettings};
use super::client::{Asker, Authenticated, Credentials};
use super::status::Look;
use super::{early, target};
use crate::plane::Plane;

/// A token as its holder may look at it. No signature, and no proof of anything.
pub(super) struct Seen {
    pub(super) claims: AccessTokenClaims,
    pub(super) id: Id<AccessToken>,
}

impl Plane {
    /// Answers the introspection endpoint; with it, what the asker is called.
    pub fn introspect(
        &self,
        ask: &EndpointAsk,
        request: &IntrospectionRequest,
    ) -> Result<(Introspection, String), Refused> {
        let settings = self.oauth().ok_or_else(super::client::unproven)?.clone();
        self.must_hear()
            .map_err(|refusal| Refused::by_road(refusal, super::answer::Asked::Nothing))?;
        let client_id = request.client_id.as_deref();
        let credentials = Credentials { client_id, proof: &request.client_proof, ask };
        let refused =
            |who, refused| self.refused_early(early::at(&settings, "introspect"), who, refused);
        let authenticated = self.authenticate(&settings, &credentials);
        let authenticated = authenticated.map_err(|unproven| refused(None, unproven))?;
        let asker = authenticated.client_id.clone();
        let who = || authenticated.known(&self.world());
        self.use_up(authenticated.uses.as_slice()).map_err(|again| refused(who(), again))?;
        let active = self.active(&settings, &authenticated, &request.token);
        let is_active = if active.is_some() { "true" } else { "false" };
        metrics::counter!("marque_introspections_total", "active" => is_active).increment(1);
        let claims = active.map(|seen| seen.claims);
        let answer = claims.map_or(Introspection::Inactive, |claims| Introspection::Active {
            claims: Box::new(claims),
            is_chain_complete: true,
        });
        Ok((answer, asker))
    }

    /// The token, if it is good now and the asker may know.
    pub(super) fn active(
        &self,
        settings: &OAuthSettings,
        authenticated: &Authenticated,
        token: &Secret,
    ) -> Option<Seen> {
        let world = self.world();
        let known = self.verified(token)?;
        let claims = known.claims();
        let run = claims.run.as_ref()?.id;
        let may_know = match &authenticated.asker {
            Asker::Resource(connection) => {
                target::connection_of(&world, settings, claims.aud.as_str())
                    .is_some_and(|found| found.fact.id == connection.fact.id)
            }
            Asker::Run(live) => live.run == run,
            Asker::Client(client) => {
                world.runs.get(run).is_some_and(|run| run.fact.client() == Some(client.fact.id))
            }
        };
        let id = claims.jti.parse().ok()?;
        let mut look = Look::at(&world, self.now());
        let is_active = may_know && look.is_active((id, claims.exp.timestamp()), run);
        is_active.then(|| Seen { claims: claims.clone(), id })
    }
}
