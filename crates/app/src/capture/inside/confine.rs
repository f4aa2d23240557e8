//! `marque-confine`: gives up every power, fences itself in, and becomes the command.
//!
//! Without a command it says whether the kernel lets it, and ends.

use std::ffi::OsString;
use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, set_capabilities,
    set_no_new_privs,
};

use super::exec::say;
use super::fence::{self, Rules};
use super::{During as _, Trouble, enter, filter, powers};

/// Most bytes of the rules.
const RULES_MAX_BYTES: u64 = 8 * 1024 * 1024;

pub(super) fn confine(mut words: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(rules) = words.next() else { return ExitCode::FAILURE };
    if let Err(Trouble { step, why, .. }) = prepare(Path::new(&rules)) {
        say(&format!("error: cannot {step}: {why}; nothing was started"));
        return ExitCode::from(126);
    }
    let Some(program) = words.next() else { return ExitCode::SUCCESS };
    let error = Command::new(&program).args(words).exec();
    say(&format!("error: cannot start `{}`: {error}", program.to_string_lossy()));
    // As POSIX shells have it (XCU 2.8.2).
    ExitCode::from(if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 })
}

// ORDER: the filter last, for it would refuse what comes before it.
fn prepare(rules: &Path) -> Result<(), Trouble> {
    enter::let_go_of_the_rest().during("let go of what was left open")?;
    let rules = read(rules).during("read what the run may open")?;
    give_up().during("give up capabilities")?;
    fence::apply(&rules)?;
    filter::apply(false)?;
    filter::apply_confined()
}

fn read(path: &Path) -> io::Result<Rules> {
    let mut text = Vec::new();
    std::fs::File::open(path)?.take(RULES_MAX_BYTES).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

/// Gives up every capability. Who has none cannot empty the bounding set, and needs not: no program
/// that is started gives anything any more.
fn give_up() -> io::Result<()> {
    if capabilities(None)?.permitted.contains(CapabilitySet::SETPCAP) {
        return powers::give_up();
    }
    set_no_new_privs(true)?;
    clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    let left = capabilities(None)?;
    if (left.effective | left.permitted | left.inheritable).is_empty() {
        return Ok(());
    }
    Err(io::Error::other("the kernel left a capability"))
}
