//! Processes outside, and the first one inside.

use super::canary::CANARY;
use super::team::{Team, beside};

// threat 152
#[test]
fn no_process_outside_is_seen_read_or_touched() {
    let id = std::process::id();
    let (mut team, (secret, _victim, pid)) = Team::sharing(|world| {
        let secret = world.write("elsewhere", CANARY);
        // It holds the canary in its environment, its directory, and a descriptor.
        let victim = beside(world, &["victim", secret.to_str().unwrap()], &[("HELD", CANARY)]);
        let pid = victim.id();
        (secret, victim, pid)
    });
    for what in ["environ", "fd/3", "task/PID/environ"] {
        let path = format!("/proc/{pid}/{}", what.replace("PID", &pid));
        team.tries(what, &["read", &path]);
    }
    let name = secret.file_name().unwrap().to_str().unwrap();
    for way in ["root", "cwd"] {
        let below = if way == "cwd" {
            format!("../{name}")
        } else {
            secret.to_str().unwrap()[1..].to_owned()
        };
        team.tries(way, &["read", &format!("/proc/{pid}/{way}/{below}")]);
    }
    team.tries("memory, by its file", &["memory", &pid]);
    team.tries("memory, by a call", &["peek", &pid]);
    team.tries("a trace", &["trace", &pid]);
    team.tries("a signal", &["hit", &pid]);
    team.tries("a signal by a descriptor", &["by-pidfd", &pid]);
    team.tries("a descriptor of its", &["take-descriptor", &pid, "3"]);
    team.tries("its limits", &["bound", &pid]);
    let seen = team.run.types(&format!("ls /proc | grep -x {id}; ps -e 2>/dev/null | wc -l")).out;
    let count: usize = seen.lines().last().unwrap().trim().parse().unwrap_or(0);
    assert!(count < 12, "the run sees {count} processes");
    team.reports();
}

// threat 152
#[test]
fn the_first_process_inside_is_out_of_reach() {
    let (mut team, victim) = Team::sharing(|world| {
        let held = world.write("elsewhere-too", CANARY);
        beside(world, &["victim", held.to_str().unwrap()], &[])
    });
    for what in ["root", "descriptors", "environment", "memory", "program", "mapped", "namespaces"]
    {
        team.tries_as(what, &["holdings", what, &victim.id()], &["holdings", what, "1"]);
    }
    team.tries_as("a trace", &["trace", &victim.id()], &["trace", "1"]);
    for signal in ["KILL", "TERM", "STOP", "SEGV", "HUP"] {
        team.run.types(&format!("kill -{signal} 1"));
    }
    assert_eq!(team.run.types("echo here").out, "here", "the first process minds no signal");
    team.reports();
}
