//! `marque-probe`: does one thing that a captured run is made of, says how it went, and is gone.

use std::ffi::OsString;
use std::process::{ExitCode, Stdio};

use nix::sched::{CloneFlags, unshare};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};

use super::super::kernel::Need;
use super::exec::say;
use super::{During as _, Part, Trouble, network, powers};

/// Said to the one that is started in namespaces of its own.
const INSIDE: &str = "inside";
/// Where it mounts, which nobody else sees.
const AT: &str = "/tmp";

pub(super) fn probe(mut words: impl Iterator<Item = OsString>) -> ExitCode {
    let word = words.next().unwrap_or_default();
    let need = Need::ALL.into_iter().find(|need| word == need.word());
    let tried = match need {
        Some(need) => tries(need),
        None if word == INSIDE => own_processes(),
        None => return ExitCode::FAILURE,
    };
    match tried {
        Ok(()) => ExitCode::SUCCESS,
        Err(Trouble { step, why, .. }) => {
            say(&if step.is_empty() { why } else { format!("cannot {step}: {why}") });
            ExitCode::FAILURE
        }
    }
}

fn tries(need: Need) -> Result<(), Trouble> {
    match need {
        Need::Namespaces => {
            let others = CloneFlags::CLONE_NEWNET
                | CloneFlags::CLONE_NEWPID
                | CloneFlags::CLONE_NEWIPC
                | CloneFlags::CLONE_NEWUTS;
            enter(CloneFlags::CLONE_NEWNS | others)
        }
        Need::Mounts => memory(),
        Need::Network => {
            enter(CloneFlags::CLONE_NEWNET)?;
            network::capture_everything().during("lead every address to the loopback")
        }
        Need::Layers => layers(),
        Need::Processes => processes(),
    }
}

fn enter(others: CloneFlags) -> Result<(), Trouble> {
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    unshare(CloneFlags::CLONE_NEWUSER | others).during("make namespaces")?;
    std::fs::write("/proc/self/setgroups", "deny").during("give up groups")?;
    let (user, group) = (user.as_raw(), group.as_raw());
    std::fs::write("/proc/self/uid_map", format!("{user} {user} 1")).during("map the user")?;
    std::fs::write("/proc/self/gid_map", format!("{group} {group} 1")).during("map the group")
}

fn part_with_mounts() -> Result<(), Trouble> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).during("part with the mounts outside")
}

fn memory() -> Result<(), Trouble> {
    enter(CloneFlags::CLONE_NEWNS)?;
    part_with_mounts()?;
    mount("marque", AT, "tmpfs", MountFlags::NOSUID, c"mode=700").during("mount memory")
}

fn layers() -> Result<(), Trouble> {
    memory()?;
    for name in ["low", "high", "work", "seen"] {
        std::fs::create_dir(format!("{AT}/{name}")).during("make a directory in memory")?;
    }
    let options = c"userxattr,lowerdir=/tmp/low,upperdir=/tmp/high,workdir=/tmp/work";
    let seen = format!("{AT}/seen");
    mount("marque", seen.as_str(), "overlay", MountFlags::NOSUID, options).during("lay a layer")
}

fn processes() -> Result<(), Trouble> {
    enter(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID)?;
    powers::keep_through_start().during("keep capabilities for the first process")?;
    let mut first = Part::Probe.command();
    first.arg(INSIDE).env_clear().stdin(Stdio::null());
    let output = first.output().during("start a first process")?;
    if output.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Trouble { step: String::new(), why, code: None })
}

// A container that hides parts of its own `/proc` may not show another.
fn own_processes() -> Result<(), Trouble> {
    part_with_mounts()?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("marque", "/proc", "proc", flags, None).during("show the run's own processes")
}
