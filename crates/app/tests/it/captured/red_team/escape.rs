//! Odd surroundings that a run could be started in, and floods it could make.

use super::super::super::support::BINARY;
use super::canary::CANARY;
use super::team::{Team, shared};

fn run(words: &str) -> String {
    format!("{BINARY} run --tier captured --agent bot --task ticket:OPS-12 -- {words}")
}

#[test]
fn a_home_that_is_the_machines_opens_nothing_of_it() {
    let world = shared();
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
    let world = shared();
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
    let (mut team, ()) = Team::sharing(|_| ());
    let sizes = "for at in /tmp /var/tmp /dev/shm /run /var /run/marque/scratch ~; do \
                 stat -f -c '%i' $at; done | sort -u | wc -l";
    let typed = team.run.types(sizes);
    assert!(typed.out.parse::<usize>().unwrap() <= 2, "one memory for all of them: {}", typed.out);
    let limit = team.run.types("bash -c 'ulimit -Hu'").out;
    assert!(limit.parse::<u64>().is_ok_and(|limit| limit <= 16_384), "processes: {limit}");
    // The launcher's own, where that is lower. Of root the kernel counts none.
    let line = format!("ulimit -u 4096; {}", run("bash -c 'ulimit -Hu; ulimit -Su'"));
    let told = team.world.tool("bash", &["-c", &line]);
    assert_eq!(told.out, "4096\n4096\n", "{}", told.whole());
    // A flood of what does not want to end, ends with the run.
    let flood = "import os,signal,time\n\
        signal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
        for _ in range(300):\n\
        \x20   if os.fork() == 0: time.sleep(600)\n";
    team.world.write("work/flood.py", flood);
    team.run.types("/usr/bin/python3 flood.py");
    team.run.begins("exit 0");
    assert_eq!(team.run.code(), 0);
}

#[test]
fn no_image_of_a_process_is_left_behind_or_handed_out() {
    if std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap().trim() != "core" {
        return super::team::skipped("images of processes go elsewhere on this machine");
    }
    let (mut team, ()) = Team::sharing(|_| ());
    let work = team.world.path("work");
    let dump = work.to_str().unwrap();
    team.tries("an image", &["core", dump]);
    let limit = "import resource as r; r.setrlimit(r.RLIMIT_CORE, (0, 0)); \
                 print(r.getrlimit(r.RLIMIT_CORE))";
    // At 0 a program that takes images is still started, outside; at 1 it is not (core(5)).
    let typed = team.run.types(&format!("/usr/bin/python3 -c '{limit}'"));
    assert_eq!(typed.out, "(1, 1)");
    team.reports();
}

#[test]
fn the_runs_own_socket_takes_no_humans_verb() {
    let (mut team, ()) = Team::sharing(|_| ());
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
}
