//! Reads: every way git fetches is the same operation.

use std::os::unix::fs::symlink;

use super::{GitWorld, WEB, ok};

/// Prints every header, so that a story can tell how git spoke.
const TRACED: &str = "GIT_TRACE_CURL=1 GIT_TRACE_CURL_NO_DATA=1 git";

/// Branches with a commit each, on top of `main`.
fn branches(count: usize) -> String {
    let one = |number: usize| {
        format!(
            "commit refs/heads/many/{number}\ncommitter a <a@a> 1750000000 +0000\ndata 1\nx\n\
             from refs/heads/main^0\nM 100644 inline file\ndata 4\n{number:04}\n"
        )
    };
    (0..count).map(one).collect()
}

// threat 118
#[test]
fn every_way_git_reads_a_repository_is_a_read_of_it_in_the_log() {
    let world = GitWorld::new(&["acme/web"]);
    world.imports("acme/web", branches(120).as_bytes());
    world.at_host("acme/web", &["config", "uploadpack.allowFilter", "true"]);
    let mut run = world.agent("reader", &[("allow", "code:repo.read acme/web")]);
    for version in ["0", "1", "2"] {
        for http in ["HTTP/1.1", "HTTP/2"] {
            let how = format!("-c protocol.version={version} -c http.version={http}");
            let clone = format!("v{version}-{}", http.replace('/', "-"));
            let said = ok(&mut run, &format!("{TRACED} {how} clone {WEB} {clone}"));
            assert_eq!(said.contains("HTTP/2 200"), http == "HTTP/2", "{said}");
            let wanted = format!("send header: git-protocol: version={version}");
            assert_eq!(said.to_lowercase().contains(&wanted), version != "0", "{said}");
            let packed = "send header: content-encoding: gzip";
            assert!(said.to_lowercase().contains(packed), "git asks for 121 commits: {said}");
            let count = ok(&mut run, &format!("git -C {clone} rev-list --count --all"));
            assert_eq!(count, "121");
        }
    }
    ok(&mut run, &format!("git clone -q --depth 1 --branch many/7 {WEB} shallow"));
    assert_eq!(ok(&mut run, "git -C shallow rev-list --count HEAD"), "1");
    ok(&mut run, &format!("git clone -q --filter=blob:none --no-checkout {WEB} partial"));
    let missing = "git -C partial rev-list --objects --all --missing=print | grep -c '^?'";
    assert_ne!(ok(&mut run, missing), "0");
    ok(&mut run, "git -C partial checkout -q many/9 && grep -q 0009 partial/file");
    ok(&mut run, "git -C shallow fetch -q --unshallow && git -C v2-HTTP-2 fetch -q --prune");

    let decided = world.decided(&run);
    let is_read = |line: &String| line == "code:repo.read acme/web: allowed";
    assert!(decided.iter().all(is_read), "{decided:#?}");
    let saw = world.host.saw();
    assert_eq!(decided.len(), saw.len(), "each request has its own decision: {saw:#?}");
    assert!(saw.iter().all(|line| line["is_right"] == true), "{saw:#?}");
}

#[test]
fn a_repository_has_one_name_however_it_is_written() {
    let world = GitWorld::new(&["acme/web"]);
    symlink("acme", world.path("git-host/ACME")).unwrap();
    symlink("web.git", world.repository("acme/Web")).unwrap();
    let mut run = world.agent("reader", &[("allow", "code:repo.read acme/web")]);
    for (name, clone) in [("ACME/Web.git", "one"), ("acme/web.git", "two"), ("acme/Web", "three")] {
        ok(&mut run, &format!("git clone -q https://git.demo.test/{name} {clone}"));
    }
    let decided = world.decided(&run);
    assert!(decided.len() >= 6, "{decided:#?}");
    let is_read = |line: &String| line == "code:repo.read acme/web: allowed";
    assert!(decided.iter().all(is_read), "{decided:#?}");
    assert_eq!(world.host.saw()[0]["path"], "/ACME/Web.git/info/refs", "sent as it was asked");
}
