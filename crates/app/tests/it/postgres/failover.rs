//! The primary of the database is gone, and a standby takes over under a server that runs.

use marque_testkit::PostgresServer;

use super::super::crash::witness;
use super::super::support::eventually;
use super::{A, asks, url_of, world_in};

// threat 141, threat 156
#[test]
fn a_server_goes_on_at_the_standby_that_took_over_and_what_was_said_before_stands() {
    let Some(mut primary) = PostgresServer::start() else { return };
    let standby = primary.standby(true);
    let url = url_of(&primary);
    let (head, path) = url.rsplit_once("/postgres?").unwrap();
    let mut world = world_in(&format!("{head},{}/postgres?{path}", standby.address()));
    let (_kept, proxy) = world.door();
    let (_doomed, doomed) = world.door();
    asks(&proxy);
    world.cli(&["kill", &doomed.run]).ok();
    let before = witness(&world);
    let reached = world.plain.saw().len();

    primary.crash();
    eventually("it is not ready, and says why", || {
        let (status, document) = world.ready();
        (status == 503 && document.contains("the database cannot be reached")).then_some(())
    });
    proxy.asks("GET", A, "", "").is(503, "refused.record.log_unavailable");
    assert_eq!(world.plain.saw().len(), reached, "nothing may happen off the record");
    world.cli(&["agent", "add", "late", "--purpose", "-"]).fails(5, "");

    standby.promote();
    eventually("it goes on by itself", || (world.ready().0 == 200).then_some(()));
    eventually("calls go through again", || {
        (proxy.asks("GET", A, "", "").status == 200).then_some(())
    });
    doomed.asks("GET", A, "", "").is(403, "refused.run.killed");
    world.cli(&["agent", "add", "late", "--purpose", "-"]).ok();
    assert_eq!(world.json(&["log", "verify", "--against", &before])["ok"], true);
    world.kill_server();
    world.serve();
    assert_eq!(world.json(&["run", "show", &doomed.run])["state"], "killed");
    assert_eq!(world.json(&["log", "verify", "--against", &before])["ok"], true);
}
