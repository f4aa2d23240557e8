//! Runs that may make user namespaces: every power there, and nothing won by it.

use std::fs;

use super::super::super::support::{Run, World, eventually};
use super::canary::CANARY;
use super::team::{PYTHON, Team, beside, both, only_outside, skipped};

/// A grant that lets captured runs of `bot` make user namespaces; its id.
fn permits(world: &World) -> String {
    let words = ["--allow", "api:GET /v1/**", "--until", "30d", "--user-namespaces"];
    let grant = world.json(&[&["grant", "add", "bot"], words.as_slice()].concat());
    assert_eq!(grant["user_namespaces"], true, "{grant}");
    grant["id"].as_str().unwrap().to_owned()
}

/// Whether this user may map itself where it has no power (user_namespaces(7)): root may not.
fn may_map_itself() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        skipped("the kernel lets nobody map root into a namespace without a power over files");
    }
    !is_root
}

/// Asserts that it is there inside as well, for something of one's own.
#[track_caller]
fn has_the_power(team: &mut Team, words: &[&str]) {
    let typed = team.run.types(&format!("{PYTHON} ~/work/probe.py {}", words.join(" ")));
    assert_eq!(typed.out, "reached", "{words:?} is blind inside");
}

fn repository(world: &World) {
    fs::create_dir_all(world.path("work/.git/hooks")).unwrap();
    fs::write(world.path("work/.git/config"), "").unwrap();
}

#[test]
fn a_sandbox_works_with_the_permission_alone_and_what_may_make_one_is_told_and_trusted_less() {
    if !may_map_itself() {
        return;
    }
    let world = World::new();
    let mut tried = vec!["unshare --user --map-current-user --mount true"];
    tried.push("unshare --user --map-current-user --net --pid --fork --mount true");
    if fs::exists("/usr/bin/bwrap").unwrap() {
        tried.push("bwrap --ro-bind / / --unshare-user true");
    }
    let mut without = world.captured();
    for words in &tried {
        let typed = without.types(words);
        assert!(typed.code != 0 && !typed.out.is_empty(), "{words}: {typed:?}");
    }
    let grant = permits(&world);
    // What is under a filter stays so.
    assert_ne!(without.types(tried[0]).code, 0);
    let mut run = world.captured();
    for words in &tried {
        let typed = run.types(words);
        assert_eq!((typed.code, typed.out.as_str()), (0, ""), "{words}");
    }
    assert_ne!(run.types("unshare --user --map-current-user --cgroup true").code, 0);
    assert!(run.said().contains("captured, may make user namespaces"), "{}", run.said());
    let shown = world.json(&["run", "show", &run.id]);
    assert_eq!(shown["user_namespaces"], true, "{shown}");
    for words in [&["run", "list"][..], &["log", "query", "--run", &run.id], &["grant", "list"]] {
        let told = world.cli(words);
        assert!(told.out.contains("make user namespaces"), "{}", told.whole());
    }
    // A child may what both its parent and its grant say, and no filter is undone by a revocation.
    let child = "marque --quiet run -- unshare --user --map-current-user --mount true";
    assert_eq!(run.types(child).code, 0);
    assert_ne!(without.types(child).code, 0);
    world.cli(&["grant", "revoke", &grant]).ok();
    assert_eq!(run.types(tried[0]).code, 0);
    assert_ne!(run.types(child).code, 0);
}

// threat 100
#[test]
fn no_mount_of_ours_is_undone_in_a_namespace_of_its_own() {
    if !may_map_itself() {
        return;
    }
    let (mut team, ()) = Team::new(|world| {
        permits(world);
        repository(world);
    });
    let config = team.world.path("work/.git/config");
    for path in [config.to_str().unwrap(), "/proc/sys", "/etc", "/dev/null", "/run/marque"] {
        for name in ["unmount", "lift"] {
            let [outside, inside] = ["own", path].map(|of| ["nested", "mounts", name, of]);
            has_the_power(&mut team, &outside);
            team.tries_as(&format!("{name} {path}"), &outside, &inside);
        }
    }
    for (kind, file_system) in [("processes", "proc"), ("network", "sysfs"), ("cgroups", "cgroup2")]
    {
        team.tries(file_system, &["nested", kind, "nested-kind", file_system, "/tmp"]);
    }
    for call in ["467", "425"] {
        team.tries(call, &["nested", "mounts", "kernel-call", call, "-1", "0", "0", "0", "0"]);
    }
    team.reports();
}

#[test]
fn what_is_covered_is_not_seen_by_another_mount_of_where_it_lies() {
    if !may_map_itself() {
        return;
    }
    let world = World::new();
    permits(&world);
    let covered = world.write("work/kube.yaml", CANARY);
    let (work, file) = (covered.parent().unwrap().display(), covered.display());
    for how in ["bind", "bind-held", "layer", "layer-held", "tree"] {
        let prefix = format!("export KUBECONFIG={file}; PROBE");
        let tried = both(&world, &prefix, &format!("beneath {work} kube.yaml {how}"));
        // A descriptor of the namespace before is refused to whoever is in none but its own.
        if how.ends_with("-held") {
            let [_, inside] = tried;
            assert!(inside.out.contains("stopped: "), "{how}: {}", inside.whole());
        } else {
            only_outside(how, &tried);
        }
    }
}

// threat 152
#[test]
fn nothing_that_was_left_behind_is_entered_or_touched_again() {
    if !may_map_itself() {
        return;
    }
    let (mut team, victim) = Team::new(|world| {
        permits(world);
        let held = world.write("elsewhere", CANARY);
        beside(world, &["victim", held.to_str().unwrap()], &[])
    });
    let own = ["nested", "network", "join", "/proc/self/ns/net"];
    has_the_power(&mut team, &own);
    for kind in ["net", "mnt", "pid", "ipc", "uts", "cgroup", "user"] {
        team.tries_as(kind, &own, &["back", kind]);
        let first = format!("/proc/1/ns/{kind}");
        team.tries_as(&first, &own, &["nested", "network", "join", &first]);
    }
    let victim = victim.id();
    team.tries_as("a trace", &["trace", &victim], &["nested", "mounts", "trace", "1"]);
    for what in ["root", "descriptors", "environment", "memory", "namespaces"] {
        let inside = ["nested", "mounts", "holdings", what, "1"];
        team.tries_as(what, &["holdings", what, &victim], &inside);
    }
    team.reports();
}

#[test]
fn a_network_of_its_own_reaches_nobody_and_no_terminal_is_typed_into() {
    if !may_map_itself() {
        return;
    }
    let world = World::new();
    permits(&world);
    let mut run = world.captured();
    let curl = "curl -sS -m 5 -o /dev/null -w '%{http_code}' http://plain.test/v1/a";
    assert_eq!(run.types(curl).out, "200");
    let heard = world.plain.saw().len();
    let address = "curl -sS -m 5 -o /dev/null http://192.0.2.7/";
    for words in [curl, address] {
        let nested =
            format!("unshare --user --map-root-user --net sh -c \"ip link set lo up; {words}\"");
        assert_ne!(run.types(&nested).code, 0, "{words}");
    }
    assert_eq!(world.plain.saw().len(), heard);
    // With the run's own network, it is the run.
    assert_eq!(run.types(&format!("unshare --user --map-root-user --mount {curl}")).out, "200");
    for words in ["type-into", "paste"] {
        let prefix = "script -qec 'PROBE' /dev/null";
        let [_, inside] = both(&world, prefix, &format!("nested mounts {words}"));
        assert!(inside.out.contains("stopped: "), "{words}: {}", inside.whole());
        assert!(!inside.out.contains("reached"), "{words}: {}", inside.whole());
    }
}

// threat 121
#[test]
fn a_run_that_unlocks_what_was_locked_is_ended_and_what_it_wrote_named() {
    if !may_map_itself() {
        return;
    }
    for how in ["file", "directory"] {
        let world = World::new();
        permits(&world);
        repository(&world);
        let probe = world.write("work/probe.py", include_str!("probe.py"));
        let mut run: Run = world.captured();
        let git = world.path("work/.git");
        run.begins(&format!("{PYTHON} {} unlock {} {how}", probe.display(), git.display()));
        assert_ne!(run.code(), 0);
        let said = run.said();
        assert!(said.contains("the run was ended: "), "{said}");
        // It may be over before anything was put there.
        let planted = fs::read(git.join("config")).is_ok_and(|held| !held.is_empty());
        let is_named = said.contains("read it first: ") && said.contains(".git/config");
        assert!(is_named || !planted, "{said}");
        eventually("the run is over", || {
            let shown = world.json(&["run", "show", &run.id]);
            (shown["state"] != "open").then_some(())
        });
    }
}
