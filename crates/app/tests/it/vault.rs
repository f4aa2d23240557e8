//! Sealed credentials and the keys they hang on, in the hands of somebody who has the files.

use std::fs;

use super::support::{CREDENTIAL, Marque, Upstream, World, chmod, sqlite};

const OTHER: &str = "canary-credential-of-the-other";

// threat 149
#[test]
fn sealed_bytes_that_changed_places_open_nothing() {
    let mut world = World::new();
    let other = Upstream::plain();
    world.write("secret", OTHER);
    world.connects("other", &other, &["--host", "other.test", "--plain-http"]);
    world.cli(&["grant", "add", "bot", "--until", "1d", "--allow", "other:GET /**"]).ok();
    let before = ["plain", "other"].map(|name| {
        let shown = world.json(&["connection", "show", name]);
        shown["credential"].as_str().unwrap().to_owned()
    });
    world.stop();
    let [one, two] = before;
    sqlite(
        &world,
        &format!(
            "UPDATE sealed SET credential = 'parked' WHERE credential = '{one}'; \
             UPDATE sealed SET credential = '{one}' WHERE credential = '{two}'; \
             UPDATE sealed SET credential = '{two}' WHERE credential = 'parked'"
        ),
    );
    world.serve();
    let (_run, proxy) = world.door();
    for host in ["plain.test", "other.test"] {
        let answer = proxy.asks("GET", &format!("http://{host}/v1/a"), "", "");
        assert_ne!(answer.status, 200, "{answer:?}");
        assert!(answer.text.contains("marque-refusal: "), "{answer:?}");
    }
    world.plain.saw_nothing();
    other.saw_nothing();
}

// threat 149
#[test]
fn the_sealed_bytes_of_an_older_revision_open_nothing() {
    let mut world = World::new();
    let shown = world.json(&["connection", "show", "plain"]);
    let credential = shown["credential"].as_str().unwrap();
    let old =
        sqlite(&world, &format!("SELECT hex(bytes) FROM sealed WHERE credential = '{credential}'"));
    let told = world.cli_given(&["connection", "rotate", "plain", "--secret-stdin"], OTHER);
    told.ok();
    world.stop();
    let back = format!("UPDATE sealed SET bytes = x'{old}' WHERE credential = '{credential}'");
    sqlite(&world, &back);
    world.serve();
    let (_run, proxy) = world.door();
    let answer = proxy.asks("GET", "http://plain.test/v1/a", "", "");
    assert_ne!(answer.status, 200, "{answer:?}");
    world.plain.saw_nothing();
}

#[test]
fn a_rotated_credential_is_used_at_once_and_the_old_one_is_shredded() {
    let world = World::new();
    let (_run, proxy) = world.door();
    proxy.asks("GET", "http://plain.test/v1/a", "", "").is(200, "");
    let file = world.write("next", OTHER);
    let file = file.to_str().unwrap();
    let rehearsed = ["connection", "rotate", "plain", "--secret-file", file, "--dry-run"];
    world.cli(&rehearsed).ok();
    proxy.asks("GET", "http://plain.test/v1/a", "", "").is(200, "");
    let rotated = world.json(&["connection", "rotate", "plain", "--secret-file", file]);
    assert_eq!(rotated["credential_revision"], 2, "{rotated}");
    proxy.asks("GET", "http://plain.test/v1/a", "", "").is(200, "");
    let shown: Vec<_> = world
        .plain
        .saw()
        .iter()
        .map(|seen| seen.field("authorization").unwrap().to_owned())
        .collect();
    let (old, new) = (format!("Bearer {CREDENTIAL}"), format!("Bearer {OTHER}"));
    assert_eq!(shown, [old.clone(), old, new]);
    assert_eq!(sqlite(&world, "SELECT count(*) FROM sealed"), "2");
    world.cli(&["connection", "remove", "plain"]).ok();
    assert_eq!(sqlite(&world, "SELECT count(*) FROM sealed"), "1");
}

// threat 151
#[test]
fn a_server_does_not_start_with_the_keys_of_another_plane() {
    let (mut world, mut other) = (World::new(), Marque::start());
    world.stop();
    other.stop();
    for key in ["kek", "log", "machine"] {
        let path = world.data().join("keys").join(key);
        let own = fs::read(&path).unwrap();
        // Another machine key lies to nobody: what it hashes dies with the server.
        for foreign in [key].iter().filter(|key| **key != "machine") {
            fs::write(&path, fs::read(other.data().join("keys").join(foreign)).unwrap()).unwrap();
            let told = world.serves_not();
            assert_ne!(told.code, 0, "`{key}` of another plane was taken: {}", told.whole());
            assert!(told.err.contains("error: ") && told.err.contains("key"), "{}", told.whole());
        }
        fs::remove_file(&path).unwrap();
        let told = world.serves_not();
        assert_ne!(told.code, 0, "`{key}` was made anew: {}", told.whole());
        assert!(!path.exists(), "`{key}` was made anew");
        fs::write(&path, "no key at all").unwrap();
        chmod(&path, 0o600);
        assert_ne!(world.serves_not().code, 0, "a damaged `{key}` was taken");
        fs::write(&path, own).unwrap();
        chmod(&path, 0o600);
    }
    world.serve();
    let (_run, proxy) = world.door();
    proxy.asks("GET", "http://plain.test/v1/a", "", "").is(200, "");
}
