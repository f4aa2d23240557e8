//! A log that somebody with the database in their hands has touched, held against what others saw.

use std::fs;
use std::path::{Path, PathBuf};

use super::support::{Json, Marque, Told, World, sqlite, sqlite_at};

/// Swaps what stands under two indices, names and all.
const SWAP: &str = "UPDATE log SET idx = -1 WHERE idx = <one>; \
    UPDATE log SET idx = <one> WHERE idx = <other>; UPDATE log SET idx = <other> WHERE idx = -1";

/// A plane with a finished run in its log, its server stopped, and the launcher's anchors.
fn finished() -> (World, PathBuf, u64) {
    let mut world = World::new();
    let mut run = world.run();
    for item in 0..6 {
        assert_eq!(run.curl(&format!("http://plain.test/v1/items/{item}")).0, 200);
    }
    assert_eq!(run.ends(), 0);
    assert_eq!(world.stop(), Some(0));
    let kept = fs::read_dir(world.path(".local/state/marque/anchors")).unwrap();
    let kept: Vec<_> = kept.map(|file| file.unwrap().path()).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    let size = sqlite(&world, "SELECT count(*) FROM log").parse().unwrap();
    (world, kept.into_iter().next().unwrap(), size)
}

/// A copy of the data directory, to be tampered with.
fn copy(world: &Marque, name: &str) -> PathBuf {
    let to = world.path(name);
    let told = world.tool("cp", &["-a", world.data().to_str().unwrap(), to.to_str().unwrap()]);
    told.ok();
    to
}

fn verify(world: &Marque, data: &Path, against: &str) -> Told {
    let data = data.to_str().unwrap();
    world.cli(&["log", "verify", "--json", "--data-dir", data, "--against", against])
}

fn found(told: &Told) -> Json {
    serde_json::from_str(&told.out).unwrap_or_else(|error| panic!("{error}: {}", told.whole()))
}

// threat 136
#[test]
fn every_change_to_the_log_is_found_and_its_first_entry_named() {
    let (world, anchors, size) = finished();
    let anchors = anchors.to_str().unwrap();
    let whole = verify(&world, &world.data(), anchors);
    assert_eq!(whole.json()["ok"], true);
    assert!(!whole.json()["anchored"].as_array().unwrap().is_empty(), "{}", whole.out);

    let cut = size - 4;
    let swap = SWAP.replace("<one>", "5").replace("<other>", "9");
    for (name, sql, first_bad) in [
        ("the-last-deleted", format!("DELETE FROM log WHERE idx >= {cut}"), cut),
        ("one-deleted", "DELETE FROM log WHERE idx = 7".to_owned(), 7),
        (
            "one-deleted-and-closed",
            "DELETE FROM log WHERE idx = 7; UPDATE log SET idx = -idx WHERE idx > 7; \
             UPDATE log SET idx = -idx - 1 WHERE idx < 0"
                .to_owned(),
            7,
        ),
        ("two-swapped", swap, 5),
        (
            "one-byte",
            "UPDATE log SET bytes = CAST(replace(CAST(bytes AS TEXT), 'stories', 'storiez') AS \
             BLOB) WHERE idx = 2"
                .to_owned(),
            2,
        ),
        ("one-leaf", "UPDATE log SET leaf = zeroblob(32) WHERE idx = 8".to_owned(), 8),
        ("one-column", "UPDATE log SET agent = 'other' WHERE idx = 6".to_owned(), 6),
        ("none-left", "DELETE FROM log".to_owned(), 0),
    ] {
        let data = copy(&world, name);
        sqlite_at(&data.join("marque.db"), &sql);
        let told = verify(&world, &data, anchors);
        assert_eq!(told.code, 1, "{name}: {}", told.whole());
        assert_eq!(found(&told)["first_bad"], first_bad, "{name}: {}", told.out);
        let words = world.cli(&["log", "verify", "--data-dir", data.to_str().unwrap()]);
        assert!(words.ends(1).contains(&first_bad.to_string()), "{name}: {}", words.whole());
    }
    assert_eq!(verify(&world, &world.data(), anchors).code, 0, "the original was not touched");
}

// threat 136
#[test]
fn a_log_that_was_replaced_whole_is_not_the_log_of_these_anchors() {
    let (world, anchors, size) = finished();
    let mut other = World::new();
    let mut run = other.run();
    for item in 0..size {
        run.curl(&format!("http://plain.test/v1/items/{item}"));
    }
    run.ends();
    other.stop();
    for file in ["marque.db", "marque.db-wal", "marque.db-shm"] {
        let _ = fs::remove_file(world.data().join(file));
    }
    for file in ["marque.db", "marque.db-wal"] {
        let from = other.data().join(file);
        from.exists().then(|| fs::copy(from, world.data().join(file)).unwrap());
    }
    let told = verify(&world, &world.data(), anchors.to_str().unwrap());
    assert_eq!(told.code, 1, "{}", told.whole());
    assert_eq!(found(&told)["ok"], false);
}

// threat 136
#[test]
fn an_edited_export_does_not_verify() {
    let (world, anchors, _) = finished();
    let anchors = anchors.to_str().unwrap();
    let key = fs::read_to_string(world.data().join("log.vkey")).unwrap();
    let file = world.path("log.jsonl");
    let file = file.to_str().unwrap();
    world.cli(&["log", "export", "--to", file]).ok();
    world.cli(&["log", "export", "--to", file]).fails(1, "cannot write");
    let verify = |file: &Path| {
        let file = file.to_str().unwrap();
        let key = key.trim();
        let words =
            ["log", "verify", "--json", "--export", file, "--key", key, "--against", anchors];
        let told = world.cli(&words);
        (told.code, told.out)
    };
    let (code, out) = verify(Path::new(file));
    assert_eq!(code, 0, "{out}");
    let text = fs::read_to_string(file).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let edited = text.replacen("stories", "storiez", 1);
    let mut swapped = lines.clone();
    swapped.swap(4, 8);
    let without_last = lines[..lines.len() - 3].to_vec();
    let without_one = [&lines[..6], &lines[7..]].concat();
    for (name, text) in [
        ("edited", edited),
        ("swapped", swapped.join("\n") + "\n"),
        ("shortened", without_last.join("\n") + "\n"),
        ("thinned", without_one.join("\n") + "\n"),
        ("cut", text[..text.len() - 9].to_owned()),
    ] {
        let file = world.write(name, &text);
        let (code, out) = verify(&file);
        assert_eq!(code, 1, "{name}: {out}");
    }
    let other = Marque::start();
    let other = fs::read_to_string(other.data().join("log.vkey")).unwrap();
    let words = ["log", "verify", "--export", file, "--key", other.trim()];
    let told = world.cli(&words);
    assert_ne!(told.code, 0, "another's key: {}", told.whole());
}

// threat 137, threat 138
#[test]
fn a_fork_and_a_step_back_are_found_by_whoever_saw_the_other_log() {
    let (mut world, anchors, _) = finished();
    let backup = copy(&world, "backup");
    let ends = |world: &mut World, item: &str| {
        world.serve();
        let told = world.cli(&[
            "run",
            "--agent",
            "bot",
            "--",
            "curl",
            "-s",
            &format!("http://plain.test/v1/{item}"),
        ]);
        world.stop();
        let seen = told.err.lines().find_map(|line| line.strip_prefix("marque: checkpoint "));
        seen.unwrap_or_else(|| panic!("{}", told.whole())).to_owned()
    };
    let seen_by_one = ends(&mut world, "one");
    let one = copy(&world, "one");
    fs::remove_dir_all(world.data()).unwrap();
    fs::rename(&backup, world.data()).unwrap();
    // The launcher kept what it saw of the first branch.
    assert_eq!(verify(&world, &world.data(), anchors.to_str().unwrap()).code, 1);
    // Who forks a log hides from the server what was seen of it.
    let (seen, hidden) = (world.data().join("seen"), fs::read(&anchors).unwrap());
    fs::remove_file(seen).unwrap();
    fs::remove_file(&anchors).unwrap();
    let seen_by_other = ends(&mut world, "other");
    fs::write(&anchors, [hidden, fs::read(&anchors).unwrap()].concat()).unwrap();
    assert_eq!(verify(&world, &one, &seen_by_one).code, 0);
    assert_eq!(verify(&world, &world.data(), &seen_by_other).code, 0);
    assert_eq!(verify(&world, &one, &seen_by_other).code, 1);
    assert_eq!(verify(&world, &world.data(), &seen_by_one).code, 1);
    let own = world.cli(&["log", "verify", "--json", "--data-dir", one.to_str().unwrap()]);
    assert_eq!(own.code, 1, "the anchors hold both branches: {}", own.whole());
}
