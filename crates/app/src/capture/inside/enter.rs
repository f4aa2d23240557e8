//! `marque-enter`: makes the namespaces, starts the first process in them, and is gone.
//!
//! The user inside is the user outside. Its powers over the new namespaces survive the start of
//! that process only as ambient capabilities (capabilities(7)).

use std::io;
use std::os::fd::AsFd as _;
use std::process::{ExitCode, Stdio};

use nix::sched::{CloneFlags, unshare};

use super::super::channel::Channel;
use super::super::message::FromInside;
use super::{During as _, Part, Trouble, nesting, powers};

pub(super) fn enter() -> ExitCode {
    if let_go_of_the_rest().is_err() {
        return ExitCode::FAILURE;
    }
    let Ok(end) = io::stdin().as_fd().try_clone_to_owned() else { return ExitCode::FAILURE };
    let channel = Channel::of(end);
    let (said, exit) = match make() {
        Ok(first) => (FromInside::Entered(first), ExitCode::SUCCESS),
        Err(Trouble { step, why, code }) => {
            (FromInside::Failed { step, why, code }, ExitCode::FAILURE)
        }
    };
    let _told = channel.send(&said, &[]);
    exit
}

// What a shell or an editor left open for `marque run` is none of the run's. Only the standard
// streams are ours, and of those only the channel is used.
pub(super) fn let_go_of_the_rest() -> io::Result<()> {
    let open = std::fs::read_dir("/proc/self/fd")?;
    let numbers =
        open.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    // ORDER: the list is read to its end first, for reading it takes a descriptor of its own.
    for number in numbers.filter(|number| *number > 2).collect::<Vec<_>>() {
        let _closed = nix::unistd::close(number);
    }
    Ok(())
}

/// The first process inside, as it is numbered outside.
fn make() -> Result<i32, Trouble> {
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    let all = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    unshare(all).during("make namespaces")?;
    // user_namespaces(7): a process without privilege gives up setgroups(2) before it maps a group.
    std::fs::write("/proc/self/setgroups", "deny").during("give up groups")?;
    let (user, group) = (user.as_raw(), group.as_raw());
    std::fs::write("/proc/self/uid_map", format!("{user} {user} 1")).during("map the user")?;
    std::fs::write("/proc/self/gid_map", format!("{group} {group} 1")).during("map the group")?;
    // Only what may make namespaces must be bounded, and looks whether it is.
    let _unbounded = nesting::bound();
    powers::keep_through_start().during("keep capabilities for the first process")?;
    // Its standard input is the channel, as it is ours.
    let first = Part::Init
        .command()
        .env_clear()
        .stdin(Stdio::inherit())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .during("start the first process inside")?;
    i32::try_from(first.id()).during("name the first process inside")
}
