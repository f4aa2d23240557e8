//! Clients of the token service: registering, stopping, restarting and ending them.

mod behind;

use marque_domain::client::{ClientKeys, ClientState};
use marque_domain::{Client, Closing, Id, Name, User, UserRef, Verb};
use marque_wire::jose::{Jwk, JwkSet};

pub(crate) use behind::{Behind, any_run, behind, open_runs, stop_behind, suspend_all};

use super::agents::find_agent;
use super::issuers::{Given, KeysGiven};
use super::runs::{close_tree, unclosed};
use super::{Detailed, changed, limits, lines};
use crate::caller::Acting;
use crate::error::{AdminError, AdminKind};
use crate::failure::Failure;
use crate::plane::Plane;
use crate::spec::ClientSpec;
use crate::step::Step;
use crate::view::ClientView;
use crate::world::World;

/// Longest life of a run of a client, in seconds; the plane's own bound holds as well.
pub(super) const RUN_TTL_MAX_SECS: u64 = 7 * 24 * 3_600;

impl Plane {
    /// Registers a client. Its runs count as opened by whoever registers it.
    pub async fn add_client(
        &self,
        who: &Acting<User>,
        spec: ClientSpec,
    ) -> Result<ClientView, AdminError> {
        limits::must_make_sense(&spec.limits)?;
        let proof = checked(&spec.proof)?;
        let issuer_keys = self.keys_of_issuer(&spec.proof).await?;
        let proof = with_keys(proof, issuer_keys.as_ref());
        if !(1..=RUN_TTL_MAX_SECS).contains(&spec.run_ttl_secs) {
            let message = format!("a run of a client lasts from 1 to {RUN_TTL_MAX_SECS} seconds");
            return Err(AdminError::new(AdminKind::Invalid, message));
        }
        let (by, plane) = (Self::by(who), self.clone());
        self.change(who, move |step| {
            if step.world.client_named(&spec.name).is_some() {
                let message = format!("the name `{}` is taken, for ever", spec.name);
                return Err(AdminError::new(AdminKind::Conflict, message));
            }
            let agent = find_agent(step.world, spec.agent.as_str())?;
            let client = Client {
                id: step.id(),
                name: spec.name.clone(),
                agent: agent.id,
                proof: proof.clone(),
                task: spec.task.clone(),
                mandate: lines::read(step.world, &spec.mandate)?,
                limits: spec.limits,
                run_ttl_secs: spec.run_ttl_secs,
                endpoint_audience_until: spec.endpoint_audience_until,
                added_by: by.id,
                added_at: step.now,
                state: ClientState::Active,
            };
            issuer_keys.as_ref().map_or(Ok(()), |keys| keys.put(step))?;
            let client = step.save(client)?;
            let label = &client.fact.name;
            let entry = changed(Verb::ClientAdded, &by, Some(client.reference()), label);
            let entry =
                entry.detail("agent", &agent.name).detail("proof", kind(&client.fact.proof));
            let entry = match &issuer_keys {
                Some(keys) => entry.detail("keys", keys.told()),
                None => entry,
            };
            step.append(entry.limited(&client.fact.limits).event())?;
            Ok(plane.show(step.world).client(&client.fact))
        })
        .await
    }

    async fn keys_of_issuer(&self, proof: &ClientKeys) -> Result<Option<KeysGiven>, AdminError> {
        let ClientKeys::Issuer { issuer, jwks, source, .. } = proof else { return Ok(None) };
        let given = Given { issuer, jwks, source: source.as_ref() };
        self.keys_given(given).await.map(Some)
    }

    /// Every client, by name.
    pub fn clients(&self, _who: &Acting<User>) -> Result<Vec<ClientView>, AdminError> {
        let world = self.world();
        let show = self.show(&world);
        let mut clients: Vec<_> =
            world.clients.all().map(|client| show.client(&client.fact)).collect();
        clients.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(clients)
    }

    /// One client, by name or id.
    pub fn client(&self, _who: &Acting<User>, which: &str) -> Result<ClientView, AdminError> {
        let world = self.world();
        find(&world, which).map(|client| self.show(&world).client(&client))
    }

    /// Stops a client: kills its runs, and answers it no more until it is resumed.
    pub async fn suspend_client(
        &self,
        who: &Acting<User>,
        which: &str,
    ) -> Result<ClientView, AdminError> {
        self.move_client(who, which, (Verb::ClientSuspended, ClientState::Suspended)).await
    }

    /// Answers a suspended client again. Given the id of a run that was killed, lets in again whom
    /// that stopped: its client, or the one job, person or hop of it.
    pub async fn resume_client(
        &self,
        who: &Acting<User>,
        which: &str,
    ) -> Result<ClientView, AdminError> {
        if let Ok(run) = which.parse() {
            return self.resume_behind(who, run).await;
        }
        self.move_client(who, which, (Verb::ClientResumed, ClientState::Active)).await
    }

    /// Ends a client for good; its name stays taken.
    pub async fn retire_client(
        &self,
        who: &Acting<User>,
        which: &str,
    ) -> Result<ClientView, AdminError> {
        self.move_client(who, which, (Verb::ClientRetired, ClientState::Retired)).await
    }

    async fn move_client(
        &self,
        who: &Acting<User>,
        which: &str,
        (verb, state): (Verb, ClientState),
    ) -> Result<ClientView, AdminError> {
        let (by, plane, which) = (Self::by(who), self.clone(), which.to_owned());
        self.change(who, move |step| {
            let client = find(step.world, &which)?;
            if client.state == state || client.state == ClientState::Retired {
                let message = format!("client `{}` is {}", client.name, client.state.word());
                return Err(AdminError::new(AdminKind::Conflict, message));
            }
            let client = step.save(Client { state, ..client })?;
            if state != ClientState::Active {
                close_runs(step, client.fact.id, &by)?;
            }
            let label = &client.fact.name;
            let entry = changed(verb, &by, Some(client.reference()), label);
            step.append(entry.event())?;
            Ok(plane.show(step.world).client(&client.fact))
        })
        .await
    }
}

fn close_runs(step: &mut Step<'_, '_>, client: Id<Client>, by: &UserRef) -> Result<(), Failure> {
    for run in unclosed(step, |run| run.client() == Some(client)) {
        close_tree(step, run, Closing::Killed, Some(by))?;
    }
    Ok(())
}

pub(crate) fn find(world: &World, which: &str) -> Result<Client, AdminError> {
    let by_name = which.parse::<Name>().ok().and_then(|name| world.client_named(&name));
    let by_id = || which.parse().ok().and_then(|id| world.clients.get(id));
    let found = by_name.or_else(by_id).map(|client| client.fact.clone());
    found.ok_or_else(|| AdminError::not_found("client", which, "marque client list"))
}

/// A JWK set of public keys that verify something here, as it is kept.
pub(crate) fn read_keys(text: &str) -> Result<String, AdminError> {
    let set = JwkSet::parse(text.as_bytes()).map_err(|error| AdminError::invalid(&error))?;
    if set.keys().is_empty() {
        let message = "the key set has no key that verifies ES256, RS256 or Ed25519";
        return Err(AdminError::new(AdminKind::Invalid, message)
            .hint("give public keys as `{\"keys\": […]}` (RFC 7517 section 5)"));
    }
    // A key without a name has that of its thumbprint (RFC 7638): an assertion may say which it is.
    let name = |jwk: &Jwk| {
        let key_id = jwk.key_id.clone().unwrap_or_else(|| jwk.key.thumbprint().to_owned());
        Jwk { key: jwk.key.clone(), key_id: Some(key_id) }
    };
    let named = JwkSet::new(set.keys().iter().map(name).collect());
    Ok(named.map_err(|error| AdminError::invalid(&error))?.to_json().to_string())
}

fn checked(proof: &ClientKeys) -> Result<ClientKeys, AdminError> {
    match proof {
        ClientKeys::Keys { jwks } => Ok(ClientKeys::Keys { jwks: read_keys(jwks)? }),
        ClientKeys::Certificate { .. } => Ok(proof.clone()),
        ClientKeys::CertificateOf { authority_pem, subject } => {
            marque_crypto::client_certificate::must_be_usable(authority_pem, subject)
                .map_err(|error| AdminError::invalid(&error))?;
            Ok(proof.clone())
        }
        ClientKeys::Issuer { claims, .. } => {
            if claims.is_empty() {
                let message =
                    "an issuer's tokens alone say nothing: name the claims that must hold";
                return Err(AdminError::new(AdminKind::Invalid, message).hint(
                    "for GitHub: `repository_id`, `repository_owner_id` and `job_workflow_ref`",
                ));
            }
            Ok(proof.clone())
        }
    }
}

// The keys of its issuer as they are kept.
fn with_keys(proof: ClientKeys, keys: Option<&KeysGiven>) -> ClientKeys {
    match (proof, keys) {
        (ClientKeys::Issuer { issuer, source, audience, claims, .. }, Some(keys)) => {
            let jwks = keys.jwks.clone();
            ClientKeys::Issuer { issuer, jwks, source, audience, claims }
        }
        (proof, _) => proof,
    }
}

/// How a client proves itself, as one word.
pub(crate) fn kind(proof: &ClientKeys) -> &'static str {
    match proof {
        ClientKeys::Keys { .. } => "private_key_jwt",
        ClientKeys::Certificate { .. } => "self_signed_tls_client_auth",
        ClientKeys::CertificateOf { .. } => "tls_client_auth",
        ClientKeys::Issuer { .. } => "jwt-bearer",
    }
}
