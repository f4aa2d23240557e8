//! A disk that is full, or takes no writes: nothing happens off the record, it is said, and it is
//! over as soon as the disk is well again.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::crash::{Judgement, witness};
use super::support::{Disk, Marque, Proxy, World, eventually, hear_one};

/// Room for a plane and some thousand entries.
const SMALL_KIB: u32 = 12 * 1024;
/// A full disk is noticed within so many calls: what was allocated before is used up first.
const CALLS_MAX: usize = 4_000;
const UNAVAILABLE: &str = "refused.record.log_unavailable";

/// The usual cast on a small disk of its own.
fn world_on_a_small_disk() -> Option<(World, Disk)> {
    let mut marque = Marque::nothing_yet();
    let disk = Disk::mounted_at(&marque.path("data"), SMALL_KIB)?;
    marque.lives_on(&disk);
    marque.serve();
    marque.cli(&["claim", "--name", "alice"]).ok();
    Some((World::on(marque), disk))
}

/// A stream that is under way until somebody ends it.
fn streams(proxy: &Proxy) -> TcpStream {
    let mut stream = proxy.connects();
    let head = "GET http://plain.test/v1/slow HTTP/1.1\r\nHost: plain.test\r\n";
    stream.write_all(format!("{head}{}\r\n", proxy.proof()).as_bytes()).unwrap();
    assert_ne!(stream.read(&mut [0; 4096]).unwrap(), 0);
    stream
}

/// Calls until one is refused; each to a target of its own. Those that were answered.
fn calls_until_refused(proxy: &Proxy) -> Vec<(String, String)> {
    let mut stream = proxy.connects();
    let mut answered = Vec::new();
    for number in 0..CALLS_MAX {
        let method = ["GET", "POST"][number % 2];
        let target = format!("/v1/items?until-{number}");
        let head = format!("{method} http://plain.test{target} HTTP/1.1\r\nHost: plain.test\r\n");
        let proof = proxy.proof();
        let request = format!("{head}{proof}Content-Length: 0\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let answer = hear_one(&mut stream);
        if answer.status != 200 {
            answer.is(503, UNAVAILABLE);
            return answered;
        }
        answered.push((method.to_owned(), target));
    }
    panic!("{CALLS_MAX} calls were allowed on a full disk");
}

// threat 142
#[test]
fn a_full_disk_stops_every_act_and_no_kill_and_is_over_when_there_is_room_again() {
    let Some((mut world, disk)) = world_on_a_small_disk() else { return };
    let (_kept, proxy) = world.door();
    let (mut doomed_run, doomed) = world.door();
    let mut stream = streams(&doomed);
    let before = witness(&world);
    disk.fills();
    let mut answered = calls_until_refused(&proxy);
    let reached = world.plain.saw().len();
    proxy.asks("POST", "http://plain.test/v1/items", "", "x").is(503, UNAVAILABLE);
    assert_eq!(world.plain.saw().len(), reached, "nothing may happen off the record");

    // It says so, to machines and to humans.
    let (status, document) = world.ready();
    assert_eq!(status, 503, "{document}");
    assert!(document.contains("the disk is full: free some room"), "{document}");
    let looked = world.cli(&["doctor", "--quick"]);
    assert!(looked.out.contains("! it answers, and is not ready"), "{}", looked.whole());
    let refused = world.cli(&["agent", "add", "late", "--purpose", "-"]);
    refused.fails(5, "the disk is full").hints("nothing was changed");
    assert!(world.server_output().contains("nothing is allowed until the log can be written"));
    assert_eq!(world.json(&["log", "verify", "--against", &before])["ok"], true);

    // Taking away needs no room.
    world.cli(&["kill", &doomed.run]).fails(5, "1 runs were cut").hints("is recorded once");
    assert!(stream.read_to_end(&mut Vec::new()).is_err(), "a cut stream must not end well");
    let refused = doomed.asks("GET", "http://plain.test/v1/a", "", "");
    assert_ne!(refused.status, 200, "{refused:?}");
    assert_eq!(world.plain.saw().len(), reached);

    disk.frees();
    eventually("it is ready again, though nobody asked for anything", || {
        (world.ready().0 == 200).then_some(())
    });
    proxy.asks("GET", "http://plain.test/v1/a", "", "").is(200, "");
    eventually("the kill is recorded", || {
        (world.json(&["run", "show", &doomed.run])["state"] == "killed").then_some(())
    });
    assert_eq!(doomed_run.code(), 137);
    world.cli(&["agent", "add", "late", "--purpose", "-"]).ok();

    // And a server that is killed on a full disk starts, or says why not, and loses nothing.
    disk.fills();
    answered.extend(calls_until_refused(&proxy));
    world.kill_server();
    let told = world.serves_not();
    told.fails(1, "the disk is full");
    disk.frees();
    world.serve();
    assert_eq!(world.json(&["log", "verify", "--against", &before])["ok"], true);
    assert_eq!(world.json(&["store", "check"])["ok"], true);
    let reached: Vec<_> = world.plain.saw().iter().map(|seen| seen.target().to_owned()).collect();
    assert!(answered.iter().all(|(_, target)| reached.contains(target)));
    let judgement = Judgement::of(&world);
    judgement.covers(&world);
    assert!(judgement.is_settled());
}

#[test]
fn a_server_does_not_start_on_a_disk_that_takes_no_writes_and_says_so() {
    let Some((mut world, disk)) = world_on_a_small_disk() else { return };
    let before = witness(&world);
    for is_killed in [false, true] {
        if is_killed {
            world.kill_server();
        } else {
            assert_eq!(world.stop(), Some(0));
        }
        disk.turns("ro");
        let told = world.serves_not();
        assert!(told.err.to_lowercase().contains("read-only"), "{}", told.whole());
        disk.turns("rw");
        world.serve();
        let (_run, proxy) = world.door();
        proxy.asks("GET", "http://plain.test/v1/a", "", "").is(200, "");
    }
    assert_eq!(world.json(&["log", "verify", "--against", &before])["ok"], true);
}
