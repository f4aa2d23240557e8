//! A credential opened because a decision is known.

use marque_plane::{Permit, Plane, broker};

/// One act, by the name of its permit.
pub fn act(plane: &Plane, permit: Permit) {
    let _opened = broker::open(plane, permit.decision());
}
