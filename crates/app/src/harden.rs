//! What the process gives up before it touches a secret (threat 152).
//!
//! A non-dumpable process leaves no core file and lets no other process of the same user read its
//! memory or environment. Nothing here is inherited by a command that a run starts.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit};

/// For every invocation: no core file, no reading of our memory, no secret in a panic's message.
pub(crate) fn process() -> io::Result<()> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    std::panic::set_hook(Box::new(|panic| {
        // The message may hold what the code was working on; the place does not.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a defect in marque stopped this piece of work");
    }));
    Ok(())
}

/// For the server, which starts no commands: also a core limit of zero and private files, and as
/// many descriptors as the system grants: two for each connection of each run.
pub(crate) fn server() -> io::Result<()> {
    let files = rustix::process::getrlimit(Resource::Nofile);
    rustix::process::setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files })?;
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(Resource::Core, none)?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    Ok(())
}
