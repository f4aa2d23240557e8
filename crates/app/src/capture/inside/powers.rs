//! Capabilities: kept by the first process inside, and none of them left to the command.
//!
//! What the first process starts is always `marque-exec`, which needs them to give them up for
//! good.

use std::io;

use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, capabilities,
    capability_is_in_ambient_set, capability_is_in_bounding_set, clear_ambient_capability_set,
    configure_capability_in_ambient_set, no_new_privs, remove_capability_from_bounding_set,
    set_capabilities, set_capabilities_secure_bits, set_no_new_privs,
};

/// Capabilities have numbers below this (capabilities(7); Linux 6.18 knows 41).
const NUMBERS: std::ops::Range<u32> = 0..64;

/// Passes what this process may on to the program it starts next.
pub(super) fn keep_through_start() -> io::Result<()> {
    let now = capabilities(None)?;
    let kept = now.permitted;
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: kept })?;
    each(kept).try_for_each(|one| Ok(configure_capability_in_ambient_set(one, true)?))
}

/// Gives up every capability for good, and any way to get one by starting a program; fails if one
/// is left.
pub(super) fn give_up() -> io::Result<()> {
    set_no_new_privs(true)?;
    // For a user who is root: starting a program gives root nothing any more.
    let bits = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_SETUID_FIXUP
        | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
    set_capabilities_secure_bits(bits)?;
    for number in NUMBERS {
        let one = CapabilitySet::from_bits_retain(1 << number);
        if capability_is_in_bounding_set(one).unwrap_or(false) {
            remove_capability_from_bounding_set(one)?;
        }
    }
    clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    must_be_gone()
}

fn must_be_gone() -> io::Result<()> {
    let now = capabilities(None)?;
    let held = now.effective | now.permitted | now.inheritable;
    let is_left = NUMBERS.into_iter().any(|number| {
        let one = CapabilitySet::from_bits_retain(1 << number);
        capability_is_in_bounding_set(one).unwrap_or(false)
            || capability_is_in_ambient_set(one).unwrap_or(false)
    });
    if is_left || !held.is_empty() || !no_new_privs()? {
        return Err(io::Error::other("the kernel left a capability"));
    }
    Ok(())
}

fn each(set: CapabilitySet) -> impl Iterator<Item = CapabilitySet> {
    NUMBERS
        .map(|number| CapabilitySet::from_bits_retain(1 << number))
        .filter(move |one| set.contains(*one))
}
