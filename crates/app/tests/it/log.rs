//! The log, asked as an incident reviewer asks.

use super::support::{Json, Run, World};

#[test]
fn the_log_says_who_did_what_for_whom_under_which_rule() {
    let world = World::new();
    let mut run =
        Run::open(&world, &["--agent", "bot", "--task", "workflow:close", "--for", "alice"]);
    for item in ["invoices/1", "invoices/2", "invoices/2"] {
        run.curl(&format!("https://api.test/v1/{item}"));
    }
    run.curl("-X DELETE https://api.test/v1/invoices/1");
    run.curl("-d pay https://api.test/v1/orders");
    let id = run.id.clone();
    assert_eq!(run.ends(), 0);

    let told = world.cli(&["log", "query", "--agent", "bot", "--event", "decided"]);
    let line = told.ok().lines().next().unwrap();
    for words in [
        "bot@v1 api:GET /v1/invoices/1 was allowed under `api:GET /v1/**`",
        "task workflow:close, for alice",
        &id,
        "(dec_",
    ] {
        assert!(line.contains(words), "`{words}` is missing: {line}");
    }
    assert!(told.out.contains("was refused, refused.mandate.nothing_allows"), "{}", told.out);
    assert!(told.out.contains("was held, refused.mandate.needs_approval"), "{}", told.out);

    let count = |words: &[&str]| {
        let told = world.json(&[&["log", "query"], words].concat());
        told.as_array().unwrap().len()
    };
    let decided = ["--event", "decided"];
    for (words, expected) in [
        (&["--task", "workflow:close"][..], 5),
        (&["--task", "workflow:other"], 0),
        (&["--agent", "bot"], 5),
        (&["--agent", "nobody"], 0),
        (&["--user", "alice"], 5),
        (&["--run", &id], 5),
        (&["--connection", "api"], 5),
        (&["--connection", "plain"], 0),
        (&["--operation", "GET"], 3),
        (&["--answer", "refused"], 1),
        (&["--answer", "held"], 1),
        (&["--answer", "allowed", "--limit", "2"], 2),
        (&["--since", "1h"], 5),
        (&["--until", "1h"], 0),
        (&["--since", "2020-01-01T00:00:00Z", "--until", "2020-01-02T00:00:00Z"], 0),
    ] {
        assert_eq!(count(&[&decided[..], words].concat()), expected, "{words:?}");
    }
    let by = ["log", "query", "--operation", "GET", "--count-by", "resource"];
    let counted = world.json(&by);
    let two = counted.as_array().unwrap().iter().find(|one| one["value"] == "/v1/invoices/2");
    assert_eq!(two.unwrap()["entries"], 2, "{counted}");
    assert!(world.cli(&by).ok().contains("/v1/invoices/2"));

    let first = world.cli(&["log", "show", "0"]);
    assert!(first.ok().contains("claimed"), "{}", first.out);
    world.cli(&["log", "show", "99999"]).fails(1, "there is no entry").hints("marque log query");
}

#[test]
fn a_decision_is_explained_from_the_facts_as_they_stood() {
    let world = World::new();
    let mut run = world.run();
    run.curl("https://api.test/v1/a");
    run.curl("-X DELETE https://api.test/v1/a");
    run.curl("-d pay https://api.test/v1/orders");
    let decided = world.json(&["log", "query", "--event", "decided", "--run", &run.id]);
    // What changes afterwards does not change what was.
    let grant = world.json(&["grant", "list"])[0]["id"].as_str().unwrap().to_owned();
    world.cli(&["grant", "revoke", &grant]).ok();
    let expected = [
        ("allowed", "allowed by"),
        ("refused", "nothing_allows"),
        ("held", "a hold: refused.mandate"),
    ];
    for (entry, (answer, told)) in decided.as_array().unwrap().iter().zip(expected) {
        let id = entry["event"]["id"].as_str().unwrap();
        let explained = world.json(&["decision", "explain", id]);
        assert_eq!(explained["decision"]["answer"]["answer"], answer, "{explained}");
        assert_eq!(explained["index"], entry["index"]);
        let facts = explained["facts"].as_array().unwrap();
        assert!(
            !facts.is_empty() && facts.iter().all(|fact| fact["body"].is_object()),
            "{explained}"
        );
        let words = world.cli(&["decision", "explain", id]);
        let replayed = words.ok().lines().find_map(|line| line.strip_prefix("replayed")).unwrap();
        assert!(replayed.contains("the same answer"), "{}", words.out);
        assert!(replayed.contains(told), "{}", words.out);
        let shown = world.json(&["log", "show", id]);
        assert_eq!(
            shown.as_array().unwrap().len(),
            1 + usize::from(answer == "allowed"),
            "{shown}"
        );
    }
    let unknown = "dec_01ARYZ6S41ZZZZZZZZZZZZZZZZ";
    world.cli(&["decision", "explain", unknown]).fails(1, unknown);
}

#[test]
fn a_receipt_and_an_anchor_prove_an_entry_without_the_server() {
    let mut world = World::new();
    let told = world.cli(&["run", "--agent", "bot", "--", "curl", "-s", "http://plain.test/v1/a"]);
    told.ok();
    let seen = told.err.lines().find_map(|line| line.strip_prefix("marque: checkpoint "));
    let seen = seen.unwrap_or_else(|| panic!("{}", told.whole())).to_owned();
    let receipt = world.cli(&["log", "show", "3", "--receipt"]);
    assert!(
        receipt.ok().contains("marque") || receipt.ok().contains('\u{2014}'),
        "{}",
        receipt.out
    );
    let beside: Json = world.json(&["log", "verify", "--against", &seen]);
    assert_eq!(beside["ok"], true, "beside a running server: {beside}");
    world.stop();
    let alone = world.cli(&["log", "verify", "--against", &seen]);
    assert!(alone.ok().contains("held against"), "{}", alone.out);
    let (size, root) = seen.split_once(':').unwrap();
    let wrong = format!("{size}:sha256:{}", "0".repeat(64));
    assert_ne!(root, "");
    world.cli(&["log", "verify", "--against", &wrong]).ends(1);
    let unanchored = world.path("nobody");
    std::fs::create_dir(&unanchored).unwrap();
    let mut command = world.words(&["log", "verify"]);
    let alone = command.env("HOME", &unanchored).output().unwrap();
    let alone = String::from_utf8(alone.stdout).unwrap();
    assert!(alone.contains("not anchored") || alone.contains("nothing from outside"), "{alone}");
}

// threat 87, threat 129, threat 139
#[test]
fn nothing_an_agent_or_a_human_writes_can_pose_as_a_line_of_ours() {
    let world = World::new();
    let forged = "fine\n0  2026-01-01T00:00:00Z  alice claimed the plane\u{1b}[2K\u{202e}";
    let formula = "=HYPERLINK(\"http://evil\")";
    for (name, purpose) in [("forger", forged), ("formula", formula)] {
        let told = world.cli(&["agent", "add", name, "--purpose", purpose]);
        assert!([0, 1].contains(&told.code), "{}", told.whole());
    }
    for words in [
        ["agent", "add", "two\nlines", "--purpose", "x"],
        ["agent", "add", "\u{1b}[31mred", "--purpose", "x"],
        ["agent", "add", "b\u{043e}t", "--purpose", "x"],
        ["run", "--agent", "bot", "--task", "ticket:1\n2"],
        ["run", "--agent", "bot", "--task", "ticket:\u{1b}[31m"],
    ] {
        let told = world
            .cli(&[&words[..], if words[0] == "run" { &["--", "true"] } else { &[] }].concat());
        told.ends(2);
        assert!(!told.err.contains('\u{1b}'), "{:?}", told.err);
    }
    let mut run = world.run();
    run.curl("'https://api.test/v1/%1b%5b31m'");
    run.curl("'https://api.test/v1/a%0a0%20claimed'");
    run.curl("'https://api.test/v1/%E2%80%AEmoc'");
    run.curl("'https://api.test/v1/=cmd()'");
    run.curl("-d \"$(printf 'pay\\n\\033[2Kapproval  given')\" https://api.test/v1/orders");
    let id = world.json(&["approval", "list"])[0]["approval"]["id"].as_str().unwrap().to_owned();
    let export = world.cli(&["log", "export"]);
    let entries = world.json(&["log", "verify"])["size"].as_u64().unwrap();
    assert_eq!(export.ok().lines().count() as u64, entries + 1);
    for line in export.out.lines() {
        let _: Json = serde_json::from_str(line).unwrap();
    }
    for words in [
        &["log", "query"][..],
        &["log", "show", "2"],
        &["log", "export"],
        &["agent", "list"],
        &["agent", "show", "bot"],
        &["agent", "show", "forger"],
        &["approval", "list"],
        &["approval", "show", &id],
        &["run", "list"],
    ] {
        let told = world.cli(words);
        for letter in ['\u{1b}', '\u{202e}', '\r'] {
            assert!(!told.out.contains(letter), "{words:?}: {:?}", told.out);
        }
        let forged = told.out.lines().filter(|line| line.starts_with("0  2026-01-01"));
        assert_eq!(forged.count(), 0, "{words:?}: {}", told.out);
        assert!(!told.out.lines().any(|line| line.starts_with("approval  given")), "{}", told.out);
    }
}

// threat 146: whoever exports may stay away for as long as they like, and nothing waits for them.
#[test]
fn an_export_that_goes_on_later_is_the_whole_log_and_nothing_twice() {
    let mut world = World::new();
    let mut pieces = String::new();
    for round in 0..3 {
        let mut run = world.run();
        for item in 0..4 {
            assert_eq!(run.curl(&format!("http://plain.test/v1/items/{round}{item}")).0, 200);
        }
        assert_eq!(run.ends(), 0);
        if round == 1 {
            assert_eq!(world.stop(), Some(0));
            world.serve();
            continue;
        }
        let from = pieces.lines().count().saturating_sub(1).to_string();
        pieces += world.cli(&["log", "export", "--from", &from]).ok();
    }
    let whole = world.cli(&["log", "export"]);
    assert!(pieces.lines().skip(1).eq(whole.ok().lines().skip(1)), "the pieces are not the whole");
    let file = world.write("pieces.jsonl", &pieces);
    world.cli(&["log", "verify", "--export", file.to_str().unwrap()]).ok();
}
