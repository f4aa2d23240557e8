//! What is published: the server's metadata (RFC 8414), its keys (RFC 7517), and what each
//! connection that the gateway serves asks of its callers (RFC 9728).

use marque_domain::{Name, Service};
use marque_wire::oauth::{GRANT_TYPES, ProtectedResource, ServerMetadata};

use super::details::TYPES;
use super::target::is_by_gateway;
use crate::plane::Plane;

/// A code of a deferred request, where it is taken back
/// (draft-ietf-oauth-deferred-token-response section 8.4).
const DEFERRAL_CODE_TYPE: &str = "urn:ietf:params:oauth:token-type:deferral-code";
const ALGORITHMS: [&str; 3] = ["ES256", "RS256", "EdDSA"];

impl Plane {
    /// The metadata of the token service; `None` where it is off.
    pub fn oauth_metadata(&self) -> Option<ServerMetadata> {
        let settings = self.oauth()?;
        let own = |methods: &[&str]| methods.iter().map(|method| (*method).to_owned()).collect();
        let asking = [
            "private_key_jwt",
            "client_secret_basic",
            "tls_client_auth",
            "self_signed_tls_client_auth",
        ];
        Some(ServerMetadata {
            issuer: settings.issuer.as_str().to_owned(),
            jwks_uri: settings.endpoint("jwks"),
            token_endpoint: settings.endpoint("token"),
            introspection_endpoint: Some(settings.endpoint("introspect")),
            revocation_endpoint: Some(settings.endpoint("revoke")),
            status_list_aggregation_endpoint: self
                .lists_tokens()
                .then(|| settings.endpoint("status")),
            grant_types_supported: own(&GRANT_TYPES),
            token_endpoint_auth_methods_supported: own(&[
                "private_key_jwt",
                "tls_client_auth",
                "self_signed_tls_client_auth",
            ]),
            token_endpoint_auth_signing_alg_values_supported: own(&ALGORITHMS),
            introspection_endpoint_auth_methods_supported: own(&asking),
            revocation_endpoint_auth_methods_supported: own(&asking),
            dpop_signing_alg_values_supported: own(&ALGORITHMS),
            introspection_signing_alg_values_supported: own(&["ES256"]),
            authorization_details_types_supported: TYPES
                .iter()
                .map(|kind| kind.name.to_owned())
                .collect(),
            entity_profiles_supported: own(&["user", "service", "ai_agent"]),
            tls_client_certificate_bound_access_tokens: true,
            deferred_token_response_supported: true,
            revocation_endpoint_token_type_values_supported: own(&[DEFERRAL_CODE_TYPE]),
            ..ServerMetadata::default()
        })
    }

    /// The keys that verify tokens, as they are published.
    pub fn published_token_keys(&self) -> serde_json::Value {
        let world = self.world();
        let keys = world.tokens.keys().map(|keys| keys.published(self.now()));
        keys.unwrap_or_default().to_json()
    }

    /// What a connection that the gateway serves asks of its callers. `None` for any other: whoever
    /// asks learns nothing of those.
    pub fn resource_metadata(&self, connection: &Name) -> Option<ProtectedResource> {
        let settings = self.oauth()?;
        let world = self.world();
        let found = world.connection_named(connection);
        let found = found.filter(|found| found.fact.is_live() && is_by_gateway(&found.fact))?;
        let connection = &found.fact;
        let kinds = TYPES.iter().filter(|kind| match connection.service {
            Service::Git => kind.name == "git_push",
            _ => kind.name == "http_operation",
        });
        let bearer = connection.tokens.as_ref().is_some_and(|target| target.bearer);
        Some(ProtectedResource {
            resource: settings.resource_of(connection.name.as_str())?,
            authorization_servers: vec![settings.issuer.as_str().to_owned()],
            scopes_supported: Vec::new(),
            bearer_methods_supported: vec!["header".to_owned()],
            resource_name: None,
            authorization_details_types_supported: kinds.map(|kind| kind.name.to_owned()).collect(),
            dpop_signing_alg_values_supported: ALGORITHMS.map(str::to_owned).to_vec(),
            dpop_bound_access_tokens_required: !bearer,
            tls_client_certificate_bound_access_tokens: true,
            actor_profile_required: true,
        })
    }
}
