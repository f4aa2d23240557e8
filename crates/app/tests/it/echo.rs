//! An upstream that repeats what it was given, and what becomes of it on the way back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::canary::hunt;
use super::support::{GIT_TOKEN, GitHost, Run, World};

/// The cast, and the demonstration's git host as two connections: `mirror`, which goes on with
/// asterisks, and `strict`, which breaks off.
fn mirrors() -> (World, GitHost) {
    let world = World::new();
    let host = GitHost::start(&world, &["acme/web"], &["--echo"]);
    let token = world.write("git-token", GIT_TOKEN);
    let (token, pin) = (token.to_str().unwrap(), host.address.to_string());
    let authority = host.authority.to_str().unwrap().to_owned();
    let common = ["--basic", "x-access-token", "--secret-file", token, "--pin", &pin];
    let host_name = ["--host", "git.demo.test", "--authority", &authority];
    for (name, words) in [("mirror", &[][..]), ("strict", &["--on-echo", "cut"])] {
        let add = ["connection", "add", name];
        world.cli(&[&add, common.as_slice(), host_name.as_slice(), words].concat()).ok();
    }
    let shown = world.cli(&["connection", "show", "strict"]);
    assert!(shown.ok().contains("cut"), "{}", shown.out);
    for name in ["mirror", "strict"] {
        let line = format!("{name}:GET /**");
        world.cli(&["grant", "add", "bot", "--until", "1d", "--allow", &line]).ok();
    }
    (world, host)
}

fn open(world: &World, connection: &str) -> Run {
    let line = format!("{connection}:GET /**");
    Run::open(world, &["--agent", "bot", "--task", "ticket:OPS-12", "--allow", &line])
}

// threat 81, threat 144
#[test]
fn an_upstream_that_repeats_the_credential_tells_the_run_asterisks_and_the_log_a_find() {
    let (mut world, host) = mirrors();
    let mut run = open(&world, "mirror");
    let told = run.types("curl -sS -i -m 15 https://git.demo.test/echo");
    assert!(told.out.contains("200"), "{told:?}");
    let field = told.out.lines().find(|line| line.starts_with("x-echo-authorization: "));
    assert!(field.is_some_and(|field| field.contains("********")), "{told:?}");
    let body = told.out.rsplit("\r\n").next().unwrap();
    assert!(body.contains("********"), "{told:?}");
    let pair = STANDARD.encode(format!("x-access-token:{GIT_TOKEN}"));
    assert_eq!(host.saw().len(), 1);

    let query = ["log", "query", "--event", "outcome", "--run", &run.id];
    let sentence = world.cli(&query);
    let words = "; the answer held a credential 2 times, redacted";
    assert!(sentence.ok().contains(words), "{sentence:?}");
    let entry = world.json(&query);
    assert_eq!(entry[0]["event"]["redacted"], 2, "{entry}");
    world.cli(&["log", "verify"]).ok();

    let mut said = run.said() + &told.out;
    assert_eq!(run.ends(), 0);
    said += world.cli(&["log", "export"]).ok();
    world.stop();
    said += &world.server_output();
    for needle in [GIT_TOKEN, &pair] {
        assert!(!said.contains(needle), "a canary was said: `{needle}`");
        let held = hunt(&world.data(), needle);
        assert!(held.is_empty(), "`{needle}`: {held:?}");
    }
}

// threat 81
#[test]
fn where_the_connection_cuts_the_run_gets_a_502_and_the_log_says_why() {
    let (world, _host) = mirrors();
    let mut run = open(&world, "strict");
    let (status, body) = run.curl("https://git.demo.test/echo");
    assert_eq!(status, 502, "{body}");
    assert!(body.starts_with("marque: failed.echo\n") && !body.contains(GIT_TOKEN), "{body}");
    let told = world.cli(&["log", "query", "--event", "outcome", "--run", &run.id]);
    let words = "failed: failed.echo";
    assert!(told.ok().contains(words) && told.out.contains("a credential once"), "{}", told.out);
    assert_eq!(run.ends(), 0);
}
