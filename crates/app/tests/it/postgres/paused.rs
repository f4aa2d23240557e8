//! A server that is paused, as a machine that is moved or starved pauses it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use marque_testkit::PostgresServer;
use rustix::process::Signal;

use super::super::crash::calls;
use super::super::support::{Proxy, Run, eventually, hear_one, signal};
use super::replicas::{another, through};
use super::{asks, url_of, world_in};

const A: &str = "http://plain.test/v1/a";

/// Threads of a server that may be in the middle of a call when it is paused.
const WORKERS: usize = 2;

/// Opens a stream at that door and hears its beginning.
fn stream(door: &Proxy) -> TcpStream {
    let mut stream = door.connects();
    let head = "GET http://plain.test/v1/slow HTTP/1.1\r\nHost: plain.test\r\n";
    stream.write_all(format!("{head}{}\r\n", door.proof()).as_bytes()).unwrap();
    assert_ne!(stream.read(&mut [0; 4096]).unwrap(), 0);
    stream
}

/// Sends a call and does not wait for its answer.
fn sends(door: &Proxy, number: usize) -> TcpStream {
    let mut client = door.connects();
    let head = format!("GET http://plain.test/v1/doomed-{number} HTTP/1.1\r\nHost: plain.test\r\n");
    client.write_all(format!("{head}{}\r\n", door.proof()).as_bytes()).unwrap();
    client
}

// threat 154, threat 178: not one call of a run that was killed meanwhile goes through, however
// stale the world is that the server wakes up with.
#[test]
fn a_server_that_wakes_up_lets_nothing_through_that_was_killed_while_it_slept() {
    let Some(server) = PostgresServer::shared() else { return };
    let url = url_of(server);
    let world = world_in(&url);
    let other = another(&world, &url);
    let pid = other.server_pid().unwrap();
    let (_run, proxy) = world.door();
    let there = through(&other, &proxy);
    for is_loaded in [false, true] {
        let (doomed_run, doomed) = world.door();
        let doomed = through(&other, &doomed);
        eventually("the other has heard of both runs", || {
            let codes = [&there, &doomed].map(|door| door.asks("GET", A, "", "").status);
            (codes == [200, 200]).then_some(())
        });
        let mut open = stream(&doomed);
        let stop = Arc::new(AtomicBool::new(false));
        let loads: Vec<_> = (0..if is_loaded { 4 } else { 0 })
            .map(|client| {
                let (door, stop) = (doomed.clone(), Arc::clone(&stop));
                thread::spawn(move || calls(&door, &format!("doomed-{client}"), &stop))
            })
            .collect();
        thread::sleep(Duration::from_millis(150));
        let mut waiting: Vec<_> = (0..8).map(|number| sends(&doomed, number)).collect();
        signal(pid, Signal::STOP);
        // It may hold the turn; the database takes it away.
        world.cli(&["kill", &doomed_run.id]).ok();
        asks(&proxy);
        waiting.extend((8..16).map(|number| sends(&doomed, number)));
        thread::sleep(Duration::from_secs(2));
        let before = world.plain.saw().len();
        signal(pid, Signal::CONT);
        for client in &mut waiting {
            drop(hear_one(client));
        }
        let ended = open.read_to_end(&mut Vec::new());
        assert!(ended.is_err(), "a cut stream must not end as if it were whole");
        stop.store(true, Ordering::SeqCst);
        for load in loads {
            drop(load.join().unwrap());
        }
        // A thread that was stopped between its last look and its write has sent one call when it
        // wakes up: no look can be later than the last. Without load no thread is there.
        let through = world.plain.saw().len() - before;
        assert!(through <= if is_loaded { WORKERS } else { 0 }, "{through} calls went through");
        eventually("it says why", || {
            let answer = doomed.asks("GET", A, "", "");
            assert_ne!(answer.status, 200, "{answer:?}");
            answer.text.contains("refused.run.killed").then_some(())
        });
        eventually("it serves the others again", || {
            (there.asks("GET", A, "", "").status == 200).then_some(())
        });
    }
    let verified = [world.json(&["log", "verify"]), other.json(&["log", "verify"])];
    assert!(verified.iter().all(|told| told["ok"] == true), "{verified:?}");
}

// threat 154
#[test]
fn a_server_that_slept_until_it_was_dismissed_ends() {
    let Some(server) = PostgresServer::shared() else { return };
    let url = url_of(server);
    let world = world_in(&url);
    let mut other = another(&world, &url);
    let mut own = Run::open(&other, &["--agent", "bot", "--task", "ticket:OPS-12"]);
    let proxy = own.proxy();
    asks(&proxy);
    let mut open = stream(&proxy);
    let pid = other.server_pid().unwrap();
    signal(pid, Signal::STOP);
    eventually("the others go on without it", || {
        let closed = world.json(&["log", "query", "--event", "run_closed"]).to_string();
        closed.contains(&own.id).then_some(())
    });
    let before = world.plain.saw().len();
    let mut late = sends(&proxy, 0);
    signal(pid, Signal::CONT);
    let answer = hear_one(&mut late);
    assert_ne!(answer.status, 200, "{answer:?}");
    assert!(open.read_to_end(&mut Vec::new()).is_err());
    assert_eq!(other.ends_by_itself(), Some(1));
    assert_eq!(world.plain.saw().len(), before);
    assert_eq!(world.json(&["log", "verify"])["ok"], true);
}
