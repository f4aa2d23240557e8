//! The road, walked by real tools from inside a run.

use super::support::{CREDENTIAL, Run, World};

#[test]
fn an_allowed_call_goes_through_with_a_credential_the_run_never_held() {
    let world = World::new();
    let mut run = world.run();
    let (status, body) = run.curl("https://api.test/v1/items?page=2");
    assert_eq!(status, 200, "{body}");
    let (status, _) = run.curl("-d '{\"a\":1}' https://api.test/v1/items");
    assert_eq!(status, 200);

    let saw = world.api.saw();
    let sent: Vec<_> = saw.iter().map(|seen| (seen.method(), seen.target())).collect();
    assert_eq!(sent, [("GET", "/v1/items?page=2"), ("POST", "/v1/items")]);
    for seen in &saw {
        assert_eq!(seen.field("authorization"), Some(format!("Bearer {CREDENTIAL}").as_str()));
        assert_eq!(seen.field("host"), Some("api.test"));
    }
    assert_eq!(saw[1].body, "{\"a\":1}");
    assert!(body.contains("\"nonce\":0"), "{body}");
    let environment = run.types("env; cat \"$SSL_CERT_FILE\"").out;
    assert!(!environment.contains(CREDENTIAL));
}

#[test]
fn what_no_line_allows_is_refused_with_the_line_that_would_and_how_to_get_it() {
    let world = World::new();
    let mut run = world.run();
    let (status, body) = run.curl("-X DELETE https://api.test/v1/items/7");
    assert_eq!(status, 403);
    assert!(body.contains("marque: refused.mandate.nothing_allows"), "{body}");
    assert!(body.contains("api:DELETE /v1/items/7"), "{body}");
    assert!(body.contains("\nhint: ") && body.contains("\nref: dec_"), "{body}");
    let (status, body) = run.curl("-H 'Accept: application/json' -X DELETE https://api.test/v1/x");
    assert_eq!(status, 403);
    let problem: super::support::Json = serde_json::from_str(&body).unwrap();
    assert_eq!(problem["code"], "refused.mandate.nothing_allows");
    world.api.saw_nothing();
}

#[test]
fn a_host_that_no_connection_serves_is_refused_and_recorded() {
    let world = World::new();
    let mut run = world.run();
    let typed = run.types("curl -sS -m 15 https://unknown.test/ -v");
    assert_ne!(typed.code, 0);
    assert!(typed.out.contains("refused.mandate.nothing_allows"), "{}", typed.out);
    let (status, body) = run.curl("http://unknown.test/");
    assert_eq!(status, 403, "{body}");
    let entries = world.json(&["log", "query", "--answer", "refused", "--run", &run.id]);
    let targets: Vec<_> = entries.as_array().unwrap().iter().collect();
    assert_eq!(targets.len(), 2, "{entries}");
    assert!(entries.to_string().contains("unknown.test:443"), "{entries}");
}

#[test]
fn without_marque_the_upstream_cannot_be_used_from_a_run() {
    let world = World::new();
    let mut run = world.run();
    let direct = format!("http://{}/v1/items", world.plain.address);
    let (status, _) = run.curl(&format!("--noproxy '*' {direct}"));
    assert_eq!(status, 200, "the upstream of these stories answers everybody");
    assert_eq!(
        world.plain.saw_one().field("authorization"),
        None,
        "but the run had nothing to show"
    );
}

#[test]
fn a_run_that_has_spent_its_calls_gets_no_more() {
    let world = World::new();
    let mut run = Run::open(&world, &["--agent", "bot", "--limit-calls", "2"]);
    assert_eq!(run.curl("https://api.test/v1/a").0, 200);
    assert_eq!(run.curl("-X DELETE https://api.test/v1/a").0, 403);
    assert_eq!(run.curl("https://api.test/v1/b").0, 200);
    let (status, body) = run.curl("https://api.test/v1/c");
    assert_eq!((status, body.contains("refused.limits.calls_spent")), (429, true), "{body}");
    let mut slow = Run::open(&world, &["--agent", "bot", "--limit-rate", "1"]);
    let statuses: Vec<_> = (0..4).map(|_| slow.curl("https://api.test/v1/d").0).collect();
    assert_eq!((statuses[0], statuses[3]), (200, 429), "{statuses:?}");
    assert!(slow.curl("-D - https://api.test/v1/d").1.contains("retry-after: "));
}

#[test]
fn a_connection_is_a_ceiling_over_every_grant() {
    let world = World::new();
    let ceiling = ["--host", "low.test", "--plain-http", "--ceiling", "GET /v1/open/**"];
    world.connects("low", &world.plain, &ceiling);
    let granted = world.cli(&["grant", "add", "bot", "--until", "1d", "--allow", "low:GET /**"]);
    let mut run = world.run();
    assert_ne!(run.curl("http://low.test/v1/closed").0, 200, "{}", granted.whole());
    assert_ne!(run.curl("-X DELETE http://low.test/v1/open/a").0, 200);
    world.plain.saw_nothing();
    world.cli(&["grant", "add", "bot", "--until", "1d", "--allow", "low:GET /v1/open/**"]).ok();
    let mut run = world.run();
    assert_eq!(run.curl("http://low.test/v1/open/a").0, 200);
    assert_ne!(run.curl("http://low.test/v1/closed").0, 200);
    world.plain.saw_one();
}

#[test]
fn never_beats_every_allow_and_for_somebody_else_needs_that_person() {
    let world = World::new();
    let mut run = Run::open(&world, &["--agent", "bot", "--never", "api:GET /v1/private/**"]);
    assert_eq!(run.curl("https://api.test/v1/a").0, 200);
    let (status, body) = run.curl("https://api.test/v1/private/a");
    assert_eq!((status, body.contains("refused.mandate.never")), (403, true), "{body}");
    let file = world.write("mandate.toml", "[mandate]\nallow = [\"api:GET /v1/b\"]\n");
    let mut run = Run::open(&world, &["--agent", "bot", "--mandate", file.to_str().unwrap()]);
    assert_eq!(run.curl("https://api.test/v1/b").0, 200);
    assert_eq!(run.curl("https://api.test/v1/a").0, 403);
    let told = world.cli(&["run", "--agent", "bot", "--for", "bob", "--", "true"]);
    told.fails(3, "`bob`");
    world.cli(&["run", "--agent", "nobody", "--", "true"]).ends(1);
}
