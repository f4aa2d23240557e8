//! Stopping: what is under way is cut, what comes later is refused, and nothing brings it back.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use super::support::{BINARY, Proxy, Run, World, eventually, hear_one};

/// Generous: the bar on an idle machine is 100 ms, and this machine may be anything but idle.
const AT_ONCE: Duration = Duration::from_secs(2);
const A: &str = "http://plain.test/v1/a";

// threat 178
#[test]
fn a_kill_cuts_what_is_under_way_and_refuses_what_comes() {
    let world = World::new();
    let mut run = world.run();
    let proxy = run.proxy();
    run.begins("curl -sS https://api.test/v1/slow > slow.out 2> slow.err & curl=$!");
    let mut stream = proxy.connects();
    let head = "GET http://plain.test/v1/slow HTTP/1.1\r\nHost: plain.test\r\n";
    stream.write_all(format!("{head}{}\r\n", proxy.proof()).as_bytes()).unwrap();
    let mut first = [0; 4096];
    assert_ne!(stream.read(&mut first).unwrap(), 0);
    let streamed = world.path("work/slow.out");
    let size = || std::fs::metadata(&streamed).map_or(0, |found| found.len());
    eventually("curl hears the stream", || (size() > 0).then_some(()));
    let upstream = (world.plain.saw().len(), world.api.saw().len());

    let words = world.json(&["kill", &run.id]);
    let killed = Instant::now();
    assert_eq!(words["runs"][0], run.id.as_str(), "{words}");
    let mut rest = Vec::new();
    let ended = stream.read_to_end(&mut rest);
    assert!(killed.elapsed() < AT_ONCE, "the stream went on for {:?}", killed.elapsed());
    assert!(ended.is_err(), "a cut stream must not end as if it were whole");
    assert!(!rest.ends_with(b"0\r\n\r\n"));
    assert_eq!(run.code(), 137, "{}", run.said());
    assert!(killed.elapsed() < AT_ONCE * 3, "the launcher lived on for {:?}", killed.elapsed());
    let heard = size();

    proxy.asks("GET", A, "", "").is(403, "refused.run.killed");
    proxy.tunnels("api.test:443").is(403, "refused.run.killed");
    assert_eq!((world.plain.saw().len(), world.api.saw().len()), upstream);
    assert_eq!(size(), heard, "no byte may come after the kill");
    eventually("both outcomes are recorded", || {
        let outcomes = world.json(&["log", "query", "--event", "outcome", "--run", &run.id]);
        (outcomes.to_string().matches("\"cut\"").count() == 2).then_some(())
    });
    let closed = world.cli(&["log", "query", "--event", "run_closed"]);
    assert!(closed.ok().contains("killed by alice"), "{}", closed.out);
}

// threat 179
#[test]
fn killing_a_parent_kills_its_children() {
    let world = World::new();
    let mut run = world.run();
    run.begins(&format!("{BINARY} run -- sh -c 'env > child.env; exec sleep 600' 2> child.err &"));
    let child = child_of(&world, "child.env");
    assert_ne!(child.run, run.id);
    child.asks("GET", A, "", "").is(200, "");
    let shown = world.json(&["run", "show", &child.run]);
    assert_eq!(shown["parent"], run.id.as_str(), "{shown}");
    let killed = world.json(&["kill", &run.id]);
    assert_eq!(killed["runs"].as_array().unwrap().len(), 2, "{killed}");
    child.asks("GET", A, "", "").is(403, "refused.run.killed");
    child.tunnels("api.test:443").is(403, "refused.run.killed");
    assert_eq!(run.code(), 137);
    assert_eq!(world.json(&["run", "show", &child.run])["state"], "killed");
    assert_eq!(world.plain.saw().len(), 1);
}

#[test]
fn a_child_run_can_do_no_more_than_its_parent() {
    let world = World::new();
    let mut run = Run::open(&world, &["--agent", "bot", "--allow", "plain:GET /v1/a"]);
    let wide = run.types(&format!("{BINARY} run --allow 'plain:GET /v1/**' -- true"));
    assert_eq!(wide.code, 3, "{}", wide.out);
    for tier in ["captured", "confined"] {
        let other = run.types(&format!("{BINARY} run --tier {tier} -- echo started"));
        assert_eq!(other.code, 2, "{}", other.out);
        assert!(other.out.contains("the run above is advisory"), "{}", other.out);
        assert!(other.out.contains("\nhint: "), "{}", other.out);
    }
    assert_eq!(run.types(&format!("{BINARY} run --tier advisory -- true")).code, 0);
    let curl = "curl -s -o /dev/null -w %{http_code}";
    let inside = format!(
        "{BINARY} run -- sh -c '{curl} http://plain.test/v1/a; echo; \
                          {curl} http://plain.test/v1/b' 2>child.err"
    );
    assert_eq!(run.types(&inside).out.split_whitespace().collect::<Vec<_>>(), ["200", "403"]);
}

// threat 134, threat 178
#[test]
fn a_yes_after_the_kill_opens_nothing() {
    let world = World::new();
    let mut run = world.run();
    let proxy = run.proxy();
    let orders = "http://plain.test/v1/orders";
    proxy.asks("POST", orders, "", "early").is(403, "needs_approval");
    world.gives();
    proxy.asks("POST", orders, "", "late").is(403, "needs_approval");
    let waiting = world.json(&["approval", "list"]);
    let late = waiting[0]["approval"]["id"].as_str().unwrap();
    world.cli(&["kill", "bot"]).ok();
    world.cli(&["approval", "give", late]).ends(1);
    for body in ["early", "late"] {
        proxy.asks("POST", orders, "", body).is(403, "refused.run.killed");
    }
    assert_eq!(run.code(), 137);
    let mut again = world.run();
    let again = again.proxy();
    for body in ["early", "late"] {
        again.asks("POST", orders, "", body).is(403, "needs_approval");
    }
    world.plain.saw_nothing();
}

/// Ways to end what a run may do, each with an agent of its own.
const WAYS: [(&str, &[&str]); 6] = [
    ("killed", &["kill", "AGENT"]),
    ("suspended", &["agent", "suspend", "AGENT"]),
    ("retired", &["agent", "retire", "AGENT"]),
    ("revoked", &["grant", "revoke", "GRANT"]),
    ("closed", &["task", "close", "ticket:AGENT"]),
    ("single", &["kill", "RUN"]),
];

// threat 180
#[test]
fn after_every_way_of_stopping_every_way_in_is_closed() {
    let world = World::new();
    for (agent, words) in WAYS {
        world.cli(&["agent", "add", agent, "--purpose", "to be stopped"]).ok();
        let grant = world.grants(agent);
        let task = format!("ticket:{agent}");
        let mut run = Run::open(&world, &["--agent", agent, "--task", &task]);
        let proxy = run.proxy();
        run.begins(&format!("{BINARY} run -- sh -c 'env > {agent}.env; exec sleep 600' &"));
        let child = child_of(&world, &format!("{agent}.env"));
        let mut kept = proxy.connects();
        let again = format!("GET {A} HTTP/1.1\r\nHost: plain.test\r\n{}\r\n", proxy.proof());
        kept.write_all(again.as_bytes()).unwrap();
        hear_one(&mut kept).is(200, "");
        proxy.asks("POST", "http://plain.test/v1/orders", "", agent).is(403, "needs_approval");
        world.gives();
        let before = world.plain.saw().len();

        let words: Vec<_> = words
            .iter()
            .map(|word| {
                word.replace("GRANT", &grant).replace("AGENT", agent).replace("RUN", &run.id)
            })
            .collect();
        world.cli(&words.iter().map(String::as_str).collect::<Vec<_>>()).ok();

        let _ = kept.write_all(again.as_bytes());
        let answer = hear_one(&mut kept);
        assert_ne!(answer.status, 200, "{agent}, a connection from before: {answer:?}");
        for proof in [&proxy, &child] {
            for (method, url) in [
                ("GET", A),
                ("POST", "http://plain.test/v1/items"),
                ("POST", "http://plain.test/v1/orders"),
            ] {
                let answer = proof.asks(method, url, "", agent);
                assert_eq!(answer.status, 403, "{agent}: {answer:?}");
            }
            let tunnel = proof.tunnels("api.test:443");
            assert_ne!((tunnel.status, agent == "revoked"), (200, false), "{agent}: {tunnel:?}");
        }
        let (_, body) = child_by_hand(&world, &proxy);
        assert!(!body.contains("\"secret\""), "{agent}, a child by its secret: {body}");
        assert_eq!(world.plain.saw().len(), before, "{agent}");
    }
    // What can be opened again, and what not.
    let opens = |agent: &str, task: &str| {
        world.cli(&["run", "--agent", agent, "--task", task, "--", "true"]).code
    };
    assert_eq!(opens("killed", "ticket:new"), 0);
    assert_eq!(opens("single", "ticket:new"), 0);
    assert_eq!(opens("closed", "ticket:new"), 0);
    for (agent, task) in [
        ("suspended", "ticket:new"),
        ("retired", "ticket:new"),
        ("revoked", "ticket:new"),
        ("closed", "ticket:closed"),
    ] {
        assert_ne!(opens(agent, task), 0, "{agent}");
    }
    // threat 182
    world.cli(&["agent", "add", "retired", "--purpose", "again"]).fails(1, "retired");
    world.cli(&["agent", "resume", "retired"]).ends(1);
    world.cli(&["agent", "resume", "suspended"]).ok();
    assert_eq!(opens("suspended", "ticket:new"), 0);
}

// threat 180
#[test]
fn a_removed_connection_serves_nobody_and_its_secret_is_gone() {
    let world = World::new();
    let mut run = world.run();
    let proxy = run.proxy();
    let mut kept = proxy.connects();
    let again = format!("GET {A} HTTP/1.1\r\nHost: plain.test\r\n{}\r\n", proxy.proof());
    kept.write_all(again.as_bytes()).unwrap();
    hear_one(&mut kept).is(200, "");
    world.cli(&["connection", "remove", "plain"]).ok();
    let _ = kept.write_all(again.as_bytes());
    let answer = hear_one(&mut kept);
    assert_ne!(answer.status, 200, "{answer:?}");
    proxy.asks("GET", A, "", "").is(403, "refused.");
    assert_eq!(world.plain.saw().len(), 1);
    assert_eq!(run.curl("https://api.test/v1/a").0, 200);
}

#[test]
fn kill_all_leaves_no_run_open_and_the_human_alone() {
    let world = World::new();
    let (mut one, mut other) = (world.run(), world.run());
    let rehearsed = world.json(&["kill", "--all", "--dry-run"]);
    assert_eq!(rehearsed["runs"].as_array().unwrap().len(), 2, "{rehearsed}");
    let (status, _) = one.curl(A);
    assert_eq!(status, 200, "a rehearsal stops nothing");
    world.cli(&["kill", "--all"]).ok();
    assert_eq!((one.code(), other.code()), (137, 137));
    assert_eq!(world.json(&["run", "list"]), serde_json::json!([]));
    world.cli(&["agent", "list"]).ok();
}

/// The proof of a child run, from the environment its command wrote down.
fn child_of(world: &World, file: &str) -> Proxy {
    eventually("the child run starts", || {
        let text = std::fs::read_to_string(world.path("work").join(file)).ok()?;
        text.ends_with('\n').then_some(())?;
        let variable = text.lines().find_map(|line| line.strip_prefix("http_proxy="))?;
        Some(Proxy::parse(variable))
    })
}

/// Asks the socket for a child run with the run's own secret, from outside of it.
fn child_by_hand(world: &World, proxy: &Proxy) -> (i32, String) {
    let socket = world.socket();
    let proof = format!("Authorization: Marque-Run {}:{}", proxy.run, proxy.secret);
    let spec = "{\"ttl_secs\":60,\"tier\":\"advisory\"}";
    let told = world.tool(
        "curl",
        &[
            "-sS",
            "--unix-socket",
            socket.to_str().unwrap(),
            "-H",
            &proof,
            "-H",
            "Content-Type: application/json",
            "-d",
            spec,
            "http://marque/v1/run/children",
        ],
    );
    (told.code, told.out)
}
