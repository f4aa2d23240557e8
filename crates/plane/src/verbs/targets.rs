//! What tokens for a connection are like: set when it is registered, by a human.

use marque_crypto::machine::{self, MachineSecret};
use marque_crypto::token_key::TokenAlgorithm;
use marque_domain::event::Change;
use marque_domain::token::StepUp;
use marque_domain::{Connection, Digest, Endpoint, Service, TokenTarget};
use marque_wire::host::Authority as HostAndPort;
use marque_wire::oauth::Resource;
use zeroize::Zeroizing;

use super::Detailed as _;
use super::agents::find_agent;
use super::clients::read_keys;
use crate::error::{AdminError, AdminKind};
use crate::plane::Plane;
use crate::spec::{ConnectionSpec, TokenTargetSpec};
use crate::step::Step;

/// Most classes of authentication of which one is enough.
const ACR_VALUES_MAX: usize = 8;

/// A target, but for what only the world knows.
pub(super) struct Made {
    spec: TokenTargetSpec,
    algorithm: TokenAlgorithm,
    keys: Option<String>,
    hash: Option<Digest>,
    /// The secret with which the resource server asks; shown once.
    pub(super) secret: Option<Zeroizing<String>>,
}

impl Plane {
    /// What a new connection's tokens are like. Makes the key that signs them, if there is none.
    pub(super) async fn target_of(
        &self,
        spec: &ConnectionSpec,
    ) -> Result<Option<Made>, AdminError> {
        let Some(spec) = &spec.tokens else { return Ok(None) };
        let algorithm = spec.algorithm.as_deref().unwrap_or("ES256");
        let algorithm = algorithm.parse::<TokenAlgorithm>();
        let algorithm = algorithm.map_err(|error| AdminError::invalid(&error))?;
        let gateway = self.oauth().and_then(|settings| settings.gateway.as_deref());
        let is_gateways = |audience: &String| {
            gateway.is_some_and(|base| audience.starts_with(&format!("{base}/c/")))
        };
        if spec.audience.as_ref().is_some_and(is_gateways) {
            let message =
                "tokens for addresses under the gateway's `/c/` are those of its connections";
            return Err(AdminError::new(AdminKind::Conflict, message));
        }
        let keys = spec.keys.as_deref().map(read_keys).transpose()?;
        let secret = spec.secret.then(|| MachineSecret::generate(self.random()).expose_text());
        let hash = secret.as_ref().map(|text| machine::hash(self.machine_key(), text.as_bytes()));
        if self.oauth().is_some() {
            self.ensure_token_key(algorithm).await?;
        }
        Ok(Some(Made { spec: spec.clone(), algorithm, keys, hash, secret }))
    }
}

impl Made {
    pub(super) fn for_connection(
        &self,
        step: &Step<'_, '_>,
        connection: &Connection,
    ) -> Result<TokenTarget, AdminError> {
        let served_by = match &self.spec.served_by {
            Some(name) => Some(find_agent(step.world, name.as_str())?.id),
            None => None,
        };
        if let Some(audience) = &self.spec.audience
            && let Some(other) = step.world.tokens.target(audience)
            && other != connection.id
        {
            let message = format!("tokens for `{audience}` are those of another connection");
            return Err(AdminError::new(AdminKind::Conflict, message));
        }
        Ok(TokenTarget {
            audience: self.spec.audience.clone(),
            algorithm: self.algorithm.to_string(),
            bearer: self.spec.bearer,
            served_by,
            secret: self.hash,
            keys: self.keys.clone(),
            step_up: self.spec.step_up.clone(),
        })
    }
}

/// Whether what is said of tokens fits the rest.
pub(super) fn must_fit(spec: &ConnectionSpec) -> Result<(), AdminError> {
    let invalid = |message: &str| Err(AdminError::new(AdminKind::Invalid, message));
    let audience = spec.tokens.as_ref().and_then(|tokens| tokens.audience.as_ref());
    if let Some(step_up) = spec.tokens.as_ref().map(|tokens| &tokens.step_up) {
        must_be_askable(step_up)?;
        if spec.service == Service::Resource && !step_up.is_nothing() {
            return invalid(
                "a `resource` connection checks itself how people were authenticated; this is for \
                 what the gateway serves",
            );
        }
    }
    if spec.service != Service::Resource {
        return match audience {
            Some(_) => invalid("only a `resource` connection has an audience of its own"),
            None => Ok(()),
        };
    }
    if spec.slot.is_some() || spec.plain_http || spec.authority_pem.is_some() || spec.pin.is_some()
    {
        return invalid(
            "nothing is forwarded to a `resource` connection: it has no credential, no authority, \
             no pin and no plain http",
        );
    }
    let Some(audience) = audience else {
        return Err(AdminError::new(AdminKind::Invalid, "a `resource` connection has an audience")
            .hint("name it: `--audience https://billing.example/`"));
    };
    Resource::parse(audience).map_err(|error| AdminError::invalid(&error))?;
    Ok(())
}

// RFC 9470 §4: `acr_values` is a list with spaces, and a header quotes it.
fn must_be_askable(step_up: &StepUp) -> Result<(), AdminError> {
    let is_class = |class: &String| {
        (1..=256).contains(&class.len())
            && class.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte))
    };
    if step_up.acr_values.len() > ACR_VALUES_MAX || !step_up.acr_values.iter().all(is_class) {
        let message =
            "classes of authentication are at most 8 words of visible ASCII, without quotes";
        return Err(AdminError::new(AdminKind::Invalid, message));
    }
    Ok(())
}

/// Where a resource server is, by its audience; `None` for any other connection.
pub(super) fn host_of(spec: &ConnectionSpec) -> Result<Option<Endpoint>, AdminError> {
    let audience = spec.tokens.as_ref().and_then(|tokens| tokens.audience.as_ref());
    let (Service::Resource, Some(audience)) = (spec.service, audience) else { return Ok(None) };
    let (scheme, rest) = audience.split_once("://").unwrap_or(("https", audience));
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let port = if scheme == "http" { 80 } else { 443 };
    let parsed = HostAndPort::parse_or(authority, port);
    let parsed = parsed.map_err(|error| AdminError::invalid(&error))?;
    Ok(Some(Endpoint { host: parsed.host.to_string(), port: parsed.port }))
}

/// The entry of a connection, with what matters of its tokens.
pub(super) fn told(entry: Change, target: Option<&TokenTarget>) -> Change {
    let Some(target) = target else { return entry };
    let audience = target.audience.as_deref().unwrap_or("the gateway's");
    let entry = entry.detail("audience", audience).detail("algorithm", &target.algorithm);
    let asks = target.secret.is_some() || target.keys.is_some();
    let entry = if asks { entry.detail("introspects", true) } else { entry };
    let entry = match target.step_up.max_age_secs {
        Some(secs) => entry.detail("max_auth_age", secs),
        None => entry,
    };
    let entry = match &target.step_up.acr_values[..] {
        [] => entry,
        classes => entry.detail("acr_values", classes.join(" ")),
    };
    // A decision for this one resource, on record.
    if target.bearer { entry.detail("bearer", true) } else { entry }
}
