//! Stage 7, `broker`: which credential would serve? And, with a permit, the only opening of it.
//!
//! [`name`] only names the credential. [`open`] is the one function that unseals one; it takes a
//! [`Permit`], so what it opens was decided and is in the log.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marque_crypto::seal::{Binding, Sealed};
use marque_crypto::{CryptoError, Secret};
use marque_domain::{Code, Connection, Credential, FactRef, Outcome, Refusal, Revised, Slot};

use crate::lease::{Crossed, Lease};
use crate::live::{Given, LiveRun};
use crate::plane::Plane;
use crate::record::Permit;
use crate::run;
use crate::world::World;

/// The table name that sealed credentials are bound to.
pub(crate) const CREDENTIAL_TABLE: &str = "credential";

/// A credential by id and revision, still sealed.
#[derive(Clone)]
pub(crate) struct Named {
    pub(crate) credential: Arc<Revised<Credential>>,
    pub(crate) sealed: Arc<Sealed>,
}

/// An opened credential on its way into one request.
pub struct Opened {
    /// The connection the request goes over.
    pub connection: Arc<Revised<Connection>>,
    /// What to set, and where; nothing for an upstream that wants none.
    pub injection: Option<Injection>,
    /// Which revision of which credential that is.
    pub credential: Option<FactRef>,
    /// The use of it; dropping it records the act as abandoned.
    pub lease: Lease,
}

/// A header that carries the credential. Has no `Debug`: its value is the secret.
pub struct Injection {
    /// The header's name, in lower case.
    pub header: String,
    /// The header's whole value.
    pub value: Secret,
    /// The credential in it, as it was sealed.
    pub bare: Secret,
}

/// The credential that would serve a request over that connection, if it wants one.
pub(crate) fn name(world: &World, connection: &Connection) -> Result<Option<Named>, Refusal> {
    if connection.slot.is_none() {
        return Ok(None);
    }
    let named = connection.credential.and_then(|id| {
        let credential = Arc::clone(world.credentials.get(id)?);
        Some(Named { credential, sealed: Arc::clone(world.sealed(id)?) })
    });
    named.map(Some).ok_or_else(|| {
        Refusal::new(
            Code::NoCredential,
            format!("connection `{}` has no credential", connection.name),
            format!("a human can seal one: `marque connection rotate {}`", connection.name),
        )
    })
}

/// Opens the credential a permit is for, and nothing else.
#[expect(clippy::disallowed_methods, reason = "the broker is where credentials are opened")]
pub fn open(plane: &Plane, permit: Permit) -> Result<Opened, Refusal> {
    if permit.is_for_token() {
        let message = "the permit is for signing a token";
        return Err(Refusal::new(Code::NoCredential, message, "report this as a fault of Marque"));
    }
    let (connection, named, lease) = permit.redeem(plane);
    // ORDER: first whether a pause kept a kill from being heard, for what was heard has cut.
    plane.must_hear()?;
    if lease.is_cancelled() {
        // Cut since it was decided: stage 2 knows by what.
        run::stand(&plane.world(), lease.live().run, plane.now())?;
        // Or it does not yet: the log could not be written.
        return Err(Refusal::new(
            Code::RunKilled,
            format!("run `{}` was cut, and the log does not say so yet", lease.live().run),
            "open another run once the log can be written",
        ));
    }
    // Where the log cannot be written, or a commit is in doubt, nobody knows what has been ended.
    plane.must_record()?;
    let credential = named.as_ref().map(|named| named.credential.reference());
    let injection = match (&connection.fact.slot, named) {
        (Some(slot), Some(named)) => {
            let id = named.credential.fact.id.to_string();
            let binding =
                Binding { table: CREDENTIAL_TABLE, row: &id, revision: named.credential.revision };
            match marque_crypto::seal::open(plane.key_manager(), &binding, &named.sealed) {
                Ok(secret) => Some(inject(slot, &secret)),
                Err(error) => return Err(unopened(lease, &connection.fact, &error)),
            }
        }
        _ => None,
    };
    match know_given(plane, lease.live()) {
        Ok(()) => Ok(Opened { connection, injection, credential, lease }),
        // Nobody could search the answer for it.
        Err(error) => Err(unopened(lease, &connection.fact, &error)),
    }
}

// What an earlier server's permits opened is searched for in what comes back from now on.
fn know_given(plane: &Plane, live: &LiveRun) -> Result<(), CryptoError> {
    if live.given_before().len() > live.searched().len() {
        let given = live.given_before().iter().map(|given| given_again(plane, given));
        live.search(given.collect::<Result<_, _>>()?);
    }
    Ok(())
}

// A permit was given for it before, by a server that is no more.
#[expect(clippy::disallowed_methods, reason = "the broker is where credentials are opened")]
fn given_again(plane: &Plane, given: &Given) -> Result<Injection, CryptoError> {
    // What is no base64 is nothing that was sealed.
    let sealed = STANDARD.decode(&given.sealed).unwrap_or_default();
    let (sealed, id) = (Sealed::from_bytes(&sealed)?, given.credential.to_string());
    let binding = Binding { table: CREDENTIAL_TABLE, row: &id, revision: given.revision };
    let secret = marque_crypto::seal::open(plane.key_manager(), &binding, &sealed)?;
    Ok(inject(&given.slot, &secret))
}

fn unopened(lease: Lease, connection: &Connection, error: &CryptoError) -> Refusal {
    tracing::error!(%error, "a sealed credential could not be opened");
    let failed = Outcome::Failed { code: "failed.credential".to_owned() };
    lease.finish(failed, Crossed::default());
    unopenable(connection)
}

fn unopenable(connection: &Connection) -> Refusal {
    Refusal::new(
        Code::NoCredential,
        format!("the credential of `{}` cannot be opened", connection.name),
        format!("seal it again: `marque connection rotate {}`", connection.name),
    )
}

fn inject(slot: &Slot, secret: &Secret) -> Injection {
    let (header, value) = match slot {
        Slot::Bearer {} => ("authorization", [b"Bearer ".as_slice(), secret.expose()].concat()),
        Slot::Basic { user } => {
            let pair = Secret::from_vec([user.as_bytes(), b":", secret.expose()].concat());
            let encoded = Secret::from_string(STANDARD.encode(pair.expose()));
            ("authorization", [b"Basic ".as_slice(), encoded.expose()].concat())
        }
        Slot::Header { name } => (name.as_str(), secret.expose().to_vec()),
    };
    let (value, bare) = (Secret::from_vec(value), secret.duplicate());
    Injection { header: header.to_owned(), value, bare }
}
