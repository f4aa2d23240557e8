//! What bounds the namespaces that processes inside may make, where they may make any.
//!
//! The kernel counts those of a user namespace and of all below it (namespaces(7)), and what was
//! written here cannot be lifted from below.

use std::io;
use std::path::Path;

use super::{During as _, Trouble};

/// The bounds of whichever user namespace a process is in.
const BOUNDS: &str = "/proc/sys/user";
/// Most of each kind at once. Those the run itself is in count among them.
const MOST: [(&str, u32); 8] = [
    ("max_user_namespaces", 256),
    ("max_mnt_namespaces", 256),
    ("max_net_namespaces", 256),
    ("max_pid_namespaces", 256),
    ("max_ipc_namespaces", 256),
    ("max_uts_namespaces", 256),
    // Whoever makes one could mount the run's own cgroup, and lift its bound.
    ("max_cgroup_namespaces", 0),
    ("max_time_namespaces", 0),
];

/// Bounds them, for good. Done before it is known whether the run may make any.
pub(super) fn bound() -> io::Result<()> {
    let bounds = Path::new(BOUNDS);
    MOST.iter().try_for_each(|(kind, most)| std::fs::write(bounds.join(kind), most.to_string()))
}

/// Fails if they are not bounded.
pub(super) fn must_be_bounded() -> Result<(), Trouble> {
    let step = "bound the user namespaces it may make";
    for (kind, most) in MOST {
        let found = std::fs::read_to_string(Path::new(BOUNDS).join(kind)).during(step)?;
        let is_bounded = found.trim().parse().is_ok_and(|found: u32| found <= most);
        is_bounded.then_some(()).ok_or(format!("{kind} is {}", found.trim())).during(step)?;
    }
    Ok(())
}
