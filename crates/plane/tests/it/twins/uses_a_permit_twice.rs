//! One permit for two acts.

use marque_plane::{Permit, Plane, broker};

/// One act, twice.
pub fn act(plane: &Plane, permit: Permit) {
    let _first = broker::open(plane, permit);
    let _second = broker::open(plane, permit);
}
