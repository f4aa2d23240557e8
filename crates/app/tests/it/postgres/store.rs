//! `marque store`: looked at, brought up to date, moved from files into a database.

use marque_testkit::{DATABASE_PASSWORD, PostgresServer};

use super::super::support::{Marque, World, sqlite};
use super::{asks, configure, url_of};

fn moves(world: &Marque, url: &str) -> super::super::support::Told {
    let file = world.write("database-url", url);
    world.cli(&["store", "move", "--to-url-file", file.to_str().unwrap()])
}

// threat 151, threat 155
#[test]
fn a_plane_moves_into_a_database_whole_and_is_served_there_and_nowhere_else() {
    let Some(server) = PostgresServer::shared() else { return };
    let mut world = World::new();
    asks(&world.door().1);
    let url = url_of(server);
    moves(&world, &url).fails(1, "is in use by another server");
    assert_eq!(world.stop(), Some(0));
    let before = world.json(&["log", "verify"]);
    let seen = format!("{}:{}", before["size"], before["root"].as_str().unwrap());
    let told = moves(&world, &url);
    assert!(told.ok().contains("[database]\nurl_file = "), "{}", told.whole());
    assert!(told.out.contains("every one compared"), "{}", told.whole());
    assert!(!told.whole().contains(DATABASE_PASSWORD), "the password was said");

    let refused = world.serves_not();
    refused.fails(1, "its plane lives there now").hints("--take-back");
    moves(&world, &url).fails(1, "its plane lives there now");
    configure(&world, &url);
    world.serve();
    assert_eq!(world.json(&["log", "verify", "--against", &seen])["ok"], true);
    let checked = world.json(&["store", "check"]);
    assert_eq!(checked["ok"], true, "{checked}");
    asks(&world.door().1);
    assert_eq!(world.stop(), Some(0));

    std::fs::remove_file(world.data().join("config.toml")).unwrap();
    let back = world.cli(&["store", "move", "--take-back"]);
    assert!(back.ok().contains("marque store restored"), "{}", back.whole());
    // threat 156: what was taken away in the database since is not known to the file.
    world.serves_not().fails(1, "it is an older copy").hints("marque store restored");
    world.cli(&["store", "restored"]).ok();
    world.serve();
    let after = world.json(&["log", "verify", "--against", &seen]);
    assert_eq!(after["ok"], true, "{after}");
}

// threat 155
#[test]
fn a_move_that_broke_off_leaves_a_database_that_nobody_serves_or_fills_again() {
    let Some(server) = PostgresServer::shared() else { return };
    let mut world = World::new();
    assert_eq!(world.stop(), Some(0));
    let (url, used) = (url_of(server), url_of(server));
    // A table that takes no row breaks the copy off in the middle.
    let other = Marque::nothing_yet();
    configure(&other, &url);
    other.cli(&["store", "migrate"]).ok();
    server.sql_in(&url, "ALTER TABLE settings ADD CHECK (name <> 'trust_domain')");
    moves(&world, &url).fails(1, "");
    moves(&world, &url).fails(1, "not whole").hints("create it anew");
    other.serves_not().fails(1, "not whole");
    other.cli(&["store", "check"]).fails(1, "not whole");
    world.serve();
    world.cli(&["agent", "list"]).ok();
    assert_eq!(world.stop(), Some(0));

    configure(&other, &used);
    let mut other = other;
    other.serve();
    other.cli(&["claim", "--name", "mallory"]).ok();
    assert_eq!(other.stop(), Some(0));
    moves(&world, &used).fails(1, "is not empty");
}

#[test]
fn a_configured_database_does_not_hide_a_plane_in_files() {
    let mut world = World::new();
    assert_eq!(world.stop(), Some(0));
    configure(&world, "postgres://marque@127.0.0.1:1/marque");
    world.serves_not().fails(1, "a plane that was not moved").hints("marque store move");
}

// threat 136
#[test]
fn a_check_finds_what_does_not_fit() {
    let mut world = World::new();
    asks(&world.door().1);
    assert_eq!(world.stop(), Some(0));
    let checked = world.json(&["store", "check"]);
    assert_eq!(checked["ok"], true, "{checked}");
    assert!(checked["schema"].as_u64() >= Some(2), "{checked}");
    assert!(world.cli(&["store", "migrate", "--dry-run"]).ok().contains("up to date"));
    sqlite(&world, "UPDATE log SET agent = 'other' WHERE event = 'decided'");
    world.cli(&["store", "check"]).ends(1);
    let told = world.cli(&["store", "check"]);
    assert!(told.out.contains("filed under other words"), "{}", told.whole());
}

#[test]
fn a_schema_is_brought_up_to_date_without_serving() {
    let Some(server) = PostgresServer::shared() else { return };
    let marque = Marque::nothing_yet();
    configure(&marque, &url_of(server));
    let rehearsed = marque.json(&["store", "migrate", "--dry-run"]);
    assert_eq!(rehearsed["from"], serde_json::Value::Null, "{rehearsed}");
    marque.cli(&["store", "check"]).fails(1, "there is no store");
    assert_eq!(marque.json(&["store", "migrate"])["dry_run"], false);
    let again = marque.json(&["store", "migrate"]);
    assert_eq!(again["from"], again["to"], "{again}");
}
