//! A database that is up and does not let us in.

use marque_testkit::PostgresServer;

use super::super::crash::witness;
use super::super::support::{Marque, eventually};
use super::replicas::beside;
use super::{A, asks, url_of, world_in};

/// What an administrator says, what a server that starts then says, and what mends it.
const REFUSALS: [[&str; 3]; 2] = [
    ["ALTER ROLE marque CONNECTION LIMIT 0", "53300", "ALTER ROLE marque CONNECTION LIMIT -1"],
    ["ALTER ROLE marque NOLOGIN", "28000", "ALTER ROLE marque LOGIN"],
];

// threat 141
#[test]
fn a_database_that_refuses_stops_every_act_and_a_server_recovers_by_itself() {
    let Some(server) = PostgresServer::start() else { return };
    let url = url_of(&server);
    let world = world_in(&url);
    let late: Marque = beside(&world, &url, "late", "");
    let (_run, proxy) = world.door();
    let before = witness(&world);
    for [refuses, says, mends] in REFUSALS {
        asks(&proxy);
        server.sql(refuses);
        server.end_sessions();
        let reached = world.plain.saw().len();
        for _ in 0..3 {
            proxy.asks("GET", A, "", "").is(503, "refused.record.log_unavailable");
        }
        assert_eq!(world.plain.saw().len(), reached, "nothing may happen off the record");
        eventually("it is not ready, and says why", || {
            let (status, document) = world.ready();
            (status == 503 && document.contains(says)).then_some(())
        });
        let told = world.cli(&["agent", "add", "late", "--purpose", "-"]);
        assert_eq!(told.code, 5, "{}", told.whole());
        let told = late.serves_not();
        assert!(told.err.contains(says), "{}", told.whole());
        server.sql(mends);
        server.end_sessions();
        eventually("it is ready again", || (world.ready().0 == 200).then_some(()));
        eventually("calls go through again", || {
            (proxy.asks("GET", A, "", "").status == 200).then_some(())
        });
    }
    assert_eq!(world.json(&["log", "verify", "--against", &before])["ok"], true);
}
