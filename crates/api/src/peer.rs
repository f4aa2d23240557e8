//! Who is on the other end of the socket, as the kernel describes it (`/proc`, Linux).
//!
//! Read anew for each request: the process may have exec'd or exited since it connected. What
//! cannot be read twice with the same answer is not believed (threat 70: a reused process id).

use marque_plane::{Peer, ProcessKey, TerminalSession};

/// Most ancestors that are followed. A deeper tree is not believed.
const MAX_DEPTH: usize = 64;
/// How often an ancestry that changes under our eyes is read again.
const ATTEMPTS: usize = 4;

/// One line of `/proc/<pid>/stat`, as far as it matters (proc_pid_stat(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    key: ProcessKey,
    parent: u32,
    session: u32,
    tty: u32,
}

/// The process that connected. Its ancestors are empty where they cannot be told.
pub(crate) fn observe(uid: u32, pid: Option<i32>) -> Peer {
    let pid = pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0);
    let seen = pid.and_then(|pid| (0..ATTEMPTS).find_map(|_| settled(pid)));
    let Some((ancestors, session)) = seen else {
        return Peer { uid, session: None, ancestors: Vec::new() };
    };
    Peer { uid, session, ancestors }
}

/// The ancestry of a process, itself first, and its terminal; only if two readings agree.
fn settled(pid: u32) -> Option<(Vec<ProcessKey>, Option<TerminalSession>)> {
    let before = ancestry(pid)?;
    let first = before.first()?;
    let session = session_of(first);
    if ancestry(pid)? != before {
        return None;
    }
    Some((before.iter().map(|stat| stat.key).collect(), session))
}

/// A process and its ancestors up to the first of this pid namespace.
fn ancestry(pid: u32) -> Option<Vec<Stat>> {
    let mut chain = Vec::new();
    let mut next = pid;
    while next != 0 {
        if chain.len() == MAX_DEPTH {
            return None;
        }
        let stat = read(next)?;
        chain.push(stat);
        next = stat.parent;
    }
    Some(chain)
}

/// The terminal session of a process; none without a terminal, or once its leader is gone.
fn session_of(stat: &Stat) -> Option<TerminalSession> {
    if stat.tty == 0 {
        return None;
    }
    let leader = read(stat.session)?;
    let is_leader = leader.session == leader.key.pid && leader.tty == stat.tty;
    is_leader.then_some(TerminalSession { leader: leader.key, tty: stat.tty })
}

fn read(pid: u32) -> Option<Stat> {
    let line = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    parse(pid, &line)
}

fn parse(pid: u32, line: &str) -> Option<Stat> {
    // The command's name may hold spaces and parentheses; nothing after it does.
    let (_, fields) = line.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
    let small = |place: usize| u32::try_from(number(place)?).ok();
    let tty = fields.get(4)?.parse::<i32>().ok()?;
    Some(Stat {
        key: ProcessKey { pid, started: number(19)? },
        parent: small(1)?,
        session: small(3)?,
        tty: u32::try_from(tty).unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::{MAX_DEPTH, observe, parse};

    #[test]
    fn a_process_name_cannot_forge_the_fields_after_it() {
        let line = "7 (a) S 1 1 1 (b) R 5 6 7 34816 7 0 0 0 0 0 0 0 0 0 20 0 1 0 4242 0 0";
        let stat = parse(7, line).unwrap();
        assert_eq!((stat.parent, stat.session, stat.tty), (5, 7, 34_816));
        assert_eq!(stat.key.started, 4242);
        assert!(parse(7, "7 (a) R 5 6").is_none());
    }

    #[test]
    fn our_own_ancestry_starts_with_us_and_ends_with_the_first_process() {
        let us = std::process::id();
        let peer = observe(0, i32::try_from(us).ok());
        let pids: Vec<u32> = peer.ancestors.iter().map(|key| key.pid).collect();
        assert_eq!(pids.first(), Some(&us));
        assert!(pids.len() > 1 && pids.len() <= MAX_DEPTH);
    }

    // threat 70
    #[test]
    fn a_process_that_is_gone_has_neither_ancestors_nor_a_terminal() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).ok();
        child.wait().unwrap();
        for gone in [pid, Some(0), Some(-1), None] {
            let peer = observe(0, gone);
            assert!(peer.ancestors.is_empty() && peer.session.is_none());
        }
    }
}
