//! Where a captured run finds what Marque gives it.

/// The run's own directory, read-only for it.
pub(crate) const OWN: &str = "/run/marque";
/// Its socket, the only one of Marque's that it sees.
pub(crate) const CONTROL: &str = "/run/marque/marque.sock";
/// The socket at which child runs are asked for; the launcher answers there.
pub(crate) const LAUNCHER: &str = "/run/marque/launch.sock";
/// The certificates it trusts.
pub(crate) const BUNDLE: &str = "/run/marque/ca.pem";
/// What it may write there.
pub(crate) const SCRATCH: &str = "/run/marque/scratch";
/// Where it finds this program.
pub(crate) const PROGRAMS: &str = "/run/marque/bin";
