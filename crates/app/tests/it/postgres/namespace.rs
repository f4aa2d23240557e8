//! A server on another machine, whose link to the database goes down.

use std::net::IpAddr;

use marque_testkit::{PostgresServer, Relay};

use super::super::support::{Marque, Namespace, Run, Upstream, World, eventually};
use super::replicas::beside;
use super::{configure, url_of};

const DATABASE: usize = 0;
const UPSTREAM: usize = 1;
const A: &str = "http://plain.test/v1/a";

fn run_at(marque: &Marque) -> Run {
    Run::open(marque, &["--agent", "bot", "--task", "ticket:OPS-12"])
}

/// Asks from inside with the proof of a run, whatever became of its shell.
fn curls(marque: &Marque, proxy: &str) -> (u16, String) {
    let words = ["-sS", "-m", "15", "--proxy", proxy, "-w", "\n%{http_code}", A];
    let told = marque.tool("curl", &words);
    let (body, status) = told.out.trim().rsplit_once('\n').unwrap_or(("", told.out.trim()));
    (status.parse().unwrap(), body.to_owned())
}

/// A stream that goes on until it is cut; a file says when it is over.
fn streams(run: &mut Run, marque: &Marque, name: &str) {
    run.begins(&format!("(curl -sS http://plain.test/v1/slow > {name}; touch {name}.over) &"));
    let flowed = marque.path(&format!("work/{name}"));
    let size = || std::fs::metadata(&flowed).map_or(0, |found| found.len());
    eventually("the stream flows", || (size() > 0).then_some(()));
}

fn is_over(marque: &Marque, name: &str) -> Option<()> {
    marque.path(&format!("work/{name}.over")).exists().then_some(())
}

// threat 154, threat 178
#[test]
fn a_server_whose_link_to_the_database_is_down_is_harmless_and_comes_back_or_ends() {
    let Some(server) = PostgresServer::shared() else { return };
    let Some(machine) = Namespace::new() else { return };
    let url = url_of(server);
    let mut first = Marque::nothing_yet();
    configure(&first, &url);
    first.serve();
    first.cli(&["claim", "--name", "alice"]).ok();
    let world = World::before(first, Upstream::plain_at(machine.address(UPSTREAM)));
    let database = Relay::at(IpAddr::V4(machine.address(DATABASE)), server.address());
    let mut far = beside(&world, &database.leads_to(&url), "far", "");
    far.moves_to(&machine);
    far.serve();
    let (mut run, mut doomed) = (run_at(&far), run_at(&far));
    let proxy_of = |run: &mut Run| run.types("printf %s \"$http_proxy\"").out;
    let (kept, killed) = (proxy_of(&mut run), proxy_of(&mut doomed));
    assert_eq!(curls(&far, &kept).0, 200);
    let (_here, near) = world.door();
    near.asks("GET", A, "", "").is(200, "");

    streams(&mut doomed, &far, "first");
    machine.sets(DATABASE, "down");
    eventually("what is open there is cut", || is_over(&far, "first"));
    world.cli(&["kill", &doomed.id]).ok();
    let reached = || world.plain.saw().len();
    let before = reached();
    assert_eq!(curls(&far, &kept).0, 503);
    assert_eq!(curls(&far, &killed).0, 503);
    assert_eq!(reached(), before, "nothing goes through there");
    near.asks("GET", A, "", "").is(200, "");
    machine.sets(DATABASE, "up");
    eventually("it comes back by itself", || (curls(&far, &kept).0 == 200).then_some(()));
    let (code, told) = curls(&far, &killed);
    assert_eq!(code, 403, "{told}");
    assert!(told.contains("refused.run.killed"), "{told}");

    streams(&mut run, &far, "second");
    machine.sets(DATABASE, "down");
    eventually("what is open there is cut again", || is_over(&far, "second"));
    eventually("the others go on without it", || {
        let closed = world.json(&["log", "query", "--event", "run_closed"]).to_string();
        closed.contains(&run.id).then_some(())
    });
    machine.sets(DATABASE, "up");
    assert_eq!(far.ends_by_itself(), Some(1));
    near.asks("GET", A, "", "").is(200, "");
    far.serve();
    let verified: Vec<_> =
        [&*world, &far].map(|at| at.json(&["log", "verify"])["ok"].clone()).to_vec();
    assert_eq!(verified, [true, true]);
}
