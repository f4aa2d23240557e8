//! Three servers under load: one is killed in its turn, and the database crashes under all of them.
//! Judged by what the upstream itself wrote down.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use marque_testkit::PostgresServer;

use super::super::crash::{Call, Judgement, calls, witness};
use super::super::support::{Marque, Proxy, eventually};
use super::replicas::{another, beside, through};
use super::{url_of, world_in};

/// How far each round gets before a server is killed, in milliseconds.
const CUTS: [u64; 6] = [10, 30, 60, 110, 170, 250];
const CLIENTS: usize = 2;

/// Clients at one door that connect again whenever they are broken off or refused.
fn load(door: &Proxy, (name, stop): (String, &Arc<AtomicBool>)) -> thread::JoinHandle<Vec<Call>> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let (door, stop) = (door.clone(), Arc::clone(stop));
    thread::spawn(move || {
        let mut answered = Vec::new();
        while !stop.load(Ordering::SeqCst) {
            let number = NUMBER.fetch_add(1, Ordering::SeqCst);
            answered.extend(calls(&door, &format!("{name}-{number}"), &stop));
            thread::sleep(Duration::from_millis(10));
        }
        answered
    })
}

/// Asks that door for something nobody asked for before.
fn is_served(door: &Proxy) -> bool {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::SeqCst);
    let target = format!("http://plain.test/v1/served-{number}");
    door.asks("GET", &target, "", "").status == 200
}

/// A stream that is under way until somebody ends it.
fn streams(door: &Proxy, round: usize) -> TcpStream {
    let mut stream = door.connects();
    let head = format!("GET http://plain.test/v1/slow?{round} HTTP/1.1\r\nHost: plain.test\r\n");
    stream.write_all(format!("{head}{}\r\n", door.proof()).as_bytes()).unwrap();
    assert_ne!(stream.read(&mut [0; 4096]).unwrap(), 0);
    stream
}

// threat 141, threat 153, threat 154
#[test]
fn no_crash_of_a_server_or_of_the_database_hides_an_act_of_three_servers() {
    let Some(mut server) = PostgresServer::start() else { return };
    let url = url_of(&server);
    let world = world_in(&url);
    let mut others = ["other", "third"].map(|name| beside(&world, &url, name, ""));
    others.iter_mut().for_each(Marque::serve);
    let (_run, proxy) = world.door();
    let mut witnessed = vec![witness(&world)];
    let mut answered = Vec::new();
    for (round, cut) in CUTS.into_iter().enumerate() {
        let stop = Arc::new(AtomicBool::new(false));
        let doors = [proxy.clone(), through(&others[0], &proxy), through(&others[1], &proxy)];
        eventually("every door serves the run", || doors.iter().all(is_served).then_some(()));
        let open = streams(&doors[1 + round % 2], round);
        let loads: Vec<_> = doors
            .iter()
            .enumerate()
            .flat_map(|(door, at)| (0..CLIENTS).map(move |client| (door, at, client)))
            .map(|(door, at, client)| load(at, (format!("{round}-{door}-{client}"), &stop)))
            .collect();
        thread::sleep(Duration::from_millis(cut));
        if round % 3 == 2 {
            server.crash_and_restart();
            eventually("calls go through again", || is_served(&proxy).then_some(()));
        } else {
            others[round % 2].kill_server();
            others[round % 2].serve();
        }
        stop.store(true, Ordering::SeqCst);
        answered.extend(loads.into_iter().flat_map(|load| load.join().unwrap()));
        drop(open);
        witnessed.push(witness(&world));
    }
    let against = witnessed.iter().flat_map(|seen| ["--against", seen.as_str()]);
    let words: Vec<_> = ["log", "verify"].into_iter().chain(against).collect();
    assert_eq!(world.json(&words)["ok"], true);
    eventually("every act has its outcome", || Judgement::of(&world).is_settled().then_some(()));
    Judgement::of(&world).judge(&world, &answered);
    for marque in &others {
        assert_eq!(marque.json(&["log", "verify"])["ok"], true);
    }
}

// threat 146: whoever exports may be away for as long as they like, and come back to any server.
#[test]
fn an_export_in_pieces_from_any_server_is_the_whole_log_and_nothing_twice() {
    let Some(server) = PostgresServer::shared() else { return };
    let url = url_of(server);
    let world = world_in(&url);
    let mut other = another(&world, &url);
    let (_run, proxy) = world.door();
    let mut pieces = String::new();
    let goes_on = |at: &Marque, pieces: &mut String| {
        let from = pieces.lines().count().saturating_sub(1).to_string();
        *pieces += at.cli(&["log", "export", "--from", &from]).ok();
    };
    for round in 0..6 {
        eventually("it is served", || {
            let there = through(&other, &proxy);
            is_served(if round % 2 == 0 { &proxy } else { &there }).then_some(())
        });
        goes_on(if round % 2 == 0 { &other } else { &world }, &mut pieces);
        if round == 3 {
            assert_eq!(other.stop(), Some(0));
            other.serve();
        }
    }
    goes_on(&world, &mut pieces);
    let whole = other.cli(&["log", "export"]);
    let (entries, all) = (pieces.lines().skip(1), whole.ok().lines().skip(1));
    assert!(entries.eq(all), "the pieces are not the whole");
    let file = world.write("pieces.jsonl", &pieces);
    world.cli(&["log", "verify", "--export", file.to_str().unwrap()]).ok();
}
