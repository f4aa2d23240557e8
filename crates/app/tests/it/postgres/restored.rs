//! A database that was put back from a backup, under servers that saw more of it.

use marque_testkit::PostgresServer;

use super::super::restored::forgets_anchors;
use super::super::support::{Marque, Run, eventually};
use super::replicas::{another, through};
use super::{asks, url_of, world_in};

fn schema_of(url: &str) -> &str {
    url.split_once("search_path%3D").unwrap().1.split('&').next().unwrap()
}

fn dump(server: &PostgresServer, url: &str) -> Vec<u8> {
    let dumped = server.tool("pg_dump").args(["-n", schema_of(url)]).output().unwrap();
    assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
    dumped.stdout
}

/// In one transaction, between two turns of the servers: one that runs on finds another store.
fn put_back(server: &PostgresServer, url: &str, marque: &Marque, dump: &[u8]) {
    let schema = schema_of(url);
    let head = format!(
        "SELECT pg_advisory_xact_lock(1297240406, hashtext('{schema}'));\nDROP SCHEMA {schema} \
         CASCADE;\n"
    );
    let file = marque.path("dump.sql");
    std::fs::write(&file, [head.as_bytes(), dump].concat()).unwrap();
    let mut psql = server.tool("psql");
    psql.args(["-Xq1", "-v", "ON_ERROR_STOP=1", "-f"]).arg(file);
    let told = psql.output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
}

// threat 156, threat 154
#[test]
fn servers_of_an_older_copy_refuse_until_one_has_taken_it_and_then_all_know() {
    let Some(server) = PostgresServer::shared() else { return };
    let url = url_of(server);
    let mut world = world_in(&url);
    let mut other = another(&world, &url);
    let (run, proxy) = world.door();
    asks(&proxy);
    let copy = dump(server, &url);
    let grants = world.json(&["grant", "list"]);
    world.cli(&["grant", "revoke", grants[0]["id"].as_str().unwrap()]).ok();
    eventually("the other has heard of it", || {
        (through(&other, &proxy).asks("GET", "http://plain.test/v1/a", "", "").status == 403)
            .then_some(())
    });

    put_back(server, &url, &world, &copy);
    eventually("a server that runs on notices", || {
        world.server_output().contains("the database lacks what this server saw").then_some(())
    });
    let refused = proxy.asks("GET", "http://plain.test/v1/a", "", "");
    refused.is(503, "refused.record.log_unavailable");
    world.cli(&["store", "restored"]).fails(1, "in use by another server");
    drop(run);
    assert_eq!(world.stop(), Some(0));
    world.serves_not().fails(1, "it is an older copy").hints("marque store restored");
    world.cli(&["store", "restored"]).fails(1, "the server `other` runs on this store");
    other.stop();
    other.serves_not().fails(1, "it is an older copy").hints("marque store restored");

    let taken = world.json(&["store", "restored"]);
    assert_eq!(taken["runs"].as_array().unwrap().len(), 1, "{taken}");
    other.serve();
    world.serve();
    for marque in [&*world, &other] {
        let opens = ["run", "--agent", "bot", "--task", "ticket:OPS-13", "--", "true"];
        marque.cli(&opens).fails(1, "is suspended");
        forgets_anchors(marque);
        assert_eq!(marque.json(&["log", "verify"])["ok"], true);
    }
    other.cli(&["agent", "resume", "bot"]).ok();
    let mut run = Run::open(&other, &["--agent", "bot", "--task", "ticket:OPS-13"]);
    let proxy = run.proxy();
    asks(&proxy);
    assert_eq!(run.ends(), 0);
}
