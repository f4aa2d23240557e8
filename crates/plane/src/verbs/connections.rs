//! Connections: registering upstreams, sealing and rotating what stands behind them.

use std::sync::Arc;

use marque_crypto::Secret;
use marque_crypto::seal::{self, Binding};
use marque_domain::connection::ConnectionState;
use marque_domain::permission::Registered;
use marque_domain::{
    Answers, Authority, Connection, Credential, Endpoint, Id, Permission, Service, Slot, Transport,
    User, UserRef, Verb,
};
use marque_wire::host::Authority as HostAndPort;
use marque_wire::http1::hop::HELD_BACK;

use super::{Detailed, changed, limits, targets};
use crate::broker::CREDENTIAL_TABLE;
use crate::caller::Acting;
use crate::error::{AdminError, AdminKind};
use crate::plane::Plane;
use crate::spec::ConnectionSpec;
use crate::step::Step;
use crate::view::ConnectionView;
use crate::world::World;

const MAX_HOSTS: usize = 32;
const MAX_SECRET_BYTES: usize = 16 * 1_024;

impl Plane {
    /// Registers a connection and seals its secret.
    pub async fn add_connection(
        &self,
        who: &Acting<User>,
        spec: ConnectionSpec,
        secret: Option<Secret>,
    ) -> Result<ConnectionView, AdminError> {
        let (by, plane) = (Self::by(who), self.clone());
        must_fit(&spec, secret.as_ref())?;
        let draft = self.draft_connection(&spec, &by)?;
        let made = self.target_of(&spec).await?;
        let made = made.map(Arc::new);
        let secret = secret.map(Arc::new);
        self.change(who, move |step| {
            let mut connection = Connection { id: step.id(), added_at: step.now, ..draft.clone() };
            connection.ceiling = read_ceiling(&spec.ceiling, &connection.registered())?;
            if step.world.connection_named(&connection.name).is_some() {
                return Err(taken(&connection));
            }
            if let Some(made) = &made {
                connection.tokens = Some(Box::new(made.for_connection(step, &connection)?));
            }
            step.tx.take_name(connection.name.as_str(), connection.id)?;
            if let Some(secret) = &secret {
                let credential = Credential {
                    id: step.id(),
                    connection: connection.id,
                    sealed_by: by.id,
                    sealed_at: step.now,
                };
                connection.credential = Some(plane.seal(step, credential, secret)?);
            }
            let connection = step.save(connection)?;
            let label = &connection.fact.name;
            let entry = changed(Verb::ConnectionAdded, &by, Some(connection.reference()), label);
            let entry = entry.detail("hosts", hosts(&connection.fact));
            let entry = targets::told(entry, connection.fact.tokens.as_deref());
            step.append(entry.limited(&connection.fact.limits).event())?;
            let mut view = plane.show(step.world).connection(&connection.fact);
            if let (Some(view), Some(made)) = (&mut view.tokens, &made) {
                view.secret = made.secret.as_ref().map(|secret| secret.to_string());
            }
            Ok(view)
        })
        .await
    }

    /// Every connection, by name.
    pub fn connections(&self, _who: &Acting<User>) -> Result<Vec<ConnectionView>, AdminError> {
        let world = self.world();
        let mut connections: Vec<_> = world
            .connections
            .all()
            .map(|connection| self.show(&world).connection(&connection.fact))
            .collect();
        connections.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(connections)
    }

    /// One connection, by name or id.
    pub fn connection(
        &self,
        _who: &Acting<User>,
        which: &str,
    ) -> Result<ConnectionView, AdminError> {
        let world = self.world();
        find_connection(&world, which).map(|connection| self.show(&world).connection(&connection))
    }

    /// Replaces what stands behind a connection; the old sealed bytes are shredded.
    pub async fn rotate_connection(
        &self,
        who: &Acting<User>,
        which: &str,
        secret: Secret,
    ) -> Result<ConnectionView, AdminError> {
        must_be_sendable(&secret)?;
        let (by, plane, which) = (Self::by(who), self.clone(), which.to_owned());
        let secret = Arc::new(secret);
        self.change(who, move |step| {
            let connection = find_connection(step.world, &which)?;
            if !connection.is_live() || connection.slot.is_none() {
                let message = format!("connection `{}` takes no credential", connection.name);
                return Err(AdminError::new(AdminKind::Conflict, message));
            }
            let credential = Credential {
                id: connection.credential.unwrap_or_else(|| step.id()),
                connection: connection.id,
                sealed_by: by.id,
                sealed_at: step.now,
            };
            let id = plane.seal(step, credential, &secret)?;
            let connection = step.save(Connection { credential: Some(id), ..connection })?;
            let label = &connection.fact.name;
            let entry = changed(Verb::ConnectionRotated, &by, Some(connection.reference()), label);
            step.append(entry.detail("credential", id).event())?;
            Ok(plane.show(step.world).connection(&connection.fact))
        })
        .await
    }

    /// Takes a connection out of service and shreds its credential.
    pub async fn remove_connection(
        &self,
        who: &Acting<User>,
        which: &str,
    ) -> Result<ConnectionView, AdminError> {
        let (by, plane, which) = (Self::by(who), self.clone(), which.to_owned());
        self.change(who, move |step| {
            let connection = find_connection(step.world, &which)?;
            let credential = connection.credential;
            let removed =
                connection.remove(by.id, step.now).map_err(|error| AdminError::conflict(&error))?;
            if let Some(credential) = credential {
                step.tx.shred_sealed(credential)?;
                step.seal(credential, None);
            }
            let connection = step.save(removed)?;
            let label = &connection.fact.name;
            let entry = changed(Verb::ConnectionRemoved, &by, Some(connection.reference()), label);
            step.append(entry.event())?;
            Ok(plane.show(step.world).connection(&connection.fact))
        })
        .await
    }

    // Seals a secret as the next revision of a credential, bound to exactly that revision.
    fn seal(
        &self,
        step: &mut Step<'_, '_>,
        credential: Credential,
        secret: &Secret,
    ) -> Result<Id<Credential>, AdminError> {
        let id = credential.id;
        let credential = step.save(credential)?;
        let row = id.to_string();
        let binding = Binding { table: CREDENTIAL_TABLE, row: &row, revision: credential.revision };
        let sealed = seal::seal(self.key_manager(), self.random(), &binding, secret)
            .map_err(|error| AdminError::invalid(&error))?;
        step.tx.shred_sealed(id)?;
        step.tx.put_sealed(&marque_store::Sealed {
            credential: id,
            revision: credential.revision,
            bytes: sealed.to_bytes(),
        })?;
        step.seal(id, Some(Arc::new(sealed)));
        Ok(id)
    }

    // Everything of a connection but its id, its ceiling and its credential.
    fn draft_connection(
        &self,
        spec: &ConnectionSpec,
        by: &UserRef,
    ) -> Result<Connection, AdminError> {
        let transport = match (&spec.authority_pem, spec.plain_http) {
            (Some(_), true) => {
                let message = "a plain connection has no certificate authority: drop one of them";
                return Err(AdminError::new(AdminKind::Invalid, message));
            }
            (Some(pem), false) => Transport::TlsWithAuthority { pem: pem.clone() },
            (None, true) => Transport::Plain,
            (None, false) => Transport::Tls,
        };
        let port = if spec.plain_http { 80 } else { 443 };
        let endpoint = |host: &String| {
            let parsed = HostAndPort::parse_or(host, port);
            let parsed = parsed.map_err(|error| AdminError::invalid(&error))?;
            Ok(Endpoint { host: parsed.host.to_string(), port: parsed.port })
        };
        let hosts = match targets::host_of(spec)? {
            Some(host) => vec![host],
            None => spec.hosts.iter().map(endpoint).collect::<Result<_, AdminError>>()?,
        };
        Ok(Connection {
            id: self.id(),
            name: spec.name.clone(),
            service: spec.service,
            hosts,
            pin: spec.pin,
            transport,
            slot: spec.slot.clone(),
            credential: None,
            ceiling: Authority::default(),
            limits: spec.limits,
            trust_floor: spec.trust_floor,
            rotation: spec.rotation.clone(),
            answers: spec.answers.clone(),
            tokens: None,
            never_holds: spec.never_holds.clone(),
            added_by: by.id,
            added_at: self.now(),
            state: ConnectionState::Live,
        })
    }
}

fn must_fit(spec: &ConnectionSpec, secret: Option<&Secret>) -> Result<(), AdminError> {
    let invalid = |message: &str| Err(AdminError::new(AdminKind::Invalid, message));
    if spec.service == Service::Net
        && (spec.slot.is_some() || spec.plain_http || spec.authority_pem.is_some())
    {
        return invalid(
            "an opaque connection passes the TLS of its clients on: it has no credential, no \
             authority and no plain http",
        );
    }
    targets::must_fit(spec)?;
    let is_resource = spec.service == Service::Resource;
    if !is_resource && (spec.hosts.is_empty() || spec.hosts.len() > MAX_HOSTS) {
        return invalid("a connection serves 1 to 32 hosts");
    }
    limits::must_make_sense(&spec.limits)?;
    if spec.trust_floor > 100 {
        return invalid("a trust floor is 0 to 100");
    }
    match (&spec.slot, secret) {
        (Some(_), None) => return invalid("a slot needs a secret to put there"),
        (None, Some(_)) => return invalid("a secret needs a slot to go to"),
        _ => {}
    }
    if let Some(Slot::Header { name }) = &spec.slot {
        must_be_header(name)?;
    }
    if let Some(Slot::Basic { user }) = &spec.slot
        && (user.contains(':') || user.chars().any(char::is_control))
    {
        return invalid("a user name for basic authentication has no colon (RFC 7617 §2)");
    }
    must_be_passable(&spec.answers)?;
    secret.map_or(Ok(()), must_be_sendable)
}

// A name that is never dropped would read as if it were held back elsewhere.
fn must_be_passable(answers: &Answers) -> Result<(), AdminError> {
    let unknown = answers.passes.iter().find(|name| !HELD_BACK.contains(&name.as_str()));
    unknown.map_or(Ok(()), |name| {
        let message = format!("`{name}` is not a field that answers lose");
        Err(AdminError::new(AdminKind::Invalid, message)
            .hint(format!("only these are held back: {}", HELD_BACK.join(", "))))
    })
}

// RFC 9110 §5.6.2 token, lower case, and none that frames or routes a message.
fn must_be_header(name: &str) -> Result<(), AdminError> {
    let is_token = !name.is_empty()
        && name.len() <= 64
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-".contains(&byte));
    let frames = ["host", "connection", "content-length", "transfer-encoding", "te", "upgrade"];
    if is_token && !frames.contains(&name) {
        return Ok(());
    }
    let message = format!("`{name}` cannot carry a credential: write a header name in lower case");
    Err(AdminError::new(AdminKind::Invalid, message))
}

// A secret that could end a header would let whoever chose it write the rest of the request.
fn must_be_sendable(secret: &Secret) -> Result<(), AdminError> {
    let bytes = secret.expose();
    if bytes.is_empty() || bytes.len() > MAX_SECRET_BYTES {
        return Err(AdminError::new(AdminKind::Invalid, "a secret has 1 to 16384 bytes"));
    }
    if bytes.iter().any(u8::is_ascii_control) {
        let message = "the secret holds a line break or another control character";
        return Err(AdminError::new(AdminKind::Invalid, message)
            .hint("a line break at its end often comes from an editor: `printf %s` writes none"));
    }
    Ok(())
}

// Ceilings are written without the connection's name: it is its own.
fn read_ceiling(lines: &[String], registered: &Registered) -> Result<Authority, AdminError> {
    if lines.is_empty() {
        let everything = Permission::everything(registered);
        let allow = everything.map_err(|error| AdminError::invalid(&error))?;
        return Ok(Authority { allow: allow.into_iter().collect(), ..Authority::default() });
    }
    let mut allow = Vec::new();
    for line in lines {
        let line = format!("{}:{line}", registered.name);
        let parsed = Permission::parse(&line, |_| Some(registered.clone()));
        allow.extend(parsed.map_err(|error| AdminError::invalid(&error))?);
    }
    let ceiling = Authority { allow: allow.into_iter().collect(), ..Authority::default() };
    Ok(ceiling.normal())
}

fn taken(connection: &Connection) -> AdminError {
    let message = format!("the name `{}` is taken, perhaps by a removed one", connection.name);
    AdminError::new(AdminKind::Conflict, message).hint("choose another name")
}

fn hosts(connection: &Connection) -> String {
    connection.hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// A connection by name or id.
pub(crate) fn find_connection(world: &World, which: &str) -> Result<Connection, AdminError> {
    let by_name = which.parse().ok().and_then(|name| world.connection_named(&name));
    let found = by_name.or_else(|| world.connections.get(which.parse().ok()?));
    let connection = found.map(|connection| connection.fact.clone());
    connection.ok_or_else(|| AdminError::not_found("connection", which, "marque connection list"))
}
