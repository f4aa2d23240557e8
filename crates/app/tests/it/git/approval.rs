//! Held pushes: a yes is for these refs of this repository, from these commits to those.

use super::super::support::{GIT_TOKEN, Json, Run, Typed};
use super::{GitWorld, MAIN, WEB, commit, is_rejected, ok, zero};

/// The approval that a held push names.
#[track_caller]
fn asked(typed: &Typed, refs: usize) -> String {
    is_rejected(typed, refs, "(marque approval give apr_");
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut words = typed.out.split(|letter| !is_part(letter));
    words.find(|word| word.starts_with("apr_")).unwrap().to_owned()
}

fn gives(world: &GitWorld, id: &str) {
    world.cli(&["approval", "give", id]).ok();
}

fn begins(world: &GitWorld, lines: &[(&str, &str)]) -> Run {
    let mut run = world.agent("bot", &[&[("allow", "code:repo.read acme/*")], lines].concat());
    ok(&mut run, &format!("git clone -q {WEB}"));
    run
}

// threat 127
#[test]
fn a_held_push_of_two_refs_is_shown_whole_and_passes_once() {
    let world = GitWorld::new(&["acme/web"]);
    let own = ("allow", "code:git.push acme/web refs/heads/agent/**");
    let mut run = begins(&world, &[own, ("ask", "code:git.push acme/web refs/heads/main")]);
    let old = world.main("acme/web");
    let new = commit(&mut run, "web", "a change");
    let push = "git -C web push origin HEAD:refs/heads/agent/x HEAD:main";
    let id = asked(&run.types(push), 2);
    let shown = world.cli(&["approval", "show", &id]);
    for words in [
        format!("{MAIN} = {old}..{new}"),
        format!("refs/heads/agent/x = {new}"),
        "code:git.push acme/web refs/heads/agent/x".to_owned(),
        "code:git.push acme/web refs/heads/main".to_owned(),
        "bound by the ids above".to_owned(),
        "bot@v1".to_owned(),
    ] {
        assert!(shown.ok().contains(&words), "`{words}` is missing: {}", shown.out);
    }
    assert_eq!(world.pushes(), 0);
    gives(&world, &id);
    let typed = run.types("git -C web push origin HEAD:main");
    assert_ne!(asked(&typed, 1), id, "less than was shown is something else");
    ok(&mut run, push);
    let mut pushed = world.host.pushed();
    pushed.sort();
    let mut expected =
        [format!("{} {new} refs/heads/agent/x", zero()), format!("{old} {new} {MAIN}")];
    expected.sort();
    assert_eq!(pushed, expected);
    assert_eq!(world.json(&["approval", "show", &id])["state"], "used");

    let third = commit(&mut run, "web", "more than was asked");
    assert_ne!(asked(&run.types(push), 2), id);
    // Back to where it was, and once more the same: the yes is used up.
    world.at_host("acme/web", &["update-ref", MAIN, &old]);
    world.at_host("acme/web", &["update-ref", "-d", "refs/heads/agent/x"]);
    ok(&mut run, &format!("git -C web reset -q --hard {new}"));
    assert_ne!(asked(&run.types(push), 2), id);
    assert_eq!(world.pushes(), 1);
    assert!(!world.refs("acme/web").contains(&third));
}

// threat 127
#[test]
fn a_yes_does_not_outlive_what_main_was() {
    let world = GitWorld::new(&["acme/web"]);
    let mut run = begins(&world, &[("ask", "code:git.push acme/web refs/heads/main")]);
    commit(&mut run, "web", "what the agent made");
    let push = "git -C web push origin +HEAD:main";
    let id = asked(&run.types(push), 1);
    gives(&world, &id);
    let human = |words: &[&str]| world.host.git(&world, Some(GIT_TOKEN), words).ok().to_owned();
    human(&["clone", "-q", &world.host.url("acme/web"), "mine"]);
    human(&["-C", "mine", "commit", "-q", "--allow-empty", "-m", "meanwhile"]);
    human(&["-C", "mine", "push", "-q", "origin", "HEAD:main"]);
    let moved = world.main("acme/web");
    let again = asked(&run.types(push), 1);
    assert_ne!(again, id);
    let shown = world.cli(&["approval", "show", &again]);
    assert!(shown.ok().contains(&format!("{MAIN} = {moved}..")), "{}", shown.out);
    assert_eq!(world.main("acme/web"), moved);
    assert_eq!(world.host.pushed().len(), 1, "only the human's");
}

// threat 125
#[test]
fn a_yes_for_one_repository_is_none_for_its_fork() {
    let world = GitWorld::new(&["acme/web", "acme/fork"]);
    let mut run = begins(&world, &[("ask", "code:git.push acme/* refs/heads/agent/**")]);
    let new = commit(&mut run, "web", "a change");
    ok(&mut run, "git -C web remote add fork https://git.demo.test/acme/fork");
    let push = |remote: &str| format!("git -C web push {remote} HEAD:refs/heads/agent/x");
    let id = asked(&run.types(&push("origin")), 1);
    gives(&world, &id);
    let other = asked(&run.types(&push("fork")), 1);
    assert_ne!(other, id);
    let shown: Json = world.json(&["approval", "show", &other]);
    assert!(shown.to_string().contains("acme/fork"), "{shown}");
    assert_eq!(world.pushes(), 0);
    ok(&mut run, &push("origin"));
    assert_eq!(world.host.pushed(), [format!("{} {new} refs/heads/agent/x", zero())]);
    assert!(!world.refs("acme/fork").contains("agent"));
}
