//! Refusals as git prints them.

use super::{GitWorld, NOTHING, WEB, commit, is_rejected, ok};

#[test]
fn git_prints_what_is_refused_and_the_line_that_would_allow_it() {
    let world = GitWorld::new(&["acme/web", "acme/secret"]);
    let read = ("allow", "code:repo.read acme/web");
    let blind = ("allow", "code:git.push acme/secret refs/heads/**");
    let mut run = world.agent("reader", &[read, blind]);
    ok(&mut run, &format!("git clone -q {WEB}"));
    commit(&mut run, "web", "a change");
    for http in ["HTTP/1.1", "HTTP/2"] {
        let typed = run.types(&format!("git -c http.version={http} -C web push origin HEAD:fix"));
        is_rejected(&typed, 1, NOTHING);
        let line = "--allow 'code:git.push acme/web refs/heads/fix'";
        let remedy = format!("remote: hint: a human can grant it: `marque grant add reader {line}");
        assert!(typed.out.contains(&remedy), "{}", typed.out);
        assert!(typed.out.contains("remote: ref: dec_"), "{}", typed.out);
    }
    let secret = "https://git.demo.test/acme/secret";
    for version in ["0", "1", "2"] {
        for words in [format!("clone {secret} never"), format!("ls-remote {secret}")] {
            let typed = run.types(&format!("git -c protocol.version={version} {words}"));
            assert_eq!(typed.code, 128, "{}", typed.out);
            let said = "fatal: remote error: marque: refused.mandate.nothing_allows: ";
            assert!(typed.out.contains(said), "{}", typed.out);
            let line = "--allow 'code:repo.read acme/secret'";
            assert!(typed.out.contains(line), "{}", typed.out);
        }
    }
    let typed = run.types(&format!("git -C web push {secret} HEAD:fix"));
    assert_eq!(typed.code, 128, "to push is to read first: {}", typed.out);
    assert!(typed.out.contains("fatal: remote error: marque: "), "{}", typed.out);
    let is_secret = |path: &str| path.starts_with("/acme/secret");
    let saw = world.host.saw();
    assert!(!saw.iter().any(|line| is_secret(line["path"].as_str().unwrap())), "{saw:#?}");
    assert_eq!(world.pushes(), 0);
}

#[test]
fn a_refusal_by_the_head_alone_reaches_a_client_that_still_sends() {
    let world = GitWorld::new(&["acme/web"]);
    let mut run = world.agent("bot", &[("allow", "code:repo.read acme/web")]);
    for http in ["--http2", "--http1.1"].repeat(15) {
        let (status, said) = run.curl(&format!("{http} -X PUT -d x {WEB}/HEAD"));
        assert_eq!((status, said.contains("marque: malformed.git")), (400, true), "{said}");
    }
    assert_eq!(world.host.saw().len(), 0);
}
