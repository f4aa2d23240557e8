//! Servers of two releases on one database, and servers that are restarted one by one.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use marque_testkit::PostgresServer;
use rustix::process::Signal;

use super::super::support::{Marque, Proxy, World, eventually, signal};
use super::replicas::{another, beside, through};
use super::{asks, url_of, world_in};

/// What the newest migration of this program is numbered.
fn known(world: &World) -> u64 {
    world.json(&["store", "check"])["schema"].as_u64().unwrap()
}

// threat 155
#[test]
fn a_store_of_the_next_release_is_served_if_it_says_that_it_can_be_and_else_refused() {
    let Some(server) = PostgresServer::shared() else { return };
    let url = url_of(server);
    let mut world = world_in(&url);
    let (known, other) = (known(&world), beside(&world, &url, "other", ""));
    // Beside the server that runs, as the first server of the next release would.
    let next = known + 1;
    server.sql_in(
        &url,
        &format!(
            "SELECT pg_advisory_xact_lock(1297240406, hashtext(current_schema())); \
             CREATE TABLE later (a TEXT); ALTER TABLE facts ADD COLUMN later TEXT; \
             ALTER TABLE log ADD COLUMN later BIGINT NOT NULL DEFAULT 0; \
             ALTER TABLE replicas ADD COLUMN later TEXT NOT NULL DEFAULT ''; \
             ALTER TABLE settings ADD COLUMN later TEXT; ALTER TABLE kept ADD COLUMN later TEXT; \
             ALTER TABLE feed ADD COLUMN later TEXT; ALTER TABLE intents ADD COLUMN later TEXT; \
             INSERT INTO migrations (number, step) VALUES ({next}, 'expands'); \
             UPDATE settings SET value = '{known} for {next}' WHERE name = 'oldest_schema'"
        ),
    );
    asks(&world.door().1);
    assert_eq!(world.stop(), Some(0));
    world.serve();
    asks(&world.door().1);
    assert_eq!(world.json(&["log", "verify"])["ok"], true);
    let checked = world.json(&["store", "check"]);
    assert_eq!((&checked["ok"], checked["schema"].as_u64()), (&true.into(), Some(next)));
    assert_eq!(world.json(&["store", "migrate"])["to"].as_u64(), Some(next));

    let set = |value: String| {
        let sql = format!("UPDATE settings SET value = '{value}' WHERE name = 'oldest_schema'");
        server.sql_in(&url, &sql);
    };
    set(format!("{next} for {next}"));
    let refused = format!("has schema {next}, this version of marque knows {known}");
    other.serves_not().fails(1, &refused);
    world.cli(&["store", "check"]).fails(1, &refused);
    set(format!("{known} for {next}"));
    // A server two formats ahead, which is there for another hour.
    server.sql_in(
        &url,
        "INSERT INTO replicas (name, epoch, seen, speaks, release) VALUES ('ahead', 1, \
         (extract(epoch FROM now()) * 1000)::bigint + 3600000, 4, '9.9.9')",
    );
    let refused = other.serves_not();
    refused.fails(1, "the server `ahead` (marque 9.9.9)").fails(1, "from release to release");
    asks(&world.door().1);
}

#[test]
fn a_check_lists_the_servers_and_says_if_their_policies_differ() {
    let Some(server) = PostgresServer::shared() else { return };
    let url = url_of(server);
    let world = world_in(&url);
    let mut other = another(&world, &url);
    let checked = world.json(&["store", "check"]);
    let servers = checked["servers"].as_array().unwrap();
    assert_eq!(servers.len(), 2, "{checked}");
    assert_eq!(servers[0]["release"], env!("CARGO_PKG_VERSION"), "{checked}");
    assert_eq!(checked["policies_differ"], false, "{checked}");
    assert_eq!(other.stop(), Some(0));
    let policy = include_str!("../../../../../policies/examples/money.cedar");
    other.write("data/policies/one.cedar", policy);
    other.serve();
    let told = world.cli(&["store", "check"]);
    assert!(told.ok().contains("NOT THE SAME"), "{}", told.whole());
    assert!(told.err.contains("decide by different policies"), "{}", told.whole());
    assert_eq!(world.json(&["store", "check"])["policies_differ"], true);
}

/// What its `/readyz` answers; nothing if nobody answers.
fn ready(marque: &Marque) -> Option<u16> {
    let mut stream = UnixStream::connect(marque.socket()).ok()?;
    let head = b"GET /readyz HTTP/1.1\r\nHost: marque\r\nConnection: close\r\n\r\n";
    stream.write_all(head).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}

/// One call through each server that says it is ready; how many that were.
fn round(servers: &[&Marque], proxy: &Proxy) -> usize {
    let ready = servers.iter().filter(|server| ready(server) == Some(200));
    ready.map(|server| asks(&through(server, proxy))).count()
}

// threat 155, threat 180
#[test]
fn servers_are_restarted_one_by_one_and_no_call_is_refused_or_lost() {
    let Some(server) = PostgresServer::shared() else { return };
    let url = url_of(server);
    let world = world_in(&url);
    let linger = "[server]\nlinger = \"2s\"\n";
    let mut pair = ["west", "east"].map(|name| {
        let mut marque = beside(&world, &url, name, linger);
        marque.serve();
        marque
    });
    let (run, proxy) = world.door();
    for marque in &pair {
        eventually("it has heard of the run", || {
            (through(marque, &proxy).asks("GET", "http://plain.test/v1/a", "", "").status == 200)
                .then_some(())
        });
    }
    let before = allowed(&world);
    let mut calls = 0;
    for turn in 0..2 {
        let [west, east] = &pair;
        calls += round(&[west, east], &proxy);
        let leaving = &pair[turn];
        signal(leaving.server_pid().unwrap(), Signal::TERM);
        eventually("it says that it is not ready", || {
            calls += round(&[west, east], &proxy);
            (ready(leaving) == Some(503)).then_some(())
        });
        // Whoever has not noticed yet is still served.
        asks(&through(leaving, &proxy));
        calls += 1;
        eventually("it is gone", || {
            calls += round(&[west, east], &proxy);
            ready(leaving).is_none().then_some(())
        });
        assert_eq!(pair[turn].ends_by_itself(), Some(0));
        let [west, east] = &pair;
        calls += round(&[west, east], &proxy);
        pair[turn].serve();
        let [west, east] = &pair;
        eventually("both serve again", || {
            let served = round(&[west, east], &proxy);
            calls += served;
            (served == 2).then_some(())
        });
    }
    assert_eq!(allowed(&world) - before, calls);
    assert_eq!(run.ends(), 0);
    let verified = world.json(&["log", "verify"]);
    assert_eq!(verified["ok"], true, "{verified}");
}

fn allowed(world: &World) -> usize {
    let words = ["log", "query", "--answer", "allowed", "--limit", "1000"];
    world.json(&words).as_array().unwrap().len()
}
