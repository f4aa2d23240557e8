//! What a child of a captured run sees is no more than its parent sees, whatever it asks for.

use super::super::support::{Run, World, eventually};

fn captured(world: &World, words: &[&str]) -> Run {
    let common = ["--agent", "bot", "--task", "ticket:OPS-12"];
    Run::open_in("captured", world, &[&common, words].concat())
}

fn laid() -> World {
    let world = World::new();
    world.write("notes.txt", "canary-notes");
    for name in ["first", "second", "third"] {
        world.write(name, "canary-home");
    }
    world
}

#[test]
fn a_childs_home_is_no_wider_than_its_parents() {
    let world = laid();
    let read = "cat ~/notes.txt 2>/dev/null; { echo x > ~/new; } 2>/dev/null && echo written";
    let shown = |home: &str, childs: &str| {
        let mut run = captured(&world, &["--home", home]);
        let child = format!("marque -q run --home {childs} -- sh -c '{read}'");
        [run.types(read).out, run.types(&child).out]
    };
    assert_eq!(shown("private", "private"), ["canary-noteswritten"; 2]);
    assert_eq!(shown("private", "read-only"), ["canary-noteswritten", "canary-notes"]);
    assert_eq!(shown("private", "hidden"), ["canary-noteswritten", "written"]);
    assert_eq!(shown("read-only", "private"), ["canary-notes"; 2]);
    assert_eq!(shown("hidden", "private"), ["written"; 2], "nothing is there, and it goes");
    assert!(!world.path("new").exists());
}

#[test]
fn what_is_hidden_from_a_run_is_hidden_from_its_children_and_they_hide_more() {
    let world = laid();
    let first = world.path("first");
    let mut run = captured(&world, &["--hide", first.to_str().unwrap()]);
    let read = "for name in first second third; do \
                grep -qs canary ~/$name && printf \"$name \"; done; true";
    assert_eq!(run.types(read).out, "second third");
    let child = |words: &str| format!("marque -q run {words} -- sh -c '{read}'");
    assert_eq!(run.types(&child("")).out, "second third");
    assert_eq!(run.types(&child("--hide ~/second")).out, "third");
    world.write("work/read.sh", read);
    let grandchild = "marque -q run --hide ~/second -- marque -q run --hide ~/third -- sh read.sh";
    assert_eq!(run.types(grandchild).out, "", "each hides what those above it hide");
    assert_eq!(run.types(read).out, "second third", "its parent sees what it saw");
}

// threat 121
#[test]
fn what_is_locked_for_a_run_stays_locked_for_its_children() {
    let world = World::new();
    let work = world.path("work");
    let git = |words: &[&str]| {
        world.tool("git", &[&["-C", work.to_str().unwrap()], words].concat()).ok().to_owned()
    };
    git(&["init", "-q"]);
    git(&["config", "user.name", "alice"]);
    let mut run = world.captured();
    let tries = "for at in .git/config .git/hooks/pre-commit; do true >> $at; done; \
                 mv .git/config away-1; rm -f .git/config; mv .git/hooks away-2; mv .git away-3; \
                 umount .git/config; mount -o remount,bind,rw .git/config";
    // Then it looks, for as long as it lives, and says what it saw last.
    let looks = "( true >> .git/config ) && how=open || how=locked; \
                 echo \"$how $(git config -f .git/config user.name)\" > now; mv now last";
    let script = format!("( {tries} )\nwhile :; do {looks}; sleep 0.05; done 2>/dev/null");
    world.write("work/tries.sh", &script);
    let last = || std::fs::read_to_string(world.path("work/last")).unwrap_or_default();
    run.begins("marque -q run -- sh tries.sh &");
    eventually("a child has tried", || (last() == "locked alice\n").then_some(()));
    // As git-config(1) does: another file in its place, and with it goes the mount.
    git(&["config", "user.name", "bob"]);
    eventually("it is locked again", || (last() == "locked bob\n").then_some(()));
    for _ in 0..10 {
        assert_eq!(last(), "locked bob\n");
        std::thread::sleep(std::time::Duration::from_millis(30));
    }
    let typed = run.types("sh -c 'true >> .git/config'");
    assert_ne!(typed.code, 0, "nor did the child open it for its parent");
    assert!(work.join(".git/hooks").is_dir() && !work.join(".git/hooks/pre-commit").exists());
}
