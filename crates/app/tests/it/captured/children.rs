//! Child runs of captured runs: asked for inside, made by the launcher outside, narrower.

use rustix::process::Signal;

use super::super::support::{Json, PASSPHRASE, Run, World, eventually, signal};

fn whoami(run: &mut Run, words: &str) -> Json {
    let typed = run.types(&format!("marque --quiet run {words} -- marque whoami --json"));
    serde_json::from_str(&typed.out).unwrap_or_else(|_| panic!("{typed:?}: {}", run.said()))
}

#[test]
fn a_child_of_a_captured_run_is_captured_and_somebody_of_its_own() {
    let world = World::new();
    let mut run = world.captured();
    let child = whoami(&mut run, "");
    assert_eq!((&child["tier"], &child["agent"]), (&"captured".into(), &"bot".into()), "{child}");
    assert_ne!(child["id"], run.id.as_str());
    assert_eq!(child["parent"], run.id.as_str(), "{child}");
    assert_eq!(child["task"], "ticket:OPS-12");
    let curl = "env -i PATH=\"$PATH\" curl -sS -m 15 -o /dev/null -w '%{http_code}\\n'";
    let inside = format!(
        "{curl} http://plain.test/v1/a; {curl} -X POST http://plain.test/v1/items; \
         {curl} http://192.0.2.7/; marque run --never 'plain:GET /**' -- \
         {curl} http://plain.test/v1/a; marque run -- {curl} https://api.test/v1/a"
    );
    let typed = run.types(&format!(
        "marque --quiet run --allow 'plain:GET /v1/**' --allow 'api:GET /v1/**' -- sh -c \
         '{}' 2>err",
        inside.replace('\'', "'\\''")
    ));
    let said = run.types("cat err").out;
    assert_eq!(typed.out, "200\n403\n403\n403\n200", "{said} {}", run.said());
    // What its children did counts for it as well.
    let shown = world.json(&["run", "show", &run.id]);
    assert_eq!((&shown["calls"], &shown["state"]), (&2.into(), &"open".into()), "{shown}");
    assert_eq!(world.plain.saw().len(), 1);
    let wider = run.types("marque --quiet run --allow 'api:DELETE /**' -- true");
    assert_ne!(wider.code, 0);
    assert!(wider.out.contains("error: "), "{}", wider.out);
    let other = run.types("marque --quiet run --tier advisory -- true");
    assert_eq!(other.code, 2, "{}", other.out);
    assert!(other.out.contains("is captured"), "{}", other.out);
}

// threat 114
#[test]
fn a_child_has_nothing_of_its_launchers_environment_and_what_it_passes_on_is_judged() {
    let world = World::new();
    let words = ["run", "--tier", "captured", "--agent", "bot", "--", "sh", "-c"];
    let inside = "export MINE=here GIVEN=given API_KEY=canary-inside; \
                  marque --quiet run --env GIVEN -- sh -c 'env; ls -l /proc/self/fd'; \
                  marque --quiet run --env API_KEY -- true; echo code $?";
    let told = world
        .words(&[words.as_slice(), &[inside]].concat())
        .env("OF_THE_LAUNCHER", "canary-outside")
        .env("GITHUB_TOKEN", "canary-token")
        .output()
        .unwrap();
    let out = String::from_utf8(told.stdout).unwrap();
    let said = String::from_utf8(told.stderr).unwrap();
    assert!(out.contains("GIVEN=given") && out.contains("MARQUE_RUN=run_"), "{out}{said}");
    for canary in ["canary", "MINE=", "SECRET", "_proxy", PASSPHRASE] {
        assert!(!out.contains(canary), "`{canary}` reached the child: {out}");
    }
    assert!(out.ends_with("code 2\n") && said.contains("looks like a secret"), "{out}{said}");
}

#[test]
fn a_childs_streams_code_and_signals_are_as_if_it_ran_there() {
    let world = World::new();
    let mut run = world.captured();
    let typed = run.types("echo to-it | marque --quiet run -- sh -c 'cat; echo aside >&2; exit 7'");
    assert_eq!((typed.code, typed.out.as_str()), (7, "to-it\naside"), "{}", run.said());
    assert_eq!(run.types("marque --quiet run -- sh -c 'kill -9 $$'").code, 137);
    assert_eq!(run.types("marque --quiet run -- /none").code, 127);
    let told = run.types("marque run -- true").out;
    assert!(told.contains("tier") && told.contains("0 calls"), "{told}");
    let typed = run.types(
        "marque --quiet run -- sh -c 'trap \"echo told; exit 9\" TERM; echo ready > ready; \
         while :; do sleep 0.05; done' & it=$!; until [ -f ready ]; do sleep 0.02; done; \
         kill -TERM $it; wait $it",
    );
    assert_eq!(typed.code, 9, "{}", typed.out);
    assert!(typed.out.ends_with("told"), "{}", typed.out);
}

#[test]
fn a_child_works_where_its_parent_does_or_below_and_writes_only_there() {
    let world = World::new();
    std::fs::create_dir_all(world.path("work/sub/deep")).unwrap();
    std::fs::create_dir_all(world.path("work/.vscode")).unwrap();
    std::fs::create_dir_all(world.path("beside")).unwrap();
    world.write("beside/theirs", "canary-beside");
    std::os::unix::fs::symlink("../beside", world.path("work/.claude")).unwrap();
    let mut run = world.captured();
    let typed = run.types(
        "cd sub && marque --quiet run -- sh -c 'pwd; echo 1 > mine; echo 2 > ../up; \
         echo 3 > ../.vscode/x; cat ../ours'; cd ..",
    );
    assert!(typed.out.lines().any(|line| line.ends_with("work/sub")), "{}", typed.out);
    assert!(world.path("work/sub/mine").is_file(), "{} {}", typed.out, run.said());
    assert!(!world.path("work/up").exists() && !world.path("work/.vscode/x").exists());
    let typed = run.types("marque --quiet run -- sh -c 'echo 1 > here; echo 2 > .vscode/x'");
    assert!(world.path("work/here").is_file(), "{}", typed.out);
    assert!(!world.path("work/.vscode/x").exists(), "what is locked for the parent is for it");
    for outside in ["/var/tmp", "/", "\"$HOME\"", "\"$HOME/beside\"", "/usr"] {
        let typed = run.types(&format!("(cd {outside} && marque --quiet run -- true)"));
        assert_eq!(typed.code, 2, "{outside}: {}", typed.out);
        assert!(typed.out.contains("working directory"), "{outside}: {}", typed.out);
    }
    // Nor is the launcher kept waiting by what would keep a reader waiting.
    let typed = run.types("mkdir pipes; cd pipes; mkfifo .git; marque -q run -- echo there; cd ..");
    assert_eq!(typed.out, "there", "{}", run.said());
    // What is somewhere else by the time it is laid is not laid.
    run.types(
        "mkdir turn; (while :; do mv -T turn t; ln -s ../beside turn; rm turn; mv -T t turn; done) \
         & echo $! > turner",
    );
    let tries = "marque --quiet run -- sh -c 'cat theirs; echo > planted'";
    for _ in 0..10 {
        let typed = run.types(&format!("(cd turn 2>/dev/null && {tries})"));
        assert!(!typed.out.contains("canary-beside"), "{}", typed.out);
    }
    run.types("kill $(cat turner)");
    assert!(!world.path("beside/planted").exists());
}

#[test]
fn a_link_that_an_earlier_run_planted_opens_nothing_to_a_later_one() {
    let world = World::new();
    std::fs::create_dir_all(world.path(".aws")).unwrap();
    std::fs::create_dir_all(world.path(".config/gh")).unwrap();
    world.write(".aws/credentials", "canary-aws");
    world.write(".config/gh/hosts.yml", "canary-gh");
    let mut run = world.captured();
    run.types("ln -s ../.aws .claude; echo 'gitdir: ../.config/gh' > .git");
    let tries = "cat .claude/credentials ../.aws/credentials ../.config/gh/hosts.yml; \
                 echo x > ../.config/gh/planted";
    let child = run.types(&format!("marque --quiet run -- sh -c '{tries}'"));
    assert_eq!(run.ends(), 0);
    let mut later = world.captured();
    for typed in [child, later.types(tries)] {
        assert!(!typed.out.contains("canary"), "{}", typed.out);
    }
    assert!(!world.path(".config/gh/planted").exists());
}

#[test]
fn neither_speaks_through_the_others_socket() {
    let world = World::new();
    let mut run = world.captured();
    run.types("echo secret > /var/tmp/parents; mkfifo go");
    let child = "ls /var/tmp/parents; ls /run/marque/*.sock; marque whoami --json | tr -d ' \\n'; \
                 ls /proc/1/root/; cat go";
    world.write("work/child.sh", child);
    run.begins("marque --quiet run -- sh child.sh > out 2>&1 &");
    let out = eventually("the child says who it is", || {
        let out = std::fs::read_to_string(world.path("work/out")).ok()?;
        out.contains("denied").then_some(out)
    });
    assert!(out.contains("\"parent\":\"") && !out.contains("/var/tmp/parents\n"), "{out}");
    let parent = run.types("marque whoami --json | tr -d ' \\n'");
    assert!(parent.out.contains(&format!("\"id\":\"{}\"", run.id)), "{}", parent.out);
    // A stream that is a way to speak as the parent, or to see what it sees, is not passed on.
    for stream in ["< /", "< /run/marque"] {
        let typed = run.types(&format!("marque --quiet run -- ls /proc/self/fd/0/ {stream}"));
        assert_eq!(typed.code, 2, "{stream}: {}", typed.out);
        assert!(typed.out.contains("neither a file, a pipe nor a terminal"), "{}", typed.out);
    }
    run.types("echo > go");
}

#[test]
fn a_child_ends_with_its_asker_and_with_its_parent() {
    let world = World::new();
    let mut run = world.captured();
    let runs = |state: &str| {
        let all = world.json(&["run", "list"]);
        all.as_array().unwrap().iter().filter(|run| run["state"] == state).count()
    };
    run.begins("marque --quiet run -- sh -c 'echo > up; sleep 1000' & asker=$!");
    eventually("the child is up", || world.path("work/up").exists().then_some(()));
    assert_eq!(runs("open"), 2);
    run.types("kill -9 $asker");
    eventually("the child is closed", || (runs("open") == 1).then_some(()));
    run.types("rm up");
    // A child of a child, so that both have to be found.
    run.begins("marque --quiet run -- marque --quiet run -- sh -c 'echo > up; sleep 1000' &");
    eventually("the grandchild is up", || world.path("work/up").exists().then_some(()));
    assert_eq!(runs("open"), 3);
    world.cli(&["kill", &run.id]).ok();
    assert_eq!(run.code(), 137, "{}", run.said());
    assert_eq!(runs("open"), 0);
    let mut run = world.captured();
    run.types("rm up");
    run.begins("marque --quiet run -- sh -c 'echo > up; sleep 1000' &");
    eventually("the child is up", || world.path("work/up").exists().then_some(()));
    signal(run.launcher.id(), Signal::KILL);
    eventually("both are closed", || (runs("open") == 0).then_some(()));
}

#[test]
fn depth_and_number_of_children_are_bounded_and_the_reason_is_told() {
    let world = World::new();
    let mut run = world.captured();
    let typed =
        run.types("marque -q run -- marque -q run -- marque -q run -- marque -q run -- true");
    assert_ne!(typed.code, 0);
    assert!(typed.out.contains("deep"), "{}", typed.out);
    assert_eq!(run.types("marque -q run -- marque -q run -- marque -q run -- true").code, 0);
    run.begins(
        "for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do \
         marque -q run -- sh -c \"echo > up-$n; sleep 1000\" & echo $! >> askers; done",
    );
    eventually("sixteen are up", || {
        (1..=16).all(|n| world.path(&format!("work/up-{n}")).exists()).then_some(())
    });
    let typed = run.types("marque -q run -- true");
    assert_eq!(typed.code, 3, "{}", typed.out);
    assert!(typed.out.contains("16 child runs"), "{}", typed.out);
    // Whoever talks nonsense there, or nothing, keeps nobody waiting.
    let typed = run.types("kill $(cat askers); wait; marque -q run -- echo again");
    assert!(typed.out.ends_with("again"), "{}", typed.out);
}

#[test]
fn a_child_that_has_its_parents_terminal_does_not_keep_it_open() {
    let world = World::new();
    let marque = super::super::support::BINARY;
    world.write(
        "work/session.sh",
        &format!(
            "{marque} --quiet run --tier captured --agent bot -- sh -c \
             'marque -q run -- sh -c \"test -t 1 && echo at-terminal; sleep 1000\" & sleep 2; \
             exit 5'; echo \"code $?\"\n"
        ),
    );
    let told = world.tool("timeout", &["30", "script", "-qec", "sh session.sh", "/dev/null"]);
    assert!(told.out.contains("at-terminal"), "{}", told.out);
    assert!(told.out.contains("code 5"), "{}", told.out);
    let open = world.json(&["run", "list"]);
    assert!(open.as_array().unwrap().iter().all(|run| run["state"] != "open"), "{open}");
}

#[test]
fn what_is_to_be_hidden_must_be_there() {
    let world = World::new();
    for tier in ["captured", "advisory"] {
        let words = ["run", "--tier", tier, "--agent", "bot", "--hide", "nowhere", "--", "true"];
        world.cli(&words).fails(2, "cannot hide `nowhere`").hints("correct the path");
    }
    let mut run = world.captured();
    let child = run.types("marque -q run --hide nowhere -- echo started");
    assert_eq!(child.code, 2, "{}", child.out);
    assert!(child.out.starts_with("error: cannot hide `nowhere`"), "{}", child.out);
    let runs = world.json(&["run", "list"]);
    assert_eq!(runs.as_array().unwrap().len(), 1, "none of them was opened: {runs}");
}
