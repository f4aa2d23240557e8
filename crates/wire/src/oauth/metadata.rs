//! What is published: of the server (RFC 8414, OpenID discovery) and of a resource (RFC 9728).
//!
//! Member by member; what a server can do is for whoever fills it in to know. A list that is empty
//! is left out, as RFC 8414 section 3.2 asks.

use serde::Serialize;

/// The metadata of the authorization server (RFC 8414 section 2).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ServerMetadata {
    /// Byte for byte the `iss` of its tokens.
    pub issuer: String,
    /// Where its keys are.
    pub jwks_uri: String,
    /// Where tokens are asked for.
    pub token_endpoint: String,
    /// Where humans are sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_endpoint: Option<String>,
    /// Where tokens are looked into (RFC 7662).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introspection_endpoint: Option<String>,
    /// Where tokens are taken back (RFC 7009).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation_endpoint: Option<String>,
    /// The lists of status lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_list_aggregation_endpoint: Option<String>,
    /// Which responses an authorization endpoint gives. Required by RFC 8414, and so never left
    /// out, even where it is empty.
    pub response_types_supported: Vec<String>,
    /// On which grounds tokens are issued.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grant_types_supported: Vec<String>,
    /// How clients prove themselves at the token endpoint.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// What they may sign their assertions with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub token_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// How clients prove themselves where tokens are looked into.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub introspection_endpoint_auth_methods_supported: Vec<String>,
    /// How clients prove themselves where tokens are taken back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revocation_endpoint_auth_methods_supported: Vec<String>,
    /// What proofs of possession may be signed with (RFC 9449 section 5.1).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dpop_signing_alg_values_supported: Vec<String>,
    /// What signed answers to introspections are signed with (RFC 9701).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub introspection_signing_alg_values_supported: Vec<String>,
    /// Which scopes there are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    /// Which types of details there are (RFC 9396 section 10).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorization_details_types_supported: Vec<String>,
    /// How an authorization code is bound to its client (RFC 7636).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub code_challenge_methods_supported: Vec<String>,
    /// Which resources there are (RFC 9728 section 4).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub protected_resources: Vec<String>,
    /// Which kinds of parties tokens name (draft-mora-oauth-entity-profiles).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entity_profiles_supported: Vec<String>,
    /// Whether tokens can be bound to certificates (RFC 8705 section 3.3).
    pub tls_client_certificate_bound_access_tokens: bool,
    /// Where clients with certificates go instead (RFC 8705 section 5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtls_endpoint_aliases: Option<MtlsEndpoints>,
    /// Whether responses of an authorization endpoint name their issuer (RFC 9207).
    pub authorization_response_iss_parameter_supported: bool,
    /// Whether a request may be answered later
    /// (draft-ietf-oauth-deferred-token-response section 5.1).
    pub deferred_token_response_supported: bool,
    /// What else than access tokens is taken back (the same, section 8.4).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revocation_endpoint_token_type_values_supported: Vec<String>,
}

/// Endpoints for clients with certificates (RFC 8705 section 5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MtlsEndpoints {
    /// Where tokens are asked for.
    pub token_endpoint: String,
    /// Where tokens are looked into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introspection_endpoint: Option<String>,
    /// Where tokens are taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation_endpoint: Option<String>,
}

/// The metadata of a resource (RFC 9728 section 2).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ProtectedResource {
    /// Byte for byte the URL that is asked for, and the `aud` of its tokens.
    pub resource: String,
    /// Who issues tokens for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorization_servers: Vec<String>,
    /// Which scopes it knows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    /// Where in a request a token may stand: `header`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bearer_methods_supported: Vec<String>,
    /// What it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<String>,
    /// Which types of details it knows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorization_details_types_supported: Vec<String>,
    /// What proofs of possession may be signed with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dpop_signing_alg_values_supported: Vec<String>,
    /// Whether no token is taken without a proof of possession.
    pub dpop_bound_access_tokens_required: bool,
    /// Whether tokens can be bound to certificates.
    pub tls_client_certificate_bound_access_tokens: bool,
    /// Whether the outermost actor counts (draft-mcguinness-oauth-actor-profile).
    pub actor_profile_required: bool,
}
