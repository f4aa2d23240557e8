//! What a human's own tools would execute later: hooks, configuration, and what points at them.

use std::fs;
use std::os::unix::fs::symlink;

use super::super::super::support::{World, eventually};
use super::canary::CANARY;
use super::team::Team;

/// A repository as people have them, in the working directory.
fn repository(world: &World) {
    let work = world.path("work");
    let git = |words: &[&str]| {
        world.tool("git", &[&["-C", work.to_str().unwrap()], words].concat()).ok().to_owned()
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["config", "user.email", "alice@example.com"]);
    git(&["config", "user.name", "alice"]);
    git(&["commit", "-q", "--allow-empty", "-m", "first"]);
    git(&["init", "-q", "vendored"]);
    git(&["init", "-q", ".git/modules/sub"]);
    git(&["config", "core.hooksPath", "tools/git"]);
    git(&["config", "include.path", "../shared.gitconfig"]);
    git(&["worktree", "add", "-q", "../beside"]);
    for (name, text) in [
        (".git/info/attributes", ""),
        (".envrc", "export A=1\n"),
        (".vscode/settings.json", "{}"),
        ("tools/git/pre-push", "#!/bin/sh\n"),
        ("shared.gitconfig", ""),
        ("Makefile", "all:\n"),
        ("sub/.git", "gitdir: ../.git/modules/sub/.git\n"),
    ] {
        let path = work.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

// threat 121
#[test]
fn hooks_and_configuration_of_the_human_are_not_changed() {
    let (mut team, ()) = Team::new(repository);
    let top = team.world.path("work");
    let at = |name: &str| format!("{}/{name}", top.display());
    let (config, hooks, work) = (at(".git/config"), at(".git/hooks"), at(""));
    let written: Vec<String> = [
        ".git/config",
        ".git/info/attributes",
        ".envrc",
        ".vscode/settings.json",
        "tools/git/pre-push",
        "shared.gitconfig",
        "vendored/.git/config",
        ".git/modules/sub/.git/config",
        "sub/.git",
    ]
    .map(at)
    .into();
    let created = [
        ".git/hooks/pre-commit",
        ".vscode/tasks.json",
        "tools/git/pre-commit",
        "vendored/.git/hooks/pre-commit",
        ".git/modules/sub/.git/hooks/post-checkout",
    ]
    .map(at);
    // Renamed away, something else could stand in its place.
    let renamed = [
        ".git",
        ".git/hooks",
        ".git/config",
        ".git/info",
        ".git/modules",
        ".git/modules/sub",
        ".vscode",
        ".envrc",
        "tools",
        "tools/git",
        "vendored",
        "vendored/.git",
        "sub",
    ]
    .map(at);
    for path in &written {
        team.tries(&format!("writing {path}"), &["write", path]);
    }
    for path in &created {
        team.tries(&format!("creating {path}"), &["create", path]);
    }
    for path in &renamed {
        team.tries(&format!("renaming {path}"), &["rename", path]);
    }
    // Replaced outside, it would have to be locked again first.
    let second = at(".git/description");
    team.tries_as("replacing it", &["replace", &second], &["replace", &config]);
    team.tries(
        "a second name of the configuration",
        &["hard-link", &config, &format!("{work}second")],
    );
    team.tries("the mode of the hooks", &["mode-of", &hooks]);
    team.reports();
}

// threat 121
#[test]
fn configuration_that_is_replaced_outside_is_locked_again() {
    let (mut team, ()) = Team::new(repository);
    let work = team.world.path("work");
    let config = work.join(".git/config");
    // As git-config(1) does: another file in its place.
    team.world.tool("git", &["-C", work.to_str().unwrap(), "config", "user.name", "bob"]).ok();
    let tried = || fs::OpenOptions::new().write(true).open(&config).is_ok();
    assert!(tried(), "outside it can be written to");
    eventually("it is locked again", || {
        let typed = team.run.types("grep -q bob .git/config && sh -c ': >> .git/config' 2>&1");
        typed.out.contains("Read-only").then_some(())
    });
    team.tries("replacing the configuration", &["rename", config.to_str().unwrap()]);
    team.reports();
}

// threat 121
#[test]
fn a_worktrees_own_pointer_is_not_changed_and_its_repository_not_moved() {
    let world = World::new();
    repository(&world);
    let beside = world.path("beside");
    let told = |words: &str| {
        let line = format!(
            "cd {} && {} run --tier captured --agent bot --task ticket:OPS-12 -- sh -c '{words}'",
            beside.display(),
            super::super::super::support::BINARY
        );
        world.tool("sh", &["-c", &line])
    };
    let tried = told(
        "echo evil >> .git; mv .git away; rm -f .git; mkdir -p .git/hooks; \
         git status >/dev/null && echo works",
    );
    assert!(tried.out.contains("works"), "{}", tried.whole());
    let pointer = fs::read_to_string(beside.join(".git")).unwrap();
    assert!(pointer.starts_with("gitdir: ") && !pointer.contains("evil"), "{pointer}");
    let commits =
        told("git -c user.name=a -c user.email=a@b commit -q --allow-empty -m two && echo done");
    assert!(commits.out.contains("done"), "a commit is made in a worktree: {}", commits.whole());
}

// threat 121, threat 123
#[test]
fn what_could_not_be_kept_from_being_written_is_named_at_the_end() {
    let (mut team, ()) = Team::new(|world| {
        repository(world);
        fs::remove_dir_all(world.path("work/.vscode")).unwrap();
    });
    let planted = [
        // Configuration and hooks would be read from there (gitrepository-layout(5)).
        (".git/commondir", "../evil"),
        ("deep/er/.git/config", "[core] fsmonitor = evil"),
        ("deep/er/.git/HEAD", "ref: refs/heads/main"),
        ("pointed/.git", "gitdir: ../evil"),
        ("bare/HEAD", "ref: refs/heads/main"),
        ("bare/config", "[core] fsmonitor = evil"),
        (".github/workflows/ci.yml", "on: push"),
        (".gitmodules", "[submodule \"a\"]"),
        (".gitlab-ci.yml", "evil:"),
        ("package.json", "{\"scripts\":{\"install\":\"evil\"}}"),
        ("Makefile", "all:\n\tevil\n"),
        ("AGENTS.md", "do evil"),
        ("sub/.envrc", "evil"),
        (".git/rebase-merge/git-rebase-todo", "exec evil"),
    ];
    let work = team.world.path("work");
    assert_eq!(team.run.types("cd ~/work").code, 0);
    for (name, text) in planted {
        let directories = format!("mkdir -p \"$(dirname {name})\" bare/objects bare/refs");
        team.run.types(&format!("{directories}; printf '%s' '{text}' > {name}"));
        assert_eq!(fs::read_to_string(work.join(name)).unwrap(), text, "{name} could be written");
    }
    team.run.types("mkdir .git/commondir.from-run evil; ln -s evil .vscode");
    team.run.types("cp /usr/bin/true helper; chmod 4755 helper");
    team.run.begins("exit 0");
    team.run.code();
    // A prompt that asks git would follow it before anybody reads the list.
    assert!(!work.join(".git/commondir").exists(), "the repository is what it was");
    let said = team.run.said();
    let named: Vec<_> =
        planted.iter().map(|(name, _)| *name).filter(|name| *name != "bare/HEAD").collect();
    for name in named.iter().chain(&[".vscode", "helper"]) {
        let is_named = said.split([',', ' ', '\n']).any(|word| word == *name);
        assert!(is_named || *name == "deep/er/.git/HEAD", "{name} is not named: {said}");
    }
}

// threat 121
#[test]
fn what_an_earlier_run_planted_does_not_open_more_to_a_later_one() {
    let world = World::new();
    let secret = world.path(".config/gh/hosts.yml");
    fs::create_dir_all(secret.parent().unwrap()).unwrap();
    fs::write(&secret, CANARY).unwrap();
    let repository = world.path("other/.git");
    for name in ["objects", "refs", "hooks"] {
        fs::create_dir_all(repository.join(name)).unwrap();
    }
    fs::write(repository.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    fs::write(repository.join("config"), "").unwrap();
    let work = world.path("work");
    // Pointers to where the human's credentials lie, and to a repository that knows nothing of it.
    for pointed in [secret.parent().unwrap().to_owned(), repository.clone()] {
        fs::write(work.join(".git"), format!("gitdir: {}\n", pointed.display())).unwrap();
        let mut run = world.captured();
        let read = run.types(&format!("cat {}", secret.display()));
        assert!(!read.out.contains(CANARY), "{pointed:?} was opened");
        run.types(&format!(
            "echo x > {}/planted; echo x > {}/objects/planted",
            pointed.display(),
            repository.display()
        ));
        assert!(!pointed.join("planted").exists(), "{pointed:?} was written to");
        assert!(!repository.join("objects/planted").exists());
        run.ends();
    }
    fs::remove_file(work.join(".git")).unwrap();
    // Links in the place of what is locked, a pipe in the place of what is read.
    symlink("../.config/gh", work.join(".vscode")).unwrap();
    symlink(secret.parent().unwrap(), work.join(".idea")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        work.join(".git").as_path(),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    let mut run = world.captured();
    let read = run.types("cat .vscode/hosts.yml .idea/hosts.yml ~/.config/gh/hosts.yml");
    assert!(!read.out.contains(CANARY), "a link led to it: {}", read.out);
}
