//! Client authentication (RFC 7523 §2.2, RFC 8705 §2): which run or registered workload asks, or
//! which resource server.
//!
//! Whoever is not known takes as long and reads the same as whoever is known and not proven: a
//! signature is verified either way.

use std::sync::Arc;

use marque_crypto::Secret;
use marque_crypto::hash::sha256;
use marque_crypto::machine;
use marque_domain::client::ClientKeys;
use marque_domain::{Client, Connection, Digest, Id, Revised, Run, Timestamp};
use marque_wire::jose::{JwkSet, NumericDate, TokenClass, Unverified};
use marque_wire::oauth::{Audience, ClientAssertion, ClientProof, ErrorCode};

use super::answer::Refused;
use super::ask::{EndpointAsk, OAuthSettings};
use super::bound::Use;
use super::decoy;
use super::proof::thumbprint;
use crate::caller::{self, Presented};
use crate::draft::Known;
use crate::live::LiveRun;
use crate::plane::Plane;
use crate::world::World;

/// Who asks.
pub(super) enum Asker {
    /// A run, by its own key, its socket or its door.
    Run(Arc<LiveRun>),
    /// A registered workload.
    Client(Arc<Revised<Client>>),
    /// A resource server: it asks about tokens and never for one.
    Resource(Arc<Revised<Connection>>),
}

/// Who asks, and what proved it.
pub(super) struct Authenticated {
    pub(super) asker: Asker,
    pub(super) client_id: String,
    pub(super) uses: Option<Use>,
    /// The assertion of its own that proved it, by its hash, and its use.
    pub(super) assertion: Option<(Digest, Use)>,
}

impl Authenticated {
    /// Who that is, for the log.
    pub(super) fn known(&self, world: &World) -> Option<Known> {
        match &self.asker {
            Asker::Run(live) => world.runs.get(live.run).cloned().map(Known::Run),
            Asker::Client(client) => Some(Known::Client(Arc::clone(client))),
            Asker::Resource(connection) => Some(Known::Resource(Arc::clone(connection))),
        }
    }
}

/// Whom a client id names.
enum Named {
    Run(Id<Run>),
    Client(Arc<Revised<Client>>),
    Resource(Arc<Revised<Connection>>),
}

/// How a client proves itself.
pub(super) struct Credentials<'a> {
    pub(super) client_id: Option<&'a str>,
    pub(super) proof: &'a ClientProof,
    pub(super) ask: &'a EndpointAsk,
}

impl Plane {
    /// Whose request this is.
    pub(super) fn authenticate(
        &self,
        settings: &OAuthSettings,
        credentials: &Credentials<'_>,
    ) -> Result<Authenticated, Refused> {
        let world = self.world();
        let ask = credentials.ask;
        // One way, and one alone (RFC 6749 §2.3).
        match (&ask.presented, credentials.proof, &ask.basic) {
            (Presented::Nothing, ClientProof::Assertion(assertion), None) => {
                self.by_assertion((&world, settings), credentials.client_id, assertion)
            }
            (Presented::Nothing, ClientProof::Secret(secret), None) => {
                let client_id = credentials.client_id.ok_or_else(unproven)?;
                self.by_secret(&world, client_id, secret)
            }
            (Presented::Nothing, ClientProof::None, Some((client_id, secret))) => {
                self.by_secret(&world, client_id, secret)
            }
            (Presented::Nothing, ClientProof::None, None) => {
                let certificate = ask.certificate.as_deref().ok_or_else(unproven)?;
                let client_id = credentials.client_id.ok_or_else(unproven)?;
                by_certificate(&world, client_id, (certificate, self.now()))
            }
            (Presented::Nothing, ..) => Err(unproven()),
            (presented, ClientProof::None, None) => {
                let live = caller::prove(&world, self.machine_key(), presented);
                let live = live.map_err(|_| unproven())?;
                let client_id = live.run.to_string();
                let asker = Asker::Run(live);
                Ok(Authenticated { asker, client_id, uses: None, assertion: None })
            }
            _ => Err(unproven()),
        }
    }

    fn by_assertion(
        &self,
        (world, settings): (&World, &OAuthSettings),
        client_id: Option<&str>,
        assertion: &Secret,
    ) -> Result<Authenticated, Refused> {
        let now = self.now();
        let read = Unverified::parse(TokenClass::ClientAssertion, assertion.expose());
        let unverified = read.map_err(|_| unproven())?;
        let claimed = unverified.claimed_issuer().map_err(|_| unproven())?;
        if client_id.is_some_and(|named| named != claimed) {
            return Err(unproven());
        }
        let named = named(world, &claimed);
        let keys = named.as_ref().and_then(|named| named.keys(world));
        let found = keys.and_then(|keys| keys.find(unverified.key_id(), unverified.algorithm()));
        let Some(key) = found else {
            decoy::verify(unverified);
            return Err(unproven());
        };
        let verified = unverified.verify(key).map_err(|_| unproven())?;
        let named = named.ok_or_else(unproven)?;
        let endpoint = settings.endpoint("token");
        let audience = match &named {
            Named::Client(client)
                if client.fact.endpoint_audience_until.is_some_and(|until| now < until) =>
            {
                Audience::IssuerOrEndpoint(&settings.issuer, &endpoint)
            }
            _ => Audience::Issuer(&settings.issuer),
        };
        let read = ClientAssertion::read(verified, &claimed, audience, NumericDate::of(now));
        let held = read.map_err(|_| unproven())?;
        let uses = Use::of("assertion", &claimed, &held.jti, held.exp.timestamp());
        let asker = named.asker(world).ok_or_else(unproven)?;
        let assertion = Some((sha256(assertion.expose()), uses));
        Ok(Authenticated { asker, client_id: claimed, uses: Some(uses), assertion })
    }

    // Random, so a keyed hash finds it (DESIGN.md §15). Of resource servers alone.
    fn by_secret(
        &self,
        world: &World,
        client_id: &str,
        secret: &Secret,
    ) -> Result<Authenticated, Refused> {
        let hash = machine::hash(self.machine_key(), secret.expose());
        match named(world, client_id) {
            Some(Named::Resource(connection))
                if connection.fact.is_live() && secret_of(&connection) == Some(hash) =>
            {
                let (asker, client_id) = (Asker::Resource(connection), client_id.to_owned());
                Ok(Authenticated { asker, client_id, uses: None, assertion: None })
            }
            _ => Err(unproven()),
        }
    }
}

fn secret_of(connection: &Revised<Connection>) -> Option<Digest> {
    connection.fact.tokens.as_ref().and_then(|target| target.secret)
}

fn by_certificate(
    world: &World,
    client_id: &str,
    (certificate, now): (&[u8], Timestamp),
) -> Result<Authenticated, Refused> {
    let shown = Digest::from_bytes(*thumbprint(certificate).as_bytes());
    let Some(Named::Client(client)) = named(world, client_id) else { return Err(unproven()) };
    let is_proven = match &client.fact.proof {
        ClientKeys::Certificate { thumbprint } => *thumbprint == shown,
        ClientKeys::CertificateOf { authority_pem, subject } => {
            marque_crypto::client_certificate::is_of(certificate, (authority_pem, subject), now)
        }
        ClientKeys::Keys { .. } | ClientKeys::Issuer { .. } => false,
    };
    if !is_proven || !client.fact.is_active() {
        return Err(unproven());
    }
    let (asker, client_id) = (Asker::Client(client), client_id.to_owned());
    Ok(Authenticated { asker, client_id, uses: None, assertion: None })
}

fn named(world: &World, client_id: &str) -> Option<Named> {
    if let Ok(run) = client_id.parse() {
        return Some(Named::Run(run));
    }
    if let Ok(client) = client_id.parse() {
        return world.clients.get(client).cloned().map(Named::Client);
    }
    let connection = client_id.parse().ok().and_then(|id| world.connections.get(id))?;
    Some(Named::Resource(Arc::clone(connection)))
}

impl Named {
    fn keys<'a>(&self, world: &'a World) -> Option<&'a Arc<JwkSet>> {
        match self {
            Self::Run(run) => world.tokens.keys_of_run(*run),
            Self::Client(client) => match client.fact.proof {
                ClientKeys::Keys { .. } => world.tokens.keys_of_client(client.fact.id),
                // Its keys are another issuer's: they sign no assertions of the client.
                _ => None,
            },
            Self::Resource(connection) => world.tokens.keys_of_resource(connection.fact.id),
        }
    }

    fn asker(self, world: &World) -> Option<Asker> {
        match self {
            Self::Run(run) => world.live(run).cloned().map(Asker::Run),
            Self::Client(client) if client.fact.is_active() => Some(Asker::Client(client)),
            Self::Resource(connection) if connection.fact.is_live() => {
                Some(Asker::Resource(connection))
            }
            Self::Client(_) | Self::Resource(_) => None,
        }
    }
}

/// One answer for whoever is unknown, not proven, stopped or gone.
pub(super) fn unproven() -> Refused {
    Refused::of(ErrorCode::InvalidClient, "the client is not known or not proven")
}
