//! What a token is for: the one resource, and the connection that stands for it (RFC 8707).

use std::sync::Arc;

use marque_crypto::token_key::TokenAlgorithm;
use marque_domain::{Connection, Name, Revised, Service};
use marque_wire::oauth::{ErrorCode, Resource};

use super::answer::Refused;
use super::ask::OAuthSettings;
use crate::world::World;

/// The resource of a token.
pub(super) struct Target {
    pub(super) connection: Arc<Revised<Connection>>,
    pub(super) audience: Resource,
    pub(super) algorithm: TokenAlgorithm,
    /// Whether a token may be bound to nobody.
    pub(super) bearer: bool,
}

/// The one resource that was asked for. A token has exactly one audience (threats 11 and 34).
pub(super) fn find(
    world: &World,
    settings: &OAuthSettings,
    (resources, audiences): (&[Resource], &[String]),
) -> Result<Target, Refused> {
    let unknown =
        || Refused::of(ErrorCode::InvalidTarget, "no such resource, or not for this client");
    let named = resources.iter().map(Resource::as_str).chain(audiences.iter().map(String::as_str));
    let mut named: Vec<&str> = named.collect();
    named.dedup();
    let [audience] = named[..] else {
        return Err(Refused::of(ErrorCode::InvalidTarget, "name exactly one `resource`"));
    };
    let connection = connection_of(world, settings, audience).ok_or_else(unknown)?;
    let audience = Resource::parse(audience).map_err(|_| unknown())?;
    let target = connection.fact.tokens.as_deref();
    let algorithm = target.map_or(Ok(TokenAlgorithm::Es256), |target| target.algorithm.parse());
    Ok(Target {
        audience,
        algorithm: algorithm.map_err(|_| unknown())?,
        bearer: target.is_some_and(|target| target.bearer),
        connection,
    })
}

/// The live connection whose tokens have that audience.
pub(super) fn connection_of(
    world: &World,
    settings: &OAuthSettings,
    audience: &str,
) -> Option<Arc<Revised<Connection>>> {
    let own = world.tokens.target(audience).and_then(|id| world.connections.get(id));
    let by_gateway = || {
        let name = audience.strip_prefix(settings.gateway.as_deref()?)?.strip_prefix("/c/")?;
        let name: Name = name.parse().ok()?;
        world.connection_named(&name).filter(|found| is_by_gateway(&found.fact))
    };
    own.or_else(by_gateway).filter(|found| found.fact.is_live()).cloned()
}

/// Whether the gateway itself serves what tokens for the connection are for.
pub(super) fn is_by_gateway(connection: &Connection) -> bool {
    matches!(connection.service, Service::Http | Service::Git)
}
