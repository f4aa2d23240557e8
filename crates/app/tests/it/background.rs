//! Servers: the one that comes and goes by itself, and the one that is told to.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;

use super::support::{Marque, World, eventually, signal};

/// A plane that was claimed, with an agent that may run, and no server; the next one leaves once
/// nothing needs it for that long.
fn unserved(idle_exit: &str) -> Marque {
    let mut marque = Marque::start();
    marque.cli(&["agent", "add", "bot", "--purpose", "stories"]).ok();
    let add = ["connection", "add", "api", "--host", "api.test", "--no-credential"];
    marque.cli(&add).ok();
    marque.cli(&["grant", "add", "bot", "--allow", "api:GET /**", "--until", "1d"]).ok();
    assert_eq!(marque.stop(), Some(0));
    marque.write("data/config.toml", &format!("[server]\nidle_exit = \"{idle_exit}\"\n"));
    assert_eq!(marque.server_pid(), None);
    marque
}

#[test]
fn a_run_starts_a_server_where_none_answers_and_it_leaves_when_idle() {
    let marque = unserved("3s");
    let started = marque.cli(&["run", "--agent", "bot", "--", "sh", "-c", "exit 3"]);
    assert_eq!(started.code, 3, "{}", started.whole());
    let server = marque.server_pid().expect("it stays for a moment");
    eventually("the server leaves", || marque.server_pid().is_none().then_some(()));
    eventually("its process ends", || {
        (!std::path::Path::new(&format!("/proc/{server}/exe")).exists()).then_some(())
    });
    let anchored = marque.cli(&["log", "verify"]);
    assert!(anchored.ok().contains("held against"), "{}", anchored.out);
}

#[test]
fn a_server_in_the_background_stays_while_a_run_is_open() {
    let marque = unserved("1s");
    let mut run = super::support::Run::open(&marque, &["--agent", "bot"]);
    let server = marque.server_pid();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(marque.server_pid(), server);
    assert_eq!(run.types("echo still here").out, "still here");
}

#[test]
fn two_launchers_that_race_end_up_with_one_server() {
    let marque = unserved("60s");
    let runs: Vec<_> = (0..4)
        .map(|_| {
            let mut command = marque.words(&["run", "--agent", "bot", "--", "true"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for run in runs {
        let output = run.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let started = marque.json(&["log", "query", "--event", "started"]);
    assert_eq!(started.as_array().unwrap().len(), 2, "one before, one for all four: {started}");
}

#[test]
fn a_claim_starts_a_server_and_is_made_once() {
    let marque = Marque::nothing_yet();
    let claimed = marque.json(&["claim", "--name", "alice"]);
    assert_eq!(claimed["by"], "alice", "{claimed}");
    marque.cli(&["claim", "--name", "mallory"]).fails(3, "claimed by `alice`");
    let first = marque.json(&["log", "show", "0"]);
    assert_eq!(first[0]["event"]["kind"], "claimed", "{first}");
    assert_eq!(first[0]["event"]["by"]["name"], "alice");
}

#[test]
fn a_second_server_on_the_same_plane_is_refused() {
    let marque = Marque::start();
    let told = marque.serves_not();
    assert_ne!(told.code, 0, "{}", told.whole());
    assert!(told.err.contains("in use") || told.err.contains("another"), "{}", told.whole());
    marque.cli(&["agent", "list"]).ok();
}

#[test]
fn a_server_that_is_told_to_end_ends_well_and_says_so_in_the_log() {
    let mut world = World::new();
    let mut run = world.run();
    run.begins("curl -sS http://plain.test/v1/slow > slow.out");
    let size = || std::fs::metadata(world.path("work/slow.out")).map_or(0, |found| found.len());
    eventually("the stream flows", || (size() > 0).then_some(()));
    let began = std::time::Instant::now();
    signal(world.server_pid().unwrap(), Signal::TERM);
    assert_eq!(world.ends_by_itself(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert_eq!(run.code(), 137, "{}", run.said());
    world.serve();
    let outcomes = world.json(&["log", "query", "--event", "outcome"]);
    assert_eq!(outcomes.as_array().unwrap().len(), 1, "{outcomes}");
    assert_ne!(world.json(&["run", "show", &run.id])["state"], "open");
    world.cli(&["log", "verify"]).ok();
}

#[test]
fn health_readiness_and_metrics_are_served_outside_runs() {
    let world = World::new();
    let socket = world.socket();
    let get = |path: &str| {
        let words = ["-sS", "-w", "\n%{http_code}", "--unix-socket", socket.to_str().unwrap()];
        let told = world.tool("curl", &[&words[..], &[&format!("http://marque{path}")]].concat());
        let (body, status) = told.ok().rsplit_once('\n').unwrap();
        (status.to_owned(), body.to_owned())
    };
    let mut run = world.run();
    run.curl("https://api.test/v1/a");
    run.curl("-X DELETE https://api.test/v1/a");
    world.captured().curl("https://api.test/v1/a");
    assert_eq!(get("/healthz").0, "200");
    assert_eq!(get("/readyz").0, "200");
    assert_eq!(get("/no/such/route").0, "404");
    let (status, metrics) = get("/metrics");
    assert_eq!(status, "200");
    let series = |name: &str, label: &str| {
        metrics.lines().any(|line| line.starts_with(name) && line.contains(label))
    };
    assert!(series("marque_decisions_total", "answer=\"allowed\""), "{metrics}");
    assert!(series("marque_decisions_total", "answer=\"refused\""), "{metrics}");
    for stage in ["caller", "run", "mandate", "policy", "trust", "limits", "broker", "record"] {
        assert!(
            series("marque_stage_seconds_count", &format!("stage=\"{stage}\"")),
            "`{stage}`: {metrics}"
        );
    }
    for door in ["proxy", "captured"] {
        let label = format!("door=\"{door}\"");
        assert!(series("marque_gateway_requests_total", &label), "{label}: {metrics}");
    }
}
