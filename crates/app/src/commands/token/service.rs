//! Where the token service is, and whose certificates prove it.

use marque_plane::view::StatusView;
use marque_wire::jose::JwkSet;
use marque_wire::oauth::Issuer;

use crate::client::{Client, Https, Request};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::launch::bundle::merged;

/// The address of an endpoint: `token`, `introspect`, `jwks`.
pub(crate) fn endpoint(issuer: &str, name: &str) -> String {
    format!("{}/oauth/{name}", issuer.trim_end_matches('/'))
}

/// Who issues, as the server says it; nobody where the service is off or the server is gone.
pub(crate) async fn issuer(context: &Context, client: &Client) -> Option<String> {
    if let Some(set) = context.environment.text("MARQUE_ISSUER") {
        return Some(set.to_owned());
    }
    client.send::<StatusView>(&Request::get("/v1/status")).await.ok()?.issuer
}

/// The issuer that was named, or the one that the server or the run knows.
pub(super) async fn named(context: &Context, named: Option<String>) -> Result<Issuer, Failure> {
    let found = match named {
        Some(named) => Some(named),
        None => issuer(context, &context.client()).await,
    };
    let found = found.ok_or_else(|| {
        Failure::new(Exit::Unavailable, "it is not known who issues tokens here").hint(
            "name the issuer with `--issuer URL`; the service is on where `oauth.listen` is set",
        )
    })?;
    Issuer::parse(&found).map_err(|error| {
        Failure::new(Exit::Usage, format!("`{found}` is no issuer: {error}"))
            .hint("write it byte for byte as `marque up` prints it")
    })
}

/// The keys that the issuer publishes now.
pub(super) async fn keys(context: &Context, issuer: &Issuer) -> Result<JwkSet, Failure> {
    super::checked::keys(&published(context, &endpoint(issuer.as_str(), "jwks")).await?)
}

/// What the issuer publishes there.
pub(super) async fn published(context: &Context, url: &str) -> Result<Vec<u8>, Failure> {
    let answer = https(context)?.get(url).await?;
    if answer.status() != http::StatusCode::OK {
        let message = format!("`{url}` answered {}", answer.status());
        return Err(Failure::new(Exit::Unavailable, message).hint("is that really the issuer?"));
    }
    Ok(answer.body().to_vec())
}

/// What asks it: trusts the system, `SSL_CERT_FILE`, and the authority in the data directory.
pub(super) fn https(context: &Context) -> Result<Https, Failure> {
    let own = std::fs::read_to_string(context.data.issuer_authority()).unwrap_or_default();
    Https::trusting(&merged(&context.environment, &own).0)
}
