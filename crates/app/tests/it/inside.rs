//! From inside a run: its own identity, and no way to a human's.

use super::support::{BINARY, PASSPHRASE, Run, World};

/// Every way a process inside a run may present itself on the admin socket.
const GUISES: [(&str, &str); 4] = [
    ("nothing", ""),
    ("its own secret", "-H \"Authorization: Marque-Run $MARQUE_RUN:$MARQUE_RUN_SECRET\""),
    ("the passphrase", "-u \"alice:$(cat \"$HOME/passphrase\")\""),
    ("the passphrase alone", "-u \":$(cat \"$HOME/passphrase\")\""),
];

// threat 126, threat 165, threat 166
#[test]
fn every_administrative_route_is_closed_to_a_run_whatever_it_presents() {
    let world = World::new();
    let mut run = world.run();
    let before = world.json(&["log", "query", "--limit", "10000"]);
    let routes = marque_api::listing();
    let admin = routes.iter().filter(|route| !is_for_runs(route.who));
    let (mut script, mut expected) = (String::new(), 0);
    for route in admin {
        let path = route.path.replace(['{', '}'], "");
        for (guise, words) in GUISES {
            let asked = format!(
                "printf '%s ' '{} {path}, {guise}:'; curl -s -o /dev/null -w '%{{http_code}}\\n' \
                 --unix-socket \"$MARQUE_SOCKET\" {words} -X {} -H 'Content-Type: \
                 application/json' -d '{{}}' \"http://marque{path}\"\n",
                route.method, route.method
            );
            script.push_str(&asked);
            expected += 1;
        }
    }
    world.write("routes.sh", &script);
    let answers = run.types("sh \"$HOME/routes.sh\"").out;
    assert_eq!(answers.lines().count(), expected, "{answers}");
    let passed: Vec<_> = answers.lines().filter(|line| !line.ends_with(" 403")).collect();
    assert!(passed.is_empty(), "{passed:#?}");
    let after = world.json(&["log", "query", "--limit", "10000"]);
    assert_eq!(before, after, "nothing may have changed, and no passphrase been tried");
}

fn is_for_runs(who: marque_api::Who) -> bool {
    matches!(who, marque_api::Who::Run | marque_api::Who::Anybody)
}

// threat 126, threat 166
#[test]
fn the_right_passphrase_is_worth_nothing_inside_a_run() {
    let world = World::new();
    let mut run = world.run();
    run.curl("-d 'pay 10' https://api.test/v1/orders");
    let waiting = world.json(&["approval", "list"]);
    let id = waiting[0]["approval"]["id"].as_str().unwrap();
    let as_itself = "";
    // Without the run's variables, as a child of nobody, and in a session of its own.
    let bare = "env -u MARQUE_RUN -u MARQUE_RUN_SECRET -u MARQUE_SOCKET";
    let escaped = "env -u MARQUE_RUN -u MARQUE_RUN_SECRET -u MARQUE_SOCKET setsid --wait";
    for guise in [as_itself, bare, escaped] {
        for words in [
            format!("approval give {id}"),
            format!("approval decline {id}"),
            "approval list".to_owned(),
            "claim --name mallory".to_owned(),
            "unlock".to_owned(),
            "grant add bot --allow 'api:DELETE /v1/**' --until 1d".to_owned(),
            "agent add helper --purpose more".to_owned(),
            "agent retire bot".to_owned(),
            "connection add more --host more.test --no-credential".to_owned(),
            "connection remove api".to_owned(),
            "run list".to_owned(),
            "log query".to_owned(),
            "kill --all".to_owned(),
            "task close ticket:OPS-12".to_owned(),
        ] {
            let proof = "--data-dir \"$HOME/data\" --passphrase-file \"$HOME/passphrase\"";
            let typed = run.types(&format!("{guise} {BINARY} {proof} {words}"));
            assert_eq!(typed.code, 3, "`{guise} {words}`: {}", typed.out);
            assert!(typed.out.contains("error: "), "`{guise} {words}`: {}", typed.out);
        }
    }
    assert_eq!(world.json(&["approval", "show", id])["state"], "asked");
    assert_eq!(world.json(&["agent", "list"]).as_array().unwrap().len(), 1);
    assert_eq!(world.json(&["grant", "list"]).as_array().unwrap().len(), 1);
    assert_eq!(run.curl("-d 'pay 10' https://api.test/v1/orders").0, 403);
    world.api.saw_nothing();
}

// threat 126
#[test]
fn a_process_that_cut_its_roots_is_still_inside_its_run() {
    let world = World::new();
    let mut run = world.run();
    let orphan = format!(
        "(setsid sh -c 'sleep 0.2; env -i HOME=\"$HOME\" PATH=\"$PATH\" {BINARY} --data-dir \
         \"$HOME/data\" --passphrase-file \"$HOME/passphrase\" kill --all; echo \"code $?\"' \
         > orphan.out 2>&1 &) &"
    );
    run.types(&orphan);
    let told = super::support::eventually("the orphan tries", || {
        let told = std::fs::read_to_string(world.path("work/orphan.out")).ok()?;
        told.contains("code ").then_some(told)
    });
    assert!(told.contains("code 3"), "{told}");
    assert_eq!(run.curl("https://api.test/v1/a").0, 200);
}

#[test]
fn a_run_knows_who_it_is_and_holds_no_secret_of_its_human() {
    let world = World::new();
    let mut command = world.words(&["run", "--agent", "bot", "--task", "ticket:1", "--", "env"]);
    let told = command
        .env("GITHUB_TOKEN", "canary-github")
        .env("AWS_SECRET_ACCESS_KEY", "canary-aws")
        .env("SSH_AUTH_SOCK", "/canary-agent")
        .output()
        .unwrap();
    let environment = String::from_utf8(told.stdout).unwrap();
    assert!(environment.contains("MARQUE_RUN=run_"), "{environment}");
    for canary in ["canary", PASSPHRASE, "MARQUE_PASSPHRASE_FILE", "MARQUE_DATA"] {
        assert!(!environment.contains(canary), "`{canary}` reached the run: {environment}");
    }
    let mut run = world.run();
    let told = run.types(&format!("{BINARY} whoami --json"));
    let told: super::support::Json = serde_json::from_str(&told.out).unwrap();
    assert_eq!((&told["you_are"], &told["agent"]), (&"run".into(), &"bot".into()), "{told}");
    assert_eq!(told["id"], run.id.as_str());
    let bare = run.types(&format!("env -i {BINARY} --data-dir \"$HOME/data\" whoami"));
    assert!(bare.out.contains(&run.id), "{}", bare.out);
    for (words, what) in
        [("--env MY_TOKEN", "looks like a secret"), ("--env HTTPS_PROXY", "a run has its own")]
    {
        let words: Vec<_> = words.split(' ').collect();
        let told =
            world.cli(&[&["run", "--agent", "bot"], words.as_slice(), &["--", "true"]].concat());
        told.fails(2, what);
    }
}

#[test]
fn a_repository_file_narrows_a_run_and_never_widens_it() {
    let world = World::new();
    world.write("work/marque.toml", "[mandate]\nallow = [\"api:GET /v1/a\", \"api:DELETE /**\"]\n");
    let mut run = world.run();
    assert_eq!(run.curl("https://api.test/v1/a").0, 200);
    assert_eq!(run.curl("https://api.test/v1/b").0, 403);
    assert_eq!(run.curl("-X DELETE https://api.test/v1/a").0, 403);
    assert!(run.said().contains("`api:DELETE /**`"), "{}", run.said());
    let wider = ["--agent", "bot", "--allow", "api:DELETE /v1/**"];
    world
        .cli(&[&["run"], wider.as_slice(), &["--", "true"]].concat())
        .fails(3, "not inside what the run may have")
        .hints("marque grant add");
}

#[test]
fn a_run_passes_on_what_its_command_returned_and_leaves_nothing_running() {
    let world = World::new();
    let ends = |command: &str| {
        let words = ["run", "--tier", "advisory", "--agent", "bot", "--", "sh", "-c", command];
        world.cli(&words).code
    };
    assert_eq!(ends("exit 7"), 7);
    assert_eq!(ends("kill -TERM $$"), 143);
    let missing = world.cli(&["run", "--agent", "bot", "--", "no-such-command"]);
    missing.fails(127, "cannot start `no-such-command`");
    assert_eq!(ends("(sleep 600 & echo $! > left.pid) ; exit 0"), 0);
    let left = std::fs::read_to_string(world.path("work/left.pid")).unwrap();
    assert!(!std::path::Path::new(&format!("/proc/{}", left.trim())).exists());
    assert_eq!(std::fs::read_dir(world.path("tmp")).unwrap().count(), 0, "certificates are left");
    let last = world.json(&["run", "list", "--all"]);
    assert!(last.as_array().unwrap().iter().all(|run| run["state"] == "done"), "{last}");
    let run = Run::open(&world, &["--agent", "bot", "--ttl", "1s"]);
    let mut run = run;
    assert_eq!(run.code(), 137);
    assert_eq!(world.json(&["run", "show", &run.id])["state"], "expired");
}
