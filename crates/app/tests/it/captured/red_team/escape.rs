//! Odd surroundings that a run could be started in, and floods it could make.

use super::super::super::support::{BINARY, World};
use super::canary::CANARY;
use super::team::{Team, is_root};

fn run(words: &str) -> String {
    format!("{BINARY} run --tier captured --agent bot --task ticket:OPS-12 -- {words}")
}

#[test]
fn a_home_that_is_the_machines_opens_nothing_of_it() {
    let world = World::new();
    let place = format!("/var/tmp/canary-{}", std::process::id());
    std::fs::write(&place, CANARY).unwrap();
    for home in ["/", "/var", "/tmp", "/var/tmp", "/usr"] {
        let line = format!("HOME={home} {}", run(&format!("sh -c 'cat {place}; echo tried'")));
        let told = world.tool("sh", &["-c", &line]);
        assert!(!told.out.contains(CANARY), "HOME={home}: {}", told.whole());
        assert!(told.out.contains("tried"), "HOME={home}: {}", told.whole());
    }
    std::fs::remove_file(place).unwrap();
}

#[test]
fn a_working_directory_that_is_the_machines_is_refused() {
    let world = World::new();
    for directory in [
        "/",
        "/etc",
        "/usr/bin",
        "/tmp",
        "/dev",
        "/proc",
        "/sys/kernel",
        "/run",
        "/home",
        "/var/lib",
    ] {
        let line = format!("cd {directory} && {}", run("echo started"));
        let told = world.tool("sh", &["-c", &line]);
        assert!(!told.out.contains("started"), "{directory}: {}", told.whole());
        assert!(told.err.contains("too wide"), "{directory}: {}", told.whole());
    }
    let data = world.path("data/keys");
    let told =
        world.tool("sh", &["-c", &format!("cd {} && {}", data.display(), run("echo started"))]);
    assert!(!told.out.contains("started") && told.err.contains("too wide"), "{}", told.whole());
}

#[test]
fn what_a_run_fills_is_bounded_in_all() {
    let (mut team, ()) = Team::new(|_| ());
    let sizes = "for at in /tmp /var/tmp /dev/shm /run /var /run/marque/scratch ~; do \
                 stat -f -c '%i' $at; done | sort -u | wc -l";
    let typed = team.run.types(sizes);
    assert!(typed.out.parse::<usize>().unwrap() <= 2, "one memory for all of them: {}", typed.out);
    let limits = team.run.types("ulimit -Hu; cat /proc/sys/kernel/pid_max").out;
    for bound in limits.lines() {
        assert!(bound.parse::<u64>().is_ok_and(|bound| bound <= 65_536), "processes: {limits}");
    }
    // What is forked without end ends with the run.
    team.run.begins("f() { f | f & }; ulimit -u 300; f; sleep 1; exit 0");
    team.run.code();
}

#[test]
fn no_image_of_a_process_is_left_behind_or_handed_out() {
    if std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap().trim() != "core" {
        return super::team::skipped("images of processes go elsewhere on this machine");
    }
    let (mut team, ()) = Team::new(|_| ());
    let work = team.world.path("work");
    let dump = work.to_str().unwrap();
    team.tries("an image", &["core", dump]);
    let limit = "import resource as r; r.setrlimit(r.RLIMIT_CORE, (0, 0)); print(r.getrlimit(r.RLIMIT_CORE))";
    // At 0 a program that takes images is still started, outside; at 1 it is not (core(5)).
    let typed = team.run.types(&format!("/usr/bin/python3 -c '{limit}'"));
    assert_eq!(typed.out, "(1, 1)");
    team.reports();
}

#[test]
fn the_runs_own_socket_takes_no_humans_verb() {
    let (mut team, ()) = Team::new(|_| ());
    let ask = |route: &str| {
        format!(
            "curl -sS -m 5 -o /dev/null -w '%{{http_code}}' --unix-socket /run/marque/marque.sock \
             -X POST -H 'content-type: application/json' -d '{{}}' http://marque{route}"
        )
    };
    for route in [
        "/v1/kill",
        "/v1/runs",
        "/v1/agents",
        "/v1/grants",
        "/v1/unlock",
        "/v1/claim",
        "/v1/connections",
    ] {
        let typed = team.run.types(&ask(route));
        assert!(
            ["401", "403", "404", "405"].contains(&typed.out.as_str()),
            "{route}: {}",
            typed.out
        );
    }
    assert!(is_root() || !team.world.home().as_os_str().is_empty());
}
