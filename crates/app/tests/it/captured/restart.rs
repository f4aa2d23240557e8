//! A captured run over a restart of its server: the same command goes on, as the same run.

use rustix::process::Signal;

use super::super::support::{Json, Marque, Run, World, eventually, signal};

/// How a server ends.
type Ends = fn(&mut Marque);

fn by_force(marque: &mut Marque) {
    marque.kill_server();
}

fn politely(marque: &mut Marque) {
    assert_eq!(marque.stop(), Some(0), "{}", marque.server_output());
}

fn is_lost(run: &Run) {
    eventually("it says that the server is gone", || {
        run.said().contains("the server is gone").then_some(())
    });
}

fn is_back(run: &Run, times: usize) {
    eventually("it says that the server is back", || {
        assert!(!run.said().contains("error:"), "{}", run.said());
        (run.said().matches("the server is back").count() >= times).then_some(())
    });
}

fn read(world: &World, name: &str) -> String {
    std::fs::read_to_string(world.path("work").join(name)).unwrap_or_default()
}

/// The kinds of entries of a run, and how its calls were answered.
fn told(world: &World, run: &str) -> Vec<String> {
    let entries = world.json(&["log", "query", "--run", run]);
    let kind = |entry: &Json| match entry["event"]["answer"]["answer"].as_str() {
        Some(answer) => answer.to_owned(),
        None => entry["event"]["kind"].as_str().unwrap().to_owned(),
    };
    entries.as_array().unwrap().iter().map(kind).collect()
}

#[test]
fn a_command_goes_on_as_the_same_run_when_its_server_starts_again() {
    let mut world = World::new();
    for ends in [by_force as Ends, politely] {
        let mut run = world.captured();
        assert_eq!(run.curl("http://plain.test/v1/before").0, 200);
        let pid = run.types("echo $$").out;
        ends(&mut world);
        is_lost(&run);
        world.serve();
        is_back(&run, 1);
        assert_eq!(run.curl("http://plain.test/v1/after").0, 200, "{}", run.said());
        assert_eq!(run.curl("https://api.test/v1/after").0, 200, "by the authority it had");
        assert_eq!(run.curl("-X DELETE http://plain.test/v1/after").0, 403);
        assert_eq!(run.types("echo $$").out, pid);
        let whoami: Json = serde_json::from_str(&run.types("marque whoami --json").out).unwrap();
        assert_eq!(whoami["id"], run.id.as_str(), "its own socket is served again: {whoami}");
        let shown = world.json(&["run", "show", &run.id]);
        assert_eq!((&shown["state"], &shown["calls"]), (&"open".into(), &3.into()), "{shown}");
        // Once more, for what was handed over again can be handed over again.
        ends(&mut world);
        world.serve();
        is_back(&run, 2);
        assert_eq!(run.curl("http://plain.test/v1/after").0, 200, "{}", run.said());
        let id = run.id.clone();
        assert_eq!(run.ends(), 0);
        let shown = world.json(&["run", "show", &id]);
        assert_eq!((&shown["state"], &shown["calls"]), (&"done".into(), &4.into()), "{shown}");
        let told = told(&world, &id);
        assert_eq!(told.iter().filter(|one| *one == "allowed").count(), 4, "{told:?}");
        assert_eq!(told.iter().filter(|one| *one == "run_closed").count(), 1, "{told:?}");
        assert_eq!(world.json(&["log", "verify"])["ok"], true);
    }
    assert_eq!(world.plain.saw().len(), 6);
}

#[test]
fn what_is_dialled_while_there_is_no_server_waits_for_the_next_one_or_fails() {
    let mut world = World::new();
    let mut run = world.captured();
    // A name's address is known from before: what it leads to then is refused, or another is asked.
    assert_eq!(run.curl("http://plain.test/v1/before").0, 200);
    world.kill_server();
    is_lost(&run);
    run.begins("curl -sS -m 20 http://plain.test/v1/waits > waits 2>&1 &");
    run.begins("curl -sS -m 1 http://plain.test/v1/fails > fails 2>&1; echo $? >> fails");
    eventually("it fails", || read(&world, "fails").ends_with("28\n").then_some(()));
    assert_eq!(world.plain.saw().len(), 1, "nothing went out");
    world.serve();
    is_back(&run, 1);
    eventually("it was answered", || {
        world.plain.saw().iter().any(|seen| seen.target() == "/v1/waits").then_some(())
    });
    assert_eq!(run.ends(), 0);
}

// threat 178: a kill beats whoever comes back.
#[test]
fn a_run_that_is_killed_before_its_launcher_is_back_does_not_go_on() {
    let mut world = World::new();
    let mut run = world.captured();
    assert_eq!(run.curl("http://plain.test/v1/a").0, 200);
    run.begins("while :; do curl -sS -m 2 http://plain.test/v1/b; done");
    eventually("it asks", || (world.plain.saw().len() > 1).then_some(()));
    signal(run.launcher.id(), Signal::STOP);
    world.kill_server();
    let saw = world.plain.saw().len();
    world.serve();
    assert_eq!(world.json(&["run", "show", &run.id])["state"], "open");
    world.cli(&["kill", &run.id]).ok();
    signal(run.launcher.id(), Signal::CONT);
    assert_eq!(run.code(), 137, "{}", run.said());
    assert!(run.said().contains("the run was closed: killed"), "{}", run.said());
    assert_eq!(world.json(&["run", "show", &run.id])["state"], "killed");
    assert_eq!(world.plain.saw().len(), saw, "it was let through once more");
}

#[test]
fn a_budget_is_not_given_again() {
    let mut world = World::new();
    let words = ["--agent", "bot", "--limit-calls", "2"];
    let mut run = Run::open_in("captured", &world, &words);
    assert_eq!(run.curl("http://plain.test/v1/one").0, 200);
    world.kill_server();
    world.serve();
    is_back(&run, 1);
    assert_eq!(run.curl("http://plain.test/v1/two").0, 200);
    let (status, said) = run.curl("http://plain.test/v1/three");
    assert_eq!(status, 429, "{said}");
    assert!(said.contains("calls_spent"), "{said}");
    assert_eq!(world.plain.saw().len(), 2);
}

#[test]
fn a_child_run_goes_on_beside_its_parent() {
    let mut world = World::new();
    let mut run = world.captured();
    let curl = "curl -sS -m 15 -o /dev/null -w '%{http_code}' http://plain.test/v1/child";
    run.begins(&format!(
        "marque run -- sh -c '{curl} > one; until test -e go; do sleep 0.05; done; {curl} > two' \
         2> child &",
        curl = curl.replace('\'', "'\\''")
    ));
    eventually("the child calls", || (read(&world, "one") == "200").then_some(()));
    world.kill_server();
    is_lost(&run);
    world.serve();
    is_back(&run, 1);
    eventually("the child hears of it", || {
        read(&world, "child").contains("the server is back").then_some(())
    });
    assert_eq!(run.types("touch go; wait").code, 0);
    assert_eq!(read(&world, "two"), "200", "{}", read(&world, "child"));
    assert_eq!(run.types("marque --quiet run -- true").code, 0, "and another one begins");
    let closed = world.json(&["run", "list", "--all"]);
    let states = closed.as_array().unwrap().iter().filter(|one| one["id"] != run.id.as_str());
    assert!(states.clone().count() == 2 && states.clone().all(|one| one["state"] == "done"));
}

#[test]
fn a_run_that_is_not_captured_ends_with_its_server_and_says_so() {
    let mut world = World::new();
    let mut run = world.run();
    world.kill_server();
    assert_eq!(run.code(), 137, "{}", run.said());
    let said = run.said();
    assert!(said.contains("the run ended with its server"), "{said}");
    assert!(said.contains("only a captured run waits"), "{said}");
    world.serve();
    assert_eq!(world.json(&["run", "show", &run.id])["state"], "orphaned");
}

// threat 152: what is kept of a run for the next server holds no secret in the clear.
#[test]
fn what_is_kept_for_the_next_server_is_sealed() {
    let mut world = World::new();
    let mut run = world.captured();
    assert_eq!(run.curl("http://plain.test/v1/a").0, 200);
    world.kill_server();
    for name in ["marque.db", "marque.db-wal"] {
        let bytes = std::fs::read(world.data().join(name)).unwrap_or_default();
        let holds = |what: &str| bytes.windows(what.len()).any(|window| window == what.as_bytes());
        assert!(!holds(super::super::support::CREDENTIAL) && !holds("PRIVATE KEY"), "{name}");
    }
    world.serve();
    is_back(&run, 1);
    assert_eq!(run.ends(), 0);
}
