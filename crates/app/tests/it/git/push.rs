//! Pushes: decided whole, by every ref they touch and every option they carry.

use super::{GitWorld, MAIN, NEVER, NOTHING, WEB, commit, first, is_rejected, ok, pkt, zero};

const READ: (&str, &str) = ("allow", "code:repo.read acme/web");

// threat 116
#[test]
fn a_forbidden_branch_is_refused_in_every_spelling_and_with_all_that_comes_beside_it() {
    let world = GitWorld::new(&["acme/web"]);
    let never = ("never", "code:git.push acme/web refs/heads/main");
    let heads = ("allow", "code:git.push acme/web refs/heads/**");
    let mut run = world.agent("bot", &[READ, heads, never]);
    ok(&mut run, &format!("git clone -q {WEB}"));
    let old = ok(&mut run, "git -C web rev-parse HEAD");
    let new = commit(&mut run, "web", "a change");
    ok(&mut run, "git -C web tag main && git -C web notes add -m seen");
    let before = world.refs("acme/web");

    for (refspec, code, what) in [
        ("HEAD:refs/heads/main", NEVER, "git.push acme/web refs/heads/main"),
        ("HEAD:main", NEVER, "git.push acme/web refs/heads/main"),
        ("+HEAD:main", NEVER, "git.push acme/web refs/heads/main"),
        ("--all", NEVER, "git.push acme/web refs/heads/main"),
        (":main", NOTHING, "git.delete acme/web refs/heads/main"),
        ("HEAD:refs/for/main", NOTHING, "git.push acme/web refs/for/main"),
        ("refs/tags/main", NOTHING, "git.push acme/web refs/tags/main"),
        ("HEAD:refs/heads/Main", NEVER, "git.push acme/web refs/heads/Main"),
        ("refs/notes/commits", NOTHING, "git.push acme/web refs/notes/commits"),
    ] {
        is_rejected(&run.types(&format!("git -C web push origin {refspec}")), 1, code);
        let last = world.decided(&run).pop().unwrap();
        assert_eq!(last, format!("code:{what}: refused"), "{refspec}");
    }
    for two in ["HEAD:refs/heads/x HEAD:main", "HEAD:main HEAD:refs/heads/x", "HEAD:x :main"] {
        let typed = run.types(&format!("git -C web push origin {two}"));
        is_rejected(&typed, 2, "marque: refused.mandate.");
    }
    is_rejected(&run.types("git -C web push --atomic origin HEAD:x HEAD:main"), 2, NEVER);
    // What git itself never sends.
    for name in ["refs/heads/ma%69n", "HEAD", "main", "refs/heads/x/../main"] {
        let body = [first(&format!("{old} {new} {name}")), "0000".to_owned()].concat();
        let (status, said) = world.posts(&mut run, "", body.as_bytes());
        assert!(status == 400 || said.contains("unpack "), "{name}: {status} {said}");
        assert!(said.contains("malformed.push"), "{name}: {said}");
    }
    assert_eq!((world.pushes(), world.refs("acme/web")), (0, before));

    ok(&mut run, "git -C web push -q origin HEAD:refs/heads/x HEAD:refs/heads/main-2");
    let expected = ["refs/heads/x", "refs/heads/main-2"];
    let expected = expected.map(|name| format!("{} {new} {name}", zero()));
    assert_eq!(world.host.pushed(), expected);
}

// threat 116
#[test]
fn deletes_tags_and_notes_need_lines_of_their_own() {
    let world = GitWorld::new(&["acme/web"]);
    let lines = [
        READ,
        ("allow", "code:git.push acme/web refs/tags/*"),
        ("allow", "code:git.push acme/web refs/notes/commits"),
        ("allow", "code:git.delete acme/web refs/heads/old"),
    ];
    let mut run = world.agent("bot", &lines);
    for name in ["old", "kept"] {
        world.at_host("acme/web", &["update-ref", &format!("refs/heads/{name}"), MAIN]);
    }
    ok(&mut run, &format!("git clone -q {WEB}"));
    ok(&mut run, "git -C web tag v1 && git -C web notes add -m seen");
    is_rejected(&run.types("git -C web push origin :old :kept"), 2, NOTHING);
    is_rejected(&run.types("git -C web push origin :old HEAD:kept-2"), 2, NOTHING);
    assert_eq!(world.pushes(), 0);
    ok(&mut run, "git -C web push -q origin :old refs/tags/v1 refs/notes/commits");
    let names = world.refs("acme/web");
    let names: Vec<_> = names.lines().filter_map(|line| line.split(' ').next()).collect();
    let expected = ["refs/heads/kept", "refs/heads/main", "refs/notes/commits", "refs/tags/v1"];
    assert_eq!(names, expected);
    let last = world.decided(&run).pop().unwrap();
    assert!(last.contains("code:git.delete acme/web refs/heads/old"), "{last}");
}

// threat 117
#[test]
fn a_push_option_needs_a_line_and_atomic_and_shallow_pushes_work() {
    let world = GitWorld::new(&["acme/web"]);
    world.at_host("acme/web", &["config", "receive.advertisePushOptions", "true"]);
    let heads = ("allow", "code:git.push acme/web refs/heads/**");
    let mut run = world.agent("plain", &[READ, heads]);
    ok(&mut run, &format!("git clone -q --depth 1 {WEB} shallow"));
    commit(&mut run, "shallow", "a change");
    let typed = run.types("git -C shallow push -o ci.skip origin HEAD:x");
    is_rejected(&typed, 1, "code:git.option acme/web ci.skip");
    assert_eq!(world.pushes(), 0);
    ok(&mut run, "git -C shallow push -q --atomic origin HEAD:x HEAD:y");
    assert_eq!(world.host.pushed().len(), 2);

    let option = ("allow", "code:git.option acme/web ci.skip");
    let mut run = world.agent("skipper", &[READ, heads, option]);
    let typed = run.types("git -C shallow push -o ci.skip -o deploy=now origin HEAD:z");
    is_rejected(&typed, 1, "code:git.option acme/web deploy");
    ok(&mut run, "git -C shallow push -q -o ci.skip origin HEAD:z");
    let last = world.decided(&run).pop().unwrap();
    let effects = "code:git.push acme/web refs/heads/z + code:git.option acme/web ci.skip";
    assert_eq!(last, format!("{effects}: allowed"));
    assert!(world.refs("acme/web").contains("refs/heads/z"));
}

// threat 117
#[test]
fn what_follows_the_list_of_a_push_is_no_second_list() {
    let world = GitWorld::new(&["acme/web"]);
    let (old, main) = (world.main("acme/web"), MAIN);
    world.at_host("acme/web", &["update-ref", "refs/heads/old", &old]);
    let mut run = world.agent("bot", &[READ, ("allow", "code:git.delete acme/web refs/heads/old")]);
    let delete = |name: &str| first(&format!("{old} {} {name}", zero()));
    let body = [&delete("refs/heads/old"), "0000", &delete(main), "0000"].concat();
    let (status, said) = world.posts(&mut run, "", body.as_bytes());
    assert_eq!(status, 200, "{said}");
    assert_eq!(world.host.pushed(), [format!("{old} {} refs/heads/old", zero())]);
    assert_eq!(world.refs("acme/web"), format!("{main} {old}"));
    let gone = pkt(&format!("{old} {} {main}", zero()));
    let body = [&delete("refs/heads/old"), &gone, "0000"].concat();
    let (_, said) = world.posts(&mut run, "", body.as_bytes());
    assert!(said.contains(NOTHING), "{said}");
    assert_eq!(world.pushes(), 1);
}
