//! Two permits where one was given.

use marque_plane::{Permit, Plane, broker};

/// One act, twice.
pub fn act(plane: &Plane, permit: Permit) {
    let _first = broker::open(plane, permit.clone());
    let _second = broker::open(plane, permit);
}
