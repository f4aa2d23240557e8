//! A held call, a human's yes, and everything that yes does not cover.

use std::thread;

use super::support::{CREDENTIAL, World, chmod};

const HELD: &str = "refused.mandate.needs_approval";
const ORDERS: &str = "https://api.test/v1/orders";

// threat 127, threat 128
#[test]
fn an_approved_call_goes_through_once_and_a_changed_one_does_not() {
    let world = World::new();
    let (mut run, mut other) = (world.run(), world.run());
    let same = format!("-H 'X-Mode: dry' -d 'pay 10' {ORDERS}");
    let (status, body) = run.curl(&same);
    assert_eq!((status, body.contains(HELD)), (403, true), "{body}");
    let id = world.gives();
    assert!(body.contains(&format!("marque approval give {id}")), "{body}");

    for changed in [
        format!("-H 'X-Mode: dry' -d 'pay 99' {ORDERS}"),
        format!("-H 'X-Mode: wet' -d 'pay 10' {ORDERS}"),
        format!("-d 'pay 10' {ORDERS}"),
        format!("-H 'X-Mode: dry' -H 'X-More: 1' -d 'pay 10' {ORDERS}"),
        format!("-H 'X-Mode: dry' -d 'pay 10' '{ORDERS}?twice=1'"),
        format!("-H 'X-Mode: dry' -H 'Content-Type: text/plain' -d 'pay 10' {ORDERS}"),
        "-H 'X-Mode: dry' -d 'pay 10' http://plain.test/v1/orders".to_owned(),
        format!("-H 'X-Mode: dry' -X POST {ORDERS}"),
    ] {
        let (status, body) = run.curl(&changed);
        assert_eq!((status, body.contains(HELD)), (403, true), "{changed}: {body}");
    }
    let (status, body) = other.curl(&same);
    assert_eq!((status, body.contains(HELD)), (403, true), "another run: {body}");
    world.api.saw_nothing();
    world.plain.saw_nothing();

    assert_eq!(run.curl(&same).0, 200);
    let seen = world.api.saw_one();
    assert_eq!(
        (seen.method(), seen.target(), seen.body.as_str()),
        ("POST", "/v1/orders", "pay 10")
    );
    assert_eq!(seen.field("authorization"), Some(format!("Bearer {CREDENTIAL}").as_str()));
    let (status, body) = run.curl(&same);
    assert_eq!((status, body.contains(HELD)), (403, true), "{body}");
    assert_eq!(world.api.saw().len(), 1);
    let shown = world.json(&["approval", "show", &id]);
    assert_eq!(shown["state"], "used", "{shown}");
}

// threat 128
#[test]
fn of_two_uses_at_once_one_is_served() {
    let world = World::new();
    let (_run, proxy) = world.door();
    let url = "http://plain.test/v1/orders";
    proxy.asks("POST", url, "", "pay 10").is(403, HELD);
    world.gives();
    let tries: Vec<_> = (0..8)
        .map(|_| {
            let proxy = proxy.clone();
            thread::spawn(move || proxy.asks("POST", url, "", "pay 10").status)
        })
        .collect();
    let mut statuses: Vec<_> = tries.into_iter().map(|each| each.join().unwrap()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 403, 403, 403, 403, 403, 403, 403]);
    world.plain.saw_one();
}

#[test]
fn a_human_sees_exactly_what_is_asked_and_can_say_no() {
    let world = World::new();
    let mut run = world.run();
    run.curl(&format!("-H 'X-Note: \u{202e}evil' -d 'pay 10' {ORDERS}"));
    run.curl(&format!("-H 'X-Mode: dry' -d 'pay 10' '{ORDERS}?a=1'"));
    let listed = world.cli(&["approval", "list"]);
    assert!(listed.ok().contains("POST https://api.test:443/v1/orders"), "{}", listed.out);
    let waiting = world.json(&["approval", "list"]);
    let waiting = waiting.as_array().unwrap();
    let asked = waiting.iter().find(|one| one.to_string().contains("a=1")).unwrap();
    let id = asked["approval"]["id"].as_str().unwrap();
    let shown = world.cli(&["approval", "show", id]);
    for words in ["bot@v1", &run.id, "ticket:OPS-12", "query: a=1", "pay 10", "header.x-mode: dry"]
    {
        assert!(shown.ok().contains(words), "`{words}` is missing: {}", shown.out);
    }
    assert!(shown.out.contains(asked["approval"]["digest"].as_str().unwrap()), "{}", shown.out);
    let all = waiting.iter().map(|one| one["approval"]["id"].as_str().unwrap());
    for id in all {
        let shown = world.cli(&["approval", "show", id]);
        assert!(!shown.ok().contains('\u{202e}'), "{}", shown.out);
    }

    let rehearsed = world.json(&["approval", "decline", id, "--dry-run"]);
    assert_eq!(rehearsed["state"], "declined");
    assert_eq!(world.json(&["approval", "show", id])["state"], "asked");
    world.cli(&["approval", "decline", id]).ok();
    assert_eq!(world.json(&["approval", "show", id])["state"], "declined");
    world.cli(&["approval", "give", id]).fails(1, "already declined");
    let (status, _) = run.curl(&format!("-H 'X-Mode: dry' -d 'pay 10' '{ORDERS}?a=1'"));
    assert_eq!(status, 403);
    world.api.saw_nothing();
}

// threat 126, threat 127
#[test]
fn a_yes_needs_the_factor_and_the_digest_that_was_seen() {
    let world = World::new();
    let mut run = world.run();
    run.curl(&format!("-d 'pay 10' {ORDERS}"));
    let waiting = world.json(&["approval", "list"]);
    let id = waiting[0]["approval"]["id"].as_str().unwrap();
    let wrong = world.write("wrong", "not the passphrase at all");
    let wrong = wrong.to_str().unwrap();
    world.cli(&["approval", "give", id, "--passphrase-file", wrong]).fails(3, "passphrase");
    let other = format!("sha256:{}", "0".repeat(64));
    world.cli(&["approval", "give", id, "--digest", &other]).fails(1, "not for");
    let mut command = world.words(&["approval", "give", id]);
    let unproven = command.env_remove("MARQUE_PASSPHRASE_FILE").output().unwrap();
    assert!(!unproven.status.success());
    assert_eq!(world.json(&["approval", "show", id])["state"], "asked");
    assert_eq!(run.curl(&format!("-d 'pay 10' {ORDERS}")).0, 403);
    world.api.saw_nothing();
    let failed = world.json(&["log", "query", "--operation", "factor.failed"]);
    assert_eq!(failed.as_array().unwrap().len(), 1, "{failed}");
}

// threat 128
#[test]
fn an_approval_that_lapsed_is_not_served() {
    let mut marque = super::support::Marque::nothing_yet();
    std::fs::create_dir(marque.data()).unwrap();
    chmod(&marque.data(), 0o700);
    marque.write("data/config.toml", "[approval]\nttl = \"6s\"\n");
    marque.serve();
    marque.cli(&["claim", "--name", "alice"]).ok();
    let world = World::on(marque);
    let mut run = world.run();
    run.curl(&format!("-d 'pay 10' {ORDERS}"));
    let id = world.gives();
    super::support::eventually("the approval lapses", || {
        let shown = world.json(&["approval", "show", &id]);
        (shown["state"] == "lapsed").then_some(())
    });
    let (status, body) = run.curl(&format!("-d 'pay 10' {ORDERS}"));
    assert_eq!((status, body.contains(HELD)), (403, true), "{body}");
    world.api.saw_nothing();
}
