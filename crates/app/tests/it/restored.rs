//! A store that was put back from a backup has forgotten what was taken away since. It is not
//! served before somebody said so, and then nothing is allowed before a human turns it on again.

use std::fs;
use std::path::Path;

use super::support::{Marque, World, chmod, sqlite};

const OPENS: [&str; 7] = ["run", "--agent", "bot", "--task", "ticket:OPS-13", "--", "true"];

/// Puts a copy of the store into the place of the one that is there.
fn put_back(world: &Marque, copy: &Path) {
    for name in ["marque.db", "marque.db-wal", "marque.db-shm"] {
        let _ = fs::remove_file(world.data().join(name));
    }
    fs::copy(copy, world.database()).unwrap();
    chmod(&world.database(), 0o600);
}

fn revokes_all(world: &Marque) {
    let grants = world.json(&["grant", "list"]);
    for grant in grants.as_array().unwrap() {
        world.cli(&["grant", "revoke", grant["id"].as_str().unwrap()]).ok();
    }
}

/// They speak of entries that are lost.
pub(super) fn forgets_anchors(marque: &Marque) {
    let _ = fs::remove_dir_all(marque.path(".local/state/marque/anchors"));
}

// threat 156
#[test]
fn an_older_copy_is_not_served_until_it_is_taken_and_allows_nothing_until_a_human_resumes() {
    let mut world = World::new();
    let (mut run, proxy) = world.door();
    proxy.asks("GET", "http://plain.test/v1/a", "", "").is(200, "");
    assert_eq!(run.curl("-X POST -d x http://plain.test/v1/orders").0, 403);
    // While the server runs: one run is open, and one approval waits.
    let copy = world.path("copy.db");
    sqlite(&world, &format!("VACUUM INTO '{}'", copy.display()));
    revokes_all(&world);
    world.cli(&["kill", &proxy.run]).ok();
    drop(run);
    assert_eq!(world.stop(), Some(0));

    put_back(&world, &copy);
    let refused = world.serves_not();
    refused.fails(1, "were seen here before: it is an older copy").hints("marque store restored");
    let rehearsed = world.json(&["store", "restored", "--dry-run"]);
    assert_eq!(rehearsed["runs"].as_array().unwrap().len(), 1, "{rehearsed}");
    assert!(rehearsed["seen"]["size"].as_u64() > rehearsed["found"].as_u64(), "{rehearsed}");
    world.serves_not().fails(1, "it is an older copy");
    let taken = world.json(&["store", "restored"]);
    assert_eq!(taken["agents"], serde_json::json!(["bot"]), "{taken}");
    for same in ["number", "found", "root", "agents", "runs", "approvals"] {
        assert_eq!(taken[same], rehearsed[same], "what was rehearsed is what is done");
    }
    assert_eq!(taken["approvals"].as_array().unwrap().len(), 1, "{taken}");

    world.serve();
    world.cli(&["store", "restored"]).fails(1, "is in use by another server");
    // The grant that was revoked is live in the copy, and serves nobody.
    assert!(!world.json(&["grant", "list"]).as_array().unwrap().is_empty());
    world.cli(&OPENS).fails(1, "is suspended");
    assert_eq!(world.json(&["run", "list"]), serde_json::json!([]));
    assert_eq!(world.json(&["approval", "list"]), serde_json::json!([]));
    let told = world.cli(&["log", "query", "--event", "restored"]);
    assert!(told.ok().contains("an older copy of the store was taken"), "{}", told.whole());
    forgets_anchors(&world);
    assert_eq!(world.json(&["log", "verify"])["ok"], true);
    assert_eq!(world.json(&["store", "check"])["ok"], true);

    world.cli(&["agent", "resume", "bot"]).ok();
    let (run, proxy) = world.door();
    proxy.asks("GET", "http://plain.test/v1/a", "", "").is(200, "");
    assert_eq!(run.ends(), 0);
    assert_eq!(world.stop(), Some(0));
    // What came of the copy is what counts from now on: the copy itself is older again.
    put_back(&world, &copy);
    world.serves_not().fails(1, "it is an older copy");
}

// threat 156: what the server saw is put back too; what launchers saw lies elsewhere.
#[test]
fn a_data_directory_that_was_put_back_whole_is_told_by_the_anchors() {
    let mut world = World::new();
    assert_eq!(world.stop(), Some(0));
    let copy = world.path("copy");
    let (data, copied) = (world.data(), copy.to_str().unwrap().to_owned());
    world.tool("cp", &["-a", data.to_str().unwrap(), &copied]).ok();
    world.serve();
    assert_eq!(world.run().ends(), 0);
    world.cli(&["agent", "suspend", "bot"]).ok();
    assert_eq!(world.stop(), Some(0));

    fs::remove_dir_all(&data).unwrap();
    world.tool("cp", &["-a", &copied, data.to_str().unwrap()]).ok();
    world.serves_not().fails(1, "it is an older copy").hints("marque store restored");
    let taken = world.cli(&["store", "restored"]);
    assert!(taken.ok().contains("marque agent resume bot"), "{}", taken.whole());
    for _ in 0..2 {
        world.serve();
        world.cli(&OPENS).fails(1, "is suspended");
        assert_eq!(world.stop(), Some(0));
    }
    world.serve();
    world.cli(&["agent", "resume", "bot"]).ok();
    assert_eq!(world.run().ends(), 0);
    // The old anchors speak of entries that are lost, and the log does not pretend otherwise.
    world.cli(&["log", "verify"]).ends(1);
    forgets_anchors(&world);
    assert_eq!(world.run().ends(), 0);
    assert_eq!(world.json(&["log", "verify"])["ok"], true);
}

// threat 156: whoever is still there from before the copy was put back: a captured run that waits
// for its server, and an approval that was given since.
#[test]
fn a_run_that_outlives_its_server_does_not_go_on_at_an_older_copy() {
    let mut world = World::new();
    let mut run = world.captured();
    assert_eq!(run.curl("http://plain.test/v1/before").0, 200);
    assert_eq!(run.curl("-X POST http://plain.test/v1/orders").0, 403);
    let copy = world.path("copy.db");
    sqlite(&world, &format!("VACUUM INTO '{}'", copy.display()));
    let given = world.gives();
    world.cli(&["connection", "remove", "api"]).ok();
    run.begins("while :; do curl -sS -m 2 http://plain.test/v1/after; done >&2 2>/dev/null");
    assert_eq!(world.stop(), Some(0));
    let reached = world.plain.saw().len();
    put_back(&world, &copy);
    world.cli(&["store", "restored"]).ok();
    world.serve();
    assert_eq!(run.code(), 137, "{}", run.said());
    assert_eq!(world.json(&["run", "show", &run.id])["state"], "orphaned");
    let state = world.json(&["approval", "show", &given])["state"].clone();
    assert_eq!(state, "lapsed");
    assert_eq!(world.plain.saw().len(), reached, "it went on");
    // What came back with the copy is there to be looked at, and serves nobody.
    assert_eq!(world.json(&["connection", "show", "api"])["state"], "live");
    world.cli(&OPENS).fails(1, "is suspended");
}

#[test]
fn a_copy_made_beside_the_running_server_is_whole() {
    let world = World::new();
    let (_run, proxy) = world.door();
    let copy = world.path("copy");
    fs::create_dir(&copy).unwrap();
    fs::copy(world.data().join("log.vkey"), copy.join("log.vkey")).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..60 {
                proxy.asks("GET", "http://plain.test/v1/a", "", "").is(200, "");
            }
        });
        let into = copy.join("marque.db");
        sqlite(&world, &format!("VACUUM INTO '{}'", into.display()));
    });
    let at = ["--data-dir", copy.to_str().unwrap()];
    let verified = world.json(&[&["log", "verify"], &at[..]].concat());
    assert_eq!(verified["ok"], true, "{verified}");
    let checked = world.json(&[&["store", "check"], &at[..]].concat());
    assert_eq!(checked["ok"], true, "{checked}");
}

#[test]
fn a_plane_that_nobody_claimed_has_nothing_to_restore() {
    let mut marque = Marque::unclaimed();
    assert_eq!(marque.stop(), Some(0));
    marque.cli(&["store", "restored"]).fails(1, "nobody has claimed this plane");
    marque.cli(&["store", "restored", "--dry-run"]).fails(1, "nobody has claimed this plane");
    marque.serve();
    marque.cli(&["claim", "--name", "alice"]).ok();
    assert_eq!(marque.stop(), Some(0));
    marque.write("data/seen", "{");
    marque.serves_not().fails(1, "cannot read").hints("marque store restored");
}
