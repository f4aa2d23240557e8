//! Other hosts that a repository or a server sends git to: each request is a decision of its own,
//! and the credential stays where it belongs.

use super::super::support::{CREDENTIAL, GIT_TOKEN, Upstream};
use super::{GitWorld, NOTHING, WEB};

/// Asserts that requests came, and none of them with a credential.
#[track_caller]
fn got_no_credential(upstream: &Upstream, path: &str) {
    let saw = upstream.saw();
    assert!(saw.iter().any(|seen| seen.target().starts_with(path)), "{path}: {saw:#?}");
    for seen in saw {
        assert_eq!(seen.field("authorization"), None, "{seen:#?}");
        assert!(!seen.head.contains(CREDENTIAL) && !seen.head.contains(GIT_TOKEN), "{seen:#?}");
    }
}

// threat 120
#[test]
fn a_submodule_elsewhere_gets_no_credential() {
    let world = GitWorld::new(&["acme/web"]);
    let other = world.upstream("other", &["--no-credential"]);
    let read = ("allow", "code:repo.read acme/web");
    let mut run = world.agent("bot", &[read, ("allow", "other:GET /**")]);
    let modules = ["other", "unserved"].map(|name| {
        format!(
            "[submodule \"{name}\"]\n\tpath = {name}\n\turl = https://{name}.test/acme/{name}\n"
        )
    });
    let modules = modules.concat();
    let head = world.main("acme/web");
    let tree = format!(
        "commit refs/heads/main\ncommitter a <a@a> 1750000000 +0000\ndata 1\nx\n\
         from refs/heads/main^0\nM 160000 {head} other\nM 160000 {head} unserved\n\
         M 100644 inline .gitmodules\ndata {}\n{modules}\n",
        modules.len()
    );
    world.imports("acme/web", tree.as_bytes());
    let typed = run.types(&format!("git clone --recurse-submodules {WEB}"));
    assert_ne!(typed.code, 0, "neither is a repository: {}", typed.out);
    got_no_credential(&other, "/acme/other/info/refs");
    let decided = world.decided(&run);
    let is_stray = |line: &String| line.contains("unserved.test:443");
    assert!(decided.iter().any(is_stray), "{decided:#?}");
    assert!(decided.iter().filter(|line| is_stray(line)).all(|line| line.ends_with("refused")));
}

// threat 120
#[test]
fn a_redirect_and_alternates_take_no_credential_along() {
    let world = GitWorld::new(&[]);
    let moved = world.upstream("moved", &["--git", "--bearer"]);
    let other = world.upstream("other", &["--no-credential"]);
    let mut run = world.agent(
        "bot",
        &[
            ("allow", "moved:repo.read acme/web"),
            ("allow", "moved:repo.read acme/old"),
            ("allow", "moved:repo.read acme/dumb"),
            ("allow", "other:GET /**"),
        ],
    );
    let moves = |path: &str, to: &str| {
        let to = format!("Location: {to}/info/refs?service=git-upload-pack");
        let head = format!("301 Moved Permanently\r\n{to}");
        moved.answers(&format!("{path}/info/refs"), &head, "");
    };
    moves("/acme/web", "https://moved.test/acme/secret");
    let typed = run.types("git ls-remote https://moved.test/acme/web");
    assert!(typed.out.contains("fatal: remote error: marque: "), "{}", typed.out);
    assert!(typed.out.contains(NOTHING), "{}", typed.out);
    assert_eq!(moved.saw_one().target(), "/acme/web/info/refs?service=git-upload-pack");
    let decided = world.decided(&run);
    let expected = ["moved:repo.read acme/web: allowed", "moved:repo.read acme/secret: refused"];
    assert_eq!(decided, expected);

    moves("/acme/old", "https://other.test/acme/old");
    run.types("git ls-remote https://moved.test/acme/old");
    got_no_credential(&other, "/acme/old/info/refs");

    let (text, id) = ("200 OK\r\nContent-Type: text/plain", "1".repeat(40));
    let dumb = |path: &str, head: &str, body: &str| {
        moved.answers(&format!("/acme/dumb/{path}"), head, body);
    };
    dumb("info/refs", text, &format!("{id}\trefs/heads/main\n"));
    dumb("HEAD", text, "ref: refs/heads/main\n");
    dumb(&format!("objects/11/{}", &id[2..]), "404 Not Found", "");
    dumb("objects/info/packs", "404 Not Found", "");
    dumb("objects/info/http-alternates", text, "https://other.test/acme/alternate/objects\n");
    let clone = "git -c http.followRedirects=true clone https://moved.test/acme/dumb";
    assert_ne!(run.types(clone).code, 0);
    got_no_credential(&other, "/acme/alternate/objects/");
    let asked = moved
        .saw()
        .iter()
        .all(|seen| seen.field("authorization").is_some_and(|field| field.contains(CREDENTIAL)));
    assert!(asked, "and the host it belongs to always gets it: {:#?}", moved.saw());
}
