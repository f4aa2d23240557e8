//! Whatever a tool reads or does not read of its environment, it goes through the gateway.

use super::super::support::{CREDENTIAL, World};

#[test]
fn a_tool_that_reads_no_variable_is_served_and_holds_nothing() {
    let world = World::new();
    let mut run = world.captured();
    let bare = "env -i PATH=\"$PATH\" curl -sS -m 15 -w '\\n%{http_code}\\n'";
    for url in ["http://plain.test/v1/a", "https://api.test/v1/b"] {
        let typed = run.types(&format!("{bare} {url}"));
        assert!(typed.out.ends_with("200"), "{url}: {}", typed.out);
    }
    for saw in [world.plain.saw(), world.api.saw()] {
        let sent = saw[0].field("authorization");
        assert_eq!(sent, Some(format!("Bearer {CREDENTIAL}").as_str()));
    }
    let everything = run.types("env; cat /run/marque/* /proc/self/environ 2>/dev/null").out;
    for secret in [CREDENTIAL, "MARQUE_RUN_SECRET", "_proxy", "_PROXY"] {
        assert!(!everything.contains(secret), "{secret} is in reach");
    }
    let shown = world.json(&["run", "show", &run.id]);
    assert_eq!(shown["tier"], "captured", "{shown}");
}

#[test]
fn what_is_refused_is_refused_with_its_reason() {
    let world = World::new();
    let mut run = world.captured();
    for (words, reason) in [
        ("-X DELETE https://api.test/v1/a", "refused.mandate.nothing_allows"),
        ("https://nobody.test/", "refused.mandate"),
        ("http://nobody.test/", "refused.mandate"),
        ("http://192.0.2.7/", "refused.mandate"),
    ] {
        let (status, body) = run.curl(words);
        assert_eq!(status, 403, "{words}: {body}");
        assert!(body.contains(reason), "{words}: {body}");
    }
    world.api.saw_nothing();
}
