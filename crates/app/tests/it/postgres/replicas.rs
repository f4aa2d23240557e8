//! Several servers on one database: whichever is asked, it is one plane.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use marque_testkit::PostgresServer;

use super::super::support::{Marque, Proxy, World, eventually};
use super::{asks, configure, url_of, world_in};

const A: &str = "http://plain.test/v1/a";
/// Generous: a second is promised, and this machine may be anything but idle.
const SOON: Duration = Duration::from_secs(3);

/// Another server of the same plane, in a data directory of its own with the same keys.
pub(super) fn another(world: &World, url: &str) -> Marque {
    let mut other = beside(world, url, "other", "");
    other.serve();
    other
}

/// The same, of that name and with more in its configuration; not served yet.
pub(super) fn beside(world: &World, url: &str, name: &str, more: &str) -> Marque {
    let other = Marque::nothing_yet();
    configure(&other, url);
    let config = std::fs::read_to_string(other.path("data/config.toml")).unwrap();
    other.write("data/config.toml", &format!("{config}replica = \"{name}\"\n{more}"));
    other.tool("cp", &["-a", world.path("data/keys").to_str().unwrap(), "../data/keys"]).ok();
    other
}

/// The proxy door of that server as it was started last, for the same run.
pub(super) fn through(other: &Marque, proxy: &Proxy) -> Proxy {
    let said = other.server_output();
    let line = said.lines().rfind(|line| line.starts_with("proxy ")).unwrap();
    let address = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    Proxy { address, ..proxy.clone() }
}

// threat 154, threat 178
#[test]
fn a_run_of_one_server_is_served_by_another_and_a_kill_there_is_heard() {
    let Some(server) = PostgresServer::shared() else { return };
    let url = url_of(server);
    let world = world_in(&url);
    let other = another(&world, &url);
    let (_run, proxy) = world.door();
    // At once: a run that the other has not heard of yet is waited for.
    let there = through(&other, &proxy);
    asks(&there);
    asks(&proxy);
    let mut stream = there.connects();
    let head = "GET http://plain.test/v1/slow HTTP/1.1\r\nHost: plain.test\r\n";
    stream.write_all(format!("{head}{}\r\n", there.proof()).as_bytes()).unwrap();
    let mut first = [0; 4096];
    assert_ne!(stream.read(&mut first).unwrap(), 0);

    world.cli(&["kill", &proxy.run]).ok();
    let killed = Instant::now();
    let ended = stream.read_to_end(&mut Vec::new());
    assert!(killed.elapsed() < SOON, "the stream went on for {:?}", killed.elapsed());
    assert!(ended.is_err(), "a cut stream must not end as if it were whole");
    for door in [&proxy, &there] {
        door.asks("GET", A, "", "").is(403, "refused.run.killed");
    }
    let (here, there) = (world.json(&["log", "verify"]), other.json(&["log", "verify"]));
    assert_eq!((&here["ok"], &there["ok"]), (&true.into(), &true.into()), "{here} {there}");
}

// threat 153
#[test]
fn what_a_killed_server_had_under_way_is_settled_by_another() {
    let Some(server) = PostgresServer::shared() else { return };
    let url = url_of(server);
    let mut world = world_in(&url);
    let other = another(&world, &url);
    let mut run = world.run();
    run.begins("curl -sS http://plain.test/v1/slow > slow.out");
    let size = || std::fs::metadata(world.path("work/slow.out")).map_or(0, |found| found.len());
    eventually("the stream flows", || (size() > 0).then_some(()));
    world.kill_server();
    eventually("the other notices", || {
        let outcomes = other.json(&["log", "query", "--event", "outcome"]);
        outcomes.to_string().contains("\"unknown\"").then_some(())
    });
    let closed = other.json(&["log", "query", "--event", "run_closed"]);
    assert!(closed.to_string().contains(&run.id), "{closed}");
    assert_eq!(other.json(&["log", "verify"])["ok"], true);
}

// threat 151
#[test]
fn a_server_with_keys_of_its_own_is_refused() {
    let Some(server) = PostgresServer::shared() else { return };
    let url = url_of(server);
    let mut first = Marque::nothing_yet();
    configure(&first, &url);
    first.serve();
    // Nobody has claimed the plane yet, so this one makes keys.
    let second = Marque::nothing_yet();
    configure(&second, &url);
    let config = std::fs::read_to_string(second.path("data/config.toml")).unwrap();
    second.write("data/config.toml", &format!("{config}replica = \"other\"\n"));
    second.serves_not().fails(1, "first opened with other keys");
}

// threat 154
#[test]
fn a_server_that_was_dismissed_ends_so_that_it_is_started_anew() {
    let Some(server) = PostgresServer::shared() else { return };
    let url = url_of(server);
    let mut world = world_in(&url);
    server.sql_in(&url, "DELETE FROM replicas");
    assert_eq!(world.ends_by_itself(), Some(1));
    world.serve();
    world.cli(&["agent", "list"]).ok();
}
