//! The older ways to read: files by the dumb protocol, and archives.

use super::{GitWorld, WEB, ok};

// threat 118
#[test]
fn the_dumb_protocol_and_archives_are_reads_like_any_other() {
    let world = GitWorld::new(&["acme/web", "acme/secret"]);
    let mut run = world.agent("reader", &[("allow", "code:repo.read acme/web")]);
    ok(&mut run, &format!("GIT_SMART_HTTP=0 git clone -q {WEB} dumb && test -f dumb/README.md"));
    let head = world.main("acme/web");
    let loose = format!("objects/{}/{}", &head[..2], &head[2..]);
    let paths = ["info/refs", "HEAD", "objects/info/packs", &loose];
    for path in paths {
        assert_eq!(run.curl(&format!("-o /dev/null {WEB}/{path}")).0, 200, "{path}");
    }
    let typed = run.types(&format!("git archive --remote={WEB} HEAD | tar -t"));
    assert_eq!(typed.out, "README.md", "{typed:?}");
    let saw = world.host.saw();
    let is_archive = |path: &str| path == "/acme/web/git-upload-archive";
    assert!(saw.iter().any(|line| is_archive(line["path"].as_str().unwrap())), "{saw:#?}");
    let decided = world.decided(&run);
    let is_read = |line: &String| line == "code:repo.read acme/web: allowed";
    assert!(decided.iter().all(is_read), "{decided:#?}");
    assert_eq!(decided.len(), saw.len(), "{saw:#?}");

    let secret = "https://git.demo.test/acme/secret";
    for path in paths {
        let (status, said) = run.curl(&format!("{secret}/{path}"));
        assert_eq!(status, 403, "{path}: {said}");
        assert!(said.contains("code:repo.read acme/secret"), "{path}: {said}");
    }
    for command in [
        format!("GIT_SMART_HTTP=0 git clone {secret} never"),
        format!("git archive --remote={secret} HEAD"),
    ] {
        assert_ne!(run.types(&command).code, 0, "{command}");
    }
    // Neither git nor any server has these.
    for (status, words) in [
        (
            400,
            format!("{WEB}/info/refs?service=git-upload-pack -H 'Git-Protocol: version=2:evil=1'"),
        ),
        (400, format!("{WEB}/info/refs?service=git-upload-pack -H 'Git-Protocol: version=3'")),
        (400, format!("{WEB}/info/refs?service=git-evil-pack")),
        (400, format!("'{WEB}/info/refs?service=git-upload-pack&x=1'")),
        (400, format!("{WEB}/INFO/refs")),
        (400, format!("-X PUT -d x {WEB}/HEAD")),
        (403, format!("{WEB}/settings")),
    ] {
        let (found, said) = run.curl(&words);
        assert_eq!(found, status, "{words}: {said}");
    }
    assert_eq!(world.host.saw().len(), saw.len(), "nothing of all that arrives");
}
