//! Which endpoint a path is, under the path of the issuer.

use http::Method;
use marque_domain::{Id, TokenStatusList};
use marque_plane::oauth::{DetailType, TYPES};

/// An endpoint.
#[derive(Clone, Copy)]
pub(super) enum Endpoint {
    Token,
    Introspect,
    Revoke,
    Keys,
    Metadata,
    StatusLists,
    StatusList(Id<TokenStatusList>),
    Schema(&'static DetailType),
}

/// The two names of one document.
const METADATA: [&str; 2] = ["oauth-authorization-server", "openid-configuration"];

impl Endpoint {
    /// The endpoint at `path` of an issuer whose own path is `prefix`, without a slash at its end.
    pub(super) fn of(path: &str, prefix: &str) -> Option<Self> {
        // RFC 8414 §3.1: the path of the issuer stands behind the well-known name.
        let known = path.strip_prefix("/.well-known/").is_some_and(|rest| {
            METADATA.iter().any(|name| rest.strip_prefix(name) == Some(prefix))
        });
        if known {
            return Some(Self::Metadata);
        }
        match path.strip_prefix(prefix)? {
            "/oauth/token" => Some(Self::Token),
            "/oauth/introspect" => Some(Self::Introspect),
            "/oauth/revoke" => Some(Self::Revoke),
            "/oauth/jwks" => Some(Self::Keys),
            "/oauth/status" => Some(Self::StatusLists),
            // OpenID Connect Discovery 1.0 §4: behind the issuer.
            "/.well-known/openid-configuration" => Some(Self::Metadata),
            own => {
                if let Some(list) = own.strip_prefix("/oauth/status/") {
                    return list.parse().ok().map(Self::StatusList);
                }
                let name = own.strip_prefix("/oauth/types/")?.strip_suffix(".json")?;
                TYPES.iter().find(|kind| kind.name == name).map(Self::Schema)
            }
        }
    }

    /// The one method it has.
    pub(super) fn method(self) -> Method {
        match self {
            Self::Token | Self::Introspect | Self::Revoke => Method::POST,
            Self::Keys
            | Self::Metadata
            | Self::StatusLists
            | Self::StatusList(_)
            | Self::Schema(_) => Method::GET,
        }
    }

    /// What it is called in metrics and traces.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Introspect => "introspect",
            Self::Revoke => "revoke",
            Self::Keys => "jwks",
            Self::Metadata => "metadata",
            Self::StatusLists => "status_lists",
            Self::StatusList(_) => "status",
            Self::Schema(_) => "types",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Endpoint;

    #[test]
    fn a_path_is_one_endpoint_or_none() {
        let check = |path: &str, prefix: &str, expected: Option<&str>| {
            let found = Endpoint::of(path, prefix).map(Endpoint::name);
            assert_eq!(found, expected, "{path} under `{prefix}`");
        };
        check("/oauth/token", "", Some("token"));
        check("/oauth/token/", "", None);
        check("//oauth/token", "", None);
        check("/oauth/types/sql.json", "", Some("types"));
        check("/oauth/types/../sql.json", "", None);
        check("/oauth/status", "", Some("status_lists"));
        check("/oauth/status/stl_01M8QPX8KXX6AQYXQJ5YVQCAHB", "", Some("status"));
        check("/oauth/status/tok_01M8QPX8KXX6AQYXQJ5YVQCAHB", "", None);
        check("/oauth/status/stl_01m8qpx8kxx6aqyxqj5yvqcahb", "", None);
        check("/oauth/status/", "", None);
        check("/.well-known/oauth-authorization-server", "", Some("metadata"));
        check("/.well-known/oauth-authorization-server/one", "", None);
        check("/.well-known/openid-configuration", "", Some("metadata"));
        check("/one/oauth/token", "/one", Some("token"));
        check("/oauth/token", "/one", None);
        check("/.well-known/oauth-authorization-server/one", "/one", Some("metadata"));
        check("/.well-known/oauth-authorization-server", "/one", None);
        check("/one/.well-known/openid-configuration", "/one", Some("metadata"));
    }
}
