//! The log's key after a theft: rotated by a human, and what others kept from before still proves.

use std::fs;
use std::path::{Path, PathBuf};

use marque_crypto::key_file::{self, Purpose};
use marque_crypto::sign::LogKey;
use marque_domain::Digest;
use marque_testkit::PostgresServer;
use marque_tlog::{Checkpoint, VerifierKey};

use super::postgres::{configure, url_of, world_in};
use super::support::{Json, Marque, World, chmod};

const A: &str = "https://api.test/v1/a";

/// The private key as somebody has it who copied its file.
struct Thief {
    folder: PathBuf,
    log: VerifierKey,
}

impl Thief {
    fn of(world: &Marque) -> Self {
        let folder = world.path("stolen");
        let log = vkey(world).parse().unwrap();
        world.tool("cp", &["-a", world.data().join("keys").to_str().unwrap(), "../stolen"]).ok();
        Self { folder, log }
    }

    /// What they sign: a head of that size, with a root of their own or the log's.
    fn signs(&self, world: &Marque, size: u64, root: Digest) -> PathBuf {
        let key = key_file::load(&self.folder.join("log"), Purpose::LogSigning).unwrap();
        let head = Checkpoint { origin: self.log.name().clone(), size, root };
        let note = head.sign(&LogKey::from_material(&key).unwrap());
        world.write(&format!("forged-{size}"), &note)
    }

    /// The bytes of the stolen private key.
    fn key(&self) -> Vec<u8> {
        fs::read(self.folder.join("log")).unwrap()
    }
}

fn vkey(world: &Marque) -> String {
    fs::read_to_string(world.data().join("log.vkey")).unwrap().trim().to_owned()
}

fn file(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn anchors(world: &Marque) -> Vec<PathBuf> {
    let kept = fs::read_dir(world.path(".local/state/marque/anchors")).unwrap();
    let mut kept: Vec<_> = kept.map(|file| file.unwrap().path()).collect();
    kept.sort();
    kept
}

fn lives(world: &World) {
    let mut run = world.run();
    assert_eq!(run.curl(A).0, 200);
    assert_eq!(run.ends(), 0);
}

fn verified(world: &Marque, words: &[&str]) -> Json {
    let found = world.json(&[&["log", "verify"], words].concat());
    assert_eq!(found["ok"], true, "{found}");
    found
}

// threat 145
#[test]
fn after_a_rotation_everything_kept_from_before_still_proves_and_the_thief_signs_nothing_more() {
    let world = World::new();
    lives(&world);
    let (old, seen) = (vkey(&world), anchors(&world));
    let (before, after) = (world.path("before.jsonl"), world.path("after.jsonl"));
    world.cli(&["log", "export", "--to", file(&before)]).ok();
    let thief = Thief::of(&world);
    let mut open = world.run();
    assert_eq!(open.curl(A).0, 200);

    let tried = world.json(&["key", "rotate", "log", "--dry-run"]);
    assert_eq!(tried["old"], old.as_str());
    assert_eq!(vkey(&world), old, "a rehearsal changes nothing");
    let rotated = world.json(&["key", "rotate", "log"]);
    let (entry, new) = (rotated["index"].as_u64().unwrap(), vkey(&world));
    assert_eq!((rotated["old"].as_str(), rotated["new"].as_str()), (Some(&*old), Some(&*new)));
    assert_ne!(fs::read(world.data().join("keys/log")).unwrap(), thief.key());
    assert!(!world.data().join("keys/log.next").exists());

    // The run that was open keeps what it sees at its end under the new key.
    assert_eq!(open.curl(A).0, 200);
    assert_eq!(open.ends(), 0);
    assert_eq!(anchors(&world).len(), 2, "{:?}", anchors(&world));
    lives(&world);

    let found = verified(&world, &[]);
    assert_eq!(found["against"].as_array().unwrap().len(), 2, "{found}");
    assert_eq!(found["rotations"][0]["index"], entry);
    for key in [&old, &new] {
        verified(&world, &["--key", key, "--against", file(&seen[0])]);
    }
    verified(&world, &["--export", file(&before), "--key", &old, "--against", file(&seen[0])]);
    world.cli(&["log", "export", "--to", file(&after)]).ok();
    for key in [&old, &new] {
        verified(&world, &["--export", file(&after), "--key", key, "--against", file(&seen[0])]);
    }
    let told = world.cli(&["log", "verify", "--key", &old]);
    let words = format!("entry {entry} rotated the log's key from {old} to {new}");
    assert!(told.ok().contains(&words), "{}", told.out);
    assert!(told.out.contains(&format!("was retired by entry {entry}")), "{}", told.out);
    assert!(world.cli(&["store", "check"]).ok().contains("all of it fits together"));

    let root = found["root"].as_str().unwrap().parse::<Digest>().unwrap();
    let size = found["size"].as_u64().unwrap();
    for (size, root) in [(size, root), (entry + 2, Digest::from_bytes([7; 32])), (9_999, root)] {
        let forged = thief.signs(&world, size, root);
        let told = world.cli(&["log", "verify", "--against", file(&forged)]);
        let named = format!("entry {entry}: retires the key `{}`", thief.log.label());
        assert!(told.ends(1).contains(&named), "{}", told.whole());
    }
}

// threat 145
#[test]
fn a_rotation_is_a_human_s_and_shows_in_the_log_and_among_the_keys() {
    let world = Marque::start();
    let old = vkey(&world);
    let mut unproven = world.words(&["key", "rotate", "log"]);
    let refused = unproven.env_remove("MARQUE_PASSPHRASE_FILE").output().unwrap();
    assert_eq!(refused.status.code(), Some(5), "{}", String::from_utf8_lossy(&refused.stderr));
    let told = world.cli(&["key", "rotate", "log"]);
    let new = vkey(&world);
    assert!(told.ok().contains(&new) && told.out.contains(&old), "{}", told.whole());
    let listed = world.cli(&["key", "list"]);
    for words in [&new, &old, "retired", "key-encryption", "machine-hash"] {
        assert!(listed.ok().contains(words), "`{words}`: {}", listed.out);
    }
    let logged = world.cli(&["log", "query", "--event", "log_key_rotated"]);
    let words = format!("alice rotated the log's key from {old} to {new}");
    assert!(logged.ok().contains(&words), "{}", logged.out);
    assert!(world.cli(&["log", "query", "--user", "alice"]).ok().contains(&words));
    let private = fs::read_to_string(world.data().join("keys/log")).unwrap();
    let private = private.split_whitespace().last().unwrap();
    assert!(!told.whole().contains(private) && !listed.whole().contains(private));
    assert!(!world.server_output().contains(private));
}

// threat 145
#[test]
fn a_log_whose_rotation_is_hidden_or_another_s_does_not_verify() {
    let mut world = World::new();
    let (old, file_of) = (vkey(&world), |name: &str| world.path(name));
    world.cli(&["key", "rotate", "log"]).ok();
    lives(&world);
    let new = vkey(&world);
    let export = file_of("log.jsonl");
    world.cli(&["log", "export", "--to", file(&export)]).ok();
    let text = fs::read_to_string(&export).unwrap();
    let (head, entries) = text.split_once('\n').unwrap();
    let mut header: Json = serde_json::from_str(head).unwrap();
    let entry = header["rotations"][0]["index"].as_u64().unwrap();
    let other = Marque::start();
    other.cli(&["key", "rotate", "log"]).ok();
    let mut of_another = header.clone();
    let strange = vkey(&other).replace(vkey(&other).split('+').next().unwrap(), "x");
    of_another["rotations"][0]["event"]["new_verifier"] = strange.into();
    header["rotations"] = Json::Array(Vec::new());
    for (name, header) in [("hidden", header), ("of-another", of_another)] {
        let path = world.write(name, &format!("{header}\n{entries}"));
        for key in [&old, &new] {
            let words = ["log", "verify", "--json", "--export", file(&path), "--key", key];
            let told = world.cli(&words);
            assert_eq!(told.code, 1, "{name}: {}", told.whole());
        }
    }
    let told = world.cli(&["log", "verify", "--export", file(&export), "--key", &vkey(&other)]);
    assert!(told.ends(1).contains("does not name the trusted key"), "{}", told.whole());

    assert_eq!(world.stop(), Some(0));
    super::support::sqlite(&world, "DELETE FROM settings WHERE name = 'log_key_rotations'");
    let told = world.cli(&["log", "verify"]);
    let words = format!("entry {entry}: rotates the log's key otherwise than is said");
    assert!(told.ends(1).contains("the claim names another log key"), "{}", told.whole());
    let told = world.cli(&["log", "verify", "--key", &old]);
    assert!(told.ends(1).contains(&words), "{}", told.whole());
    world.serves_not().fails(1, "signed by another key than `keys/log`");
}

/// Writes a key file as a crash would have left it.
fn leave(world: &Marque, name: &str, bytes: &[u8]) {
    let path = world.data().join("keys").join(name);
    fs::write(&path, bytes).unwrap();
    chmod(&path, 0o600);
}

// threat 145, threat 141
#[test]
fn a_server_killed_between_the_entry_and_the_file_finishes_at_its_next_start() {
    let mut world = World::new();
    lives(&world);
    let (old, seen) = (vkey(&world), anchors(&world));
    let first = fs::read(world.data().join("keys/log")).unwrap();
    world.cli(&["key", "rotate", "log"]).ok();
    let (new, second) = (vkey(&world), fs::read(world.data().join("keys/log")).unwrap());
    for (log, next) in [(&first, &second), (&second, &first)] {
        world.kill_server();
        leave(&world, "log", log);
        leave(&world, "log.next", next);
        world.write("data/log.vkey", &format!("{old}\n"));
        world.serve();
        assert_eq!(fs::read(world.data().join("keys/log")).unwrap(), second);
        assert!(!world.data().join("keys/log.next").exists());
        assert_eq!(vkey(&world), new);
        lives(&world);
        verified(&world, &["--against", file(&seen[0])]);
    }
    assert_eq!(world.stop(), Some(0));
    leave(&world, "log", &first);
    world.serves_not().fails(1, "the log's key was rotated by entry").fails(1, "copy the folder");
    leave(&world, "log", &second);
    world.serve();
    lives(&world);
}

/// Copies the folder `keys`, over what is there.
fn copy_keys(from: &Marque, to: &Marque) {
    let (from, to) = (from.data().join("keys/."), to.data().join("keys"));
    fs::create_dir_all(&to).unwrap();
    chmod(&to, 0o700);
    let copied = std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(copied.success());
}

// threat 145
#[test]
fn of_two_servers_the_one_with_the_old_key_ends_until_it_is_given_the_new_one() {
    let Some(server) = PostgresServer::shared() else { return };
    let url = url_of(server);
    let world = world_in(&url);
    let mut other = Marque::nothing_yet();
    configure(&other, &url);
    let config = fs::read_to_string(other.path("data/config.toml")).unwrap();
    other.write("data/config.toml", &format!("{config}replica = \"other\"\n"));
    copy_keys(&world, &other);
    other.serve();
    lives(&world);
    let (old, seen) = (vkey(&world), anchors(&world));

    world.cli(&["key", "rotate", "log"]).ok();
    assert_eq!(other.ends_by_itself(), Some(1));
    let said = other.server_output();
    assert!(said.contains("the log's key was rotated at another server"), "{said}");
    assert!(said.contains("copy its folder `keys`"), "{said}");
    other.serves_not().fails(1, "copy the folder `keys` from the server that rotated it");
    lives(&world);

    copy_keys(&world, &other);
    other.serve();
    assert_eq!(vkey(&other), vkey(&world));
    assert_ne!(vkey(&other), old);
    for marque in [&*world, &other] {
        verified(marque, &["--key", &old, "--against", file(&seen[0])]);
        verified(marque, &["--against", file(&seen[0])]);
    }
}
