//! Loading: the world of a store, all of one snapshot.

use std::cell::RefCell;
use std::sync::Arc;

use marque_crypto::seal::Sealed;
use marque_domain::{Revised, Run};
use marque_store::{Store, StoreError, Tx};
use marque_tlog::Frontier;

use super::{StartError, StoredHashes};
use crate::live::Kin;
use crate::log_key::KeyRecords;
use crate::sequence::Beginning;
use crate::told::Kept;
use crate::world::{MeterKey, Policies, Shelved, World};

pub(super) fn load(
    store: &Store,
    policies: Arc<Policies>,
    kin: &Kin,
) -> Result<Beginning, StartError> {
    let loaded = store.read("start", |tx| {
        let mut world = World::empty(Arc::clone(&policies));
        put_all::<marque_domain::User>(tx, &mut world)?;
        put_all::<marque_domain::Agent>(tx, &mut world)?;
        put_all::<marque_domain::AgentVersion>(tx, &mut world)?;
        put_all::<marque_domain::Connection>(tx, &mut world)?;
        put_all::<marque_domain::Credential>(tx, &mut world)?;
        put_all::<marque_domain::Grant>(tx, &mut world)?;
        put_all::<Run>(tx, &mut world)?;
        put_all::<marque_domain::Approval>(tx, &mut world)?;
        put_all::<marque_domain::Client>(tx, &mut world)?;
        put_all::<marque_domain::TrustedIssuer>(tx, &mut world)?;
        put_all::<marque_domain::IssuerKeys>(tx, &mut world)?;
        let (sealed, meters) = (tx.all_sealed()?, tx.meters()?);
        let told = tx.last_told()?;
        let kept = tx.all_kept()?;
        remember_closed(tx, &mut world, &kept)?;
        world.log_key = KeyRecords::read(tx)?.in_force();
        let size = tx.log_size()?;
        let head = Frontier::restore(size, &StoredHashes(RefCell::new(tx)));
        Ok((world, sealed, (meters, kept), head, told))
    })?;
    let (mut world, sealed, (meters, kept), head, told) = loaded;
    for (key, meter) in meters {
        let of_whom = MeterKey::of_kept(&key)
            .ok_or_else(|| StartError::Damaged(format!("nobody has the meter `{key}`")))?;
        world.set_meter(of_whom, meter);
    }
    // Where servers share the store, this has every meter, those above too.
    for (key, body) in kept {
        match world.keep(&key, Some(&body), kin) {
            // Nobody else serves it: the run is closed, and the start goes on.
            Err(error) if kin.replica.is_empty() => {
                tracing::warn!(key, %error, "what an earlier server kept is of no use");
            }
            done => done?,
        }
    }
    for one in sealed {
        let bytes = Sealed::from_bytes(&one.bytes)
            .map_err(|error| StartError::Damaged(format!("{}: {error}", one.credential)))?;
        if world.credentials.revision(one.credential) == one.revision {
            world.seal(one.credential, Arc::new(bytes));
        }
    }
    let head = head.map_err(|error| StartError::Damaged(error.0))?;
    Ok(Beginning { world, head, told })
}

// A run that was closed a while ago has a living side until it is forgotten, so that its refusals
// can say why.
fn remember_closed(
    tx: &mut Tx<'_>,
    world: &mut World,
    kept: &[(String, String)],
) -> Result<(), StoreError> {
    for (key, _) in kept {
        if let Ok(Kept::Live(run)) = key.parse()
            && world.runs.get(run).is_none()
            && let Some(closed) = tx.get(run)?
        {
            Run::place(world, Arc::new(closed));
        }
    }
    Ok(())
}

fn put_all<T: Shelved>(tx: &mut Tx<'_>, world: &mut World) -> Result<(), StoreError> {
    for revised in tx.all::<T>()? {
        let revised: Revised<T> = revised;
        T::place(world, Arc::new(revised));
    }
    Ok(())
}
