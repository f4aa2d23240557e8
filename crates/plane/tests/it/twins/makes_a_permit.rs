//! A permit made of a permit's parts.

use marque_plane::Permit;

/// One act, by two permits.
pub fn act(permit: Permit) -> Permit {
    Permit { decision: permit.decision(), ..permit }
}
