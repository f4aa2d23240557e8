//! A plane in a PostgreSQL database: the same story, and what only a database can do to it.

mod crashes;
mod failover;
mod history;
mod namespace;
mod paused;
mod refusing;
mod releases;
mod replicas;
mod restored;
mod store;

use marque_testkit::{DATABASE_PASSWORD, PostgresServer};

use super::canary::hunt;
use super::support::{Marque, Proxy, World, chmod, eventually};

const A: &str = "http://plain.test/v1/a";

/// The URL of an empty schema, over TCP, with the password in it.
pub(super) fn url_of(server: &PostgresServer) -> String {
    let url = server.url_over_tcp("127.0.0.1", "sslmode=disable");
    url.replacen("marque@", &format!("marque:{DATABASE_PASSWORD}@"), 1)
}

/// Writes the URL where only its owner can read it, and names that file in the configuration.
pub(super) fn configure(marque: &Marque, url: &str) {
    let file = marque.write("database-url", &format!("{url}\n"));
    std::fs::create_dir_all(marque.data()).unwrap();
    chmod(&marque.data(), 0o700);
    let config = format!("[database]\nurl_file = \"{}\"\n", file.display());
    marque.write("data/config.toml", &config);
}

/// The usual cast on a plane in a database.
pub(super) fn world_in(url: &str) -> World {
    let mut marque = Marque::nothing_yet();
    configure(&marque, url);
    marque.serve();
    marque.cli(&["claim", "--name", "alice"]).ok();
    World::on(marque)
}

fn asks(proxy: &Proxy) {
    proxy.asks("GET", A, "", "").is(200, "");
}

// threat 144: the password of the database is a secret like any other.
#[test]
fn a_plane_in_a_database_does_all_that_one_in_files_does_and_keeps_its_password() {
    let Some(server) = PostgresServer::start() else { return };
    let mut world = world_in(&url_of(&server));
    let (mut run, proxy) = world.door();
    asks(&proxy);
    assert_eq!(run.curl("-X DELETE https://api.test/v1/a").0, 403);
    assert!(!world.database().exists(), "nothing is kept in files");
    let mut said = String::new();
    for words in
        [&["log", "verify"][..], &["log", "query"], &["store", "check"], &["config", "check"]]
    {
        let told = world.cli(words);
        said += told.ok();
        said += &told.err;
    }
    assert!(said.contains("all of it fits together"), "{said}");
    let pid = world.server_pid().unwrap();
    for file in ["environ", "cmdline"] {
        let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap();
        said += &String::from_utf8_lossy(&bytes);
    }
    assert!(run.types("env").out.contains("MARQUE_RUN"));
    assert!(!run.types("env").out.contains("DATABASE"));
    assert_eq!(run.ends(), 0);
    assert_eq!(world.stop(), Some(0));
    said += &world.server_output();
    assert!(said.contains("store      127.0.0.1:"), "{said}");
    assert!(!said.contains(DATABASE_PASSWORD), "the password was said");
    assert_eq!(hunt(world.home(), DATABASE_PASSWORD), ["database-url"]);

    // A command starts the server by itself, from the environment alone too.
    std::fs::remove_file(world.path("data/config.toml")).unwrap();
    let unset = world.serves_not();
    unset.fails(1, "no database is configured").hints("url_file");
    let mut command = world.words(&["agent", "list"]);
    command.env("MARQUE_DATABASE_URL_FILE", world.path("database-url"));
    let listed = command.output().unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    assert!(String::from_utf8_lossy(&listed.stdout).contains("bot"));
}

// threat 141, threat 153
#[test]
fn a_killed_server_finds_everything_in_its_database_again_and_marks_what_was_under_way() {
    let Some(server) = PostgresServer::shared() else { return };
    let mut world = world_in(&url_of(server));
    let mut run = world.run();
    run.begins("curl -sS http://plain.test/v1/slow > slow.out");
    let size = || std::fs::metadata(world.path("work/slow.out")).map_or(0, |found| found.len());
    eventually("the stream flows", || (size() > 0).then_some(()));
    let seen = world.json(&["log", "verify"]);
    let seen = format!("{}:{}", seen["size"], seen["root"].as_str().unwrap());
    world.kill_server();
    assert_eq!(run.code(), 137);
    world.serve();
    let outcomes = world.json(&["log", "query", "--event", "outcome"]);
    assert!(outcomes.to_string().contains("\"unknown\""), "{outcomes}");
    assert_eq!(world.json(&["log", "verify", "--against", &seen])["ok"], true);
    asks(&world.door().1);
}

// threat 141
#[test]
fn calls_are_refused_while_the_database_is_away_and_go_on_when_it_is_back() {
    let Some(mut server) = PostgresServer::start() else { return };
    let world = world_in(&url_of(&server));
    let (_run, proxy) = world.door();
    asks(&proxy);
    server.stop();
    let reached = world.plain.saw().len();
    proxy.asks("GET", A, "", "").is(503, "refused.record.log_unavailable");
    eventually("the server says how far behind it is", || {
        (behind_seconds(&world) > 0.5).then_some(())
    });
    assert_eq!(world.plain.saw().len(), reached, "nothing may happen off the record");
    world.cli(&["log", "verify"]).fails(5, "cannot be reached").hints("is the database up");
    server.start_again();
    eventually("calls go through again", || {
        (proxy.asks("GET", A, "", "").status == 200).then_some(())
    });
    eventually("and that it is not any more", || (behind_seconds(&world) < 0.5).then_some(()));
    world.cli(&["log", "verify"]).ok();
}

/// What the metrics say of how far a server is behind the others.
fn behind_seconds(world: &World) -> f64 {
    let socket = world.socket();
    let words = ["-sS", "--unix-socket", socket.to_str().unwrap(), "http://marque/metrics"];
    let told = world.tool("curl", &words);
    let mut lines = told.ok().lines();
    let value = lines.find_map(|line| line.strip_prefix("marque_behind_seconds "));
    value.unwrap().parse().unwrap()
}

#[test]
fn a_database_that_does_not_let_us_in_is_named_and_its_password_is_not() {
    let Some(server) = PostgresServer::shared() else { return };
    let marque = Marque::nothing_yet();
    let url = url_of(server);
    let secret = "canary-wrong-password";
    for (url, words) in [
        (url.replace(DATABASE_PASSWORD, secret), "28P01"),
        (format!("postgres://marque:{secret}@127.0.0.1:1/marque"), "127.0.0.1:1"),
    ] {
        configure(&marque, &url);
        let told = marque.serves_not();
        told.fails(5, words).fails(5, "the database cannot be reached").hints("password right");
        assert!(!told.whole().contains(secret), "{}", told.whole());
    }
    for url in [format!("mysql://marque:{secret}@db.example/m"), format!("postgres://{secret}")] {
        configure(&marque, &url);
        let told = marque.serves_not();
        told.fails(1, "the URL of the database cannot be used").hints("database-url");
        assert!(!told.whole().contains(secret), "{}", told.whole());
    }
}

// threat 158
#[test]
fn a_url_file_that_others_can_read_is_refused() {
    let marque = Marque::nothing_yet();
    configure(&marque, "postgres://marque:canary@127.0.0.1:1/marque");
    for mode in [0o644, 0o640, 0o604] {
        chmod(&marque.path("database-url"), mode);
        marque.serves_not().fails(1, "others may read it").hints("chmod 600");
    }
}

// threat 151
#[test]
fn a_plane_in_a_database_is_not_served_without_its_keys_or_with_others() {
    let Some(server) = PostgresServer::shared() else { return };
    let mut world = world_in(&url_of(server));
    let other = Marque::start();
    assert_eq!(world.stop(), Some(0));
    let (keys, aside) = (world.data().join("keys"), world.path("keys"));
    std::fs::rename(&keys, &aside).unwrap();
    let refused = world.serves_not();
    refused.fails(1, "").hints("copy the folder `keys` from another server");
    assert!(!keys.join("kek").exists(), "keys must not be made anew beside a plane");
    std::fs::remove_dir_all(&keys).unwrap();
    let from = other.data().join("keys");
    world.tool("cp", &["-a", from.to_str().unwrap(), keys.to_str().unwrap()]).ok();
    world.serves_not().fails(1, "first opened with other keys");
    std::fs::remove_dir_all(&keys).unwrap();
    std::fs::rename(&aside, &keys).unwrap();
    world.serve();
    asks(&world.door().1);
}

#[test]
fn a_second_server_on_the_same_database_is_refused() {
    let Some(server) = PostgresServer::shared() else { return };
    let url = url_of(server);
    let world = world_in(&url);
    let other = Marque::nothing_yet();
    configure(&other, &url);
    other.serves_not().fails(1, "is in use by another server");
    world.serves_not().fails(1, "is in use by another server");
    world.cli(&["agent", "list"]).ok();
}
