use std::os::fd::OwnedFd;
use std::process::Command;

use tokio::net::UnixStream;

use super::{MAX_DEPTH, Pin, Pinned, ProcessKey, observe, parse};

fn our_pid() -> Option<i32> {
    i32::try_from(std::process::id()).ok()
}

/// A handle on a process that has ended.
fn handle_of_the_dead() -> OwnedFd {
    let mut child = Command::new("true").spawn().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    let handle = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap();
    child.wait().unwrap();
    handle
}

#[test]
fn a_process_name_cannot_forge_the_fields_after_it() {
    let line = "7 (a) S 1 1 1 (b) R 5 6 7 34816 7 0 0 0 0 0 0 0 0 0 20 0 1 0 4242 0 0";
    let stat = parse(7, line.as_bytes()).unwrap();
    assert_eq!((stat.parent, stat.session, stat.tty), (5, 7, 34_816));
    assert_eq!(stat.key.started, 4242);
    assert!(parse(7, b"7 (a) R 5 6").is_none());
}

#[test]
fn our_own_ancestry_starts_with_us_and_ends_with_the_first_process() {
    let peer = observe(0, our_pid());
    let pids: Vec<u32> = peer.ancestors.iter().map(|key| key.pid).collect();
    assert_eq!(pids.first(), Some(&std::process::id()));
    assert!(pids.len() > 1 && pids.len() <= MAX_DEPTH);
}

// threat 70
#[test]
fn a_process_that_is_gone_has_neither_ancestors_nor_a_terminal() {
    let mut child = Command::new("true").spawn().unwrap();
    let pid = i32::try_from(child.id()).ok();
    child.wait().unwrap();
    for gone in [pid, Some(0), Some(-1), None] {
        let peer = observe(0, gone);
        assert!(peer.ancestors.is_empty() && peer.session.is_none());
    }
}

// threat 70
#[test]
fn a_process_with_the_number_of_one_that_connected_does_not_pass_for_it() {
    let reused = |pin| Pinned { uid: 0, pid: our_pid(), pin };
    assert!(reused(Pin::Handle(handle_of_the_dead())).observe().is_none());
    let earlier = ProcessKey { pid: std::process::id(), started: 1 };
    assert!(reused(Pin::Found(Some(earlier))).observe().is_none());
    assert!(reused(Pin::Found(None)).observe().is_none());
    assert!(reused(Pin::Gone).observe().is_none());
}

#[tokio::test]
async fn the_process_that_connected_is_itself_with_and_without_a_handle() {
    let (_near, far) = UnixStream::pair().unwrap();
    let pinned = Pinned::of(&far).unwrap();
    let seen = pinned.observe().unwrap();
    assert_eq!(seen.process().map(|key| key.pid), Some(std::process::id()));
    let found = Pinned { pin: Pin::Found(seen.process()), ..pinned };
    assert_eq!(found.observe().and_then(|peer| peer.process()), seen.process());
}
