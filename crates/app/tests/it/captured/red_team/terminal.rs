//! The human's terminal.

use std::os::fd::OwnedFd;

use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, ptsname, unlockpt};

use super::super::super::support::BINARY;
use super::team::{Team, both, is_root, shared};

/// A terminal that is somebody else's, and its path.
fn terminal() -> (OwnedFd, OwnedFd, String) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    let theirs = openpt(flags).unwrap();
    unlockpt(&theirs).unwrap();
    let ours = ioctl_tiocgptpeer(&theirs, flags).unwrap();
    let path = ptsname(&theirs, Vec::new()).unwrap().into_string().unwrap();
    (theirs, ours, path)
}

#[test]
fn another_terminal_is_neither_written_to_nor_taken() {
    let (mut team, (_theirs, _ours, path)) = Team::sharing(|_| terminal());
    team.tries("writing to it", &["terminal-of", &path]);
    team.tries("taking it", &["steal", &path]);
    team.reports();
}

#[test]
fn nothing_is_typed_into_the_humans_terminal() {
    // A kernel may refuse it to whoever is not root, outside as well.
    if !is_root() {
        return;
    }
    let world = shared();
    for words in ["type-into", "paste"] {
        // script(1) gives each a terminal. Its own input is empty.
        let [outside, inside] = both(&world, "script -qec 'PROBE' /dev/null", words);
        assert!(outside.out.contains("reached"), "{words} is blind: {}", outside.whole());
        assert!(inside.out.contains("stopped: "), "{words}: {}", inside.whole());
        assert!(!inside.out.contains("reached"), "{words}: {}", inside.whole());
    }
}

#[test]
fn a_run_at_a_terminal_has_one_of_its_own_and_leaves_the_humans_as_it_was() {
    let world = shared();
    // script(1) is the human's terminal.
    let said = |name: &str, lines: &str| {
        let script = world.write(&format!("work/{name}"), lines);
        let line = format!("script -qec 'sh {}' /dev/null", script.display());
        world.tool("sh", &["-c", &line]).out.replace('\r', "")
    };
    let run = format!("{BINARY} run --tier captured --agent bot --task ticket:OPS-12 --");
    // The same name may be given to both, in file systems of their own.
    let lines = format!("tty; stat -Lc of:%d $(tty)\n{run} sh -c 'tty; stat -Lc of:%d $(tty)'\n");
    let whole = said("which.sh", &lines);
    let of: Vec<_> = whole.lines().filter(|line| line.starts_with("of:")).collect();
    assert!(of.len() == 2 && of[0] != of[1], "{whole}");
    // Raw, without echo, and hidden: none of it stays.
    let lines = format!("{run} sh -c 'stty raw -echo; printf \"\\033[8m\"'\nstty -a\n");
    let spoilt = said("spoilt.sh", &lines);
    for manner in ["icanon", "echo", "isig", "opost"] {
        assert!(spoilt.split_whitespace().any(|word| word == manner), "{manner}: {spoilt}");
    }
    let hidden = spoilt.rfind("\u{1b}[8m").expect("the run hid what follows");
    let shown = spoilt.rfind("\u{1b}[0m").expect("what the launcher says is seen again");
    assert!(shown > hidden, "{spoilt:?}");
}

#[test]
fn names_that_a_run_makes_up_do_not_reach_the_terminal_as_they_are() {
    let (team, ()) = Team::sharing(|_| ());
    let mut run = team.run;
    let made = "import os;os.makedirs('.github');\
                open(b'.github/a\\x1b[2J\\xe2\\x80\\xaeb\\nc','w').close()";
    assert_eq!(run.types(&format!("/usr/bin/python3 -c \"{made}\"")).code, 0);
    run.begins("exit 0");
    run.code();
    let said = run.said();
    assert!(said.contains(r".github/a\u{1b}[2J\u{202e}b\u{a}c"), "{said}");
    assert!(!said.contains('\u{1b}') && !said.contains('\u{202e}'), "{said:?}");
}
