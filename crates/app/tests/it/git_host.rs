//! The git host itself: a judge is only worth what it sees.

use std::fs;
use std::process::Stdio;

use super::support::{GIT_TOKEN, GitHost, Json, Marque, eventually};

/// Commits a file of its own in a clone; the new commit.
fn commit(host: &GitHost, marque: &Marque, file: &str, bytes: &[u8]) -> String {
    fs::write(marque.path("work/web").join(file), bytes).unwrap();
    host.git(marque, None, &["-C", "web", "add", file]).ok();
    host.git(marque, None, &["-C", "web", "commit", "-qm", file]).ok();
    head(host, marque)
}

fn head(host: &GitHost, marque: &Marque) -> String {
    host.git(marque, None, &["-C", "web", "rev-parse", "HEAD"]).ok().trim().to_owned()
}

fn last(lines: &[Json], method: &str, path: &str) -> Json {
    let found = lines.iter().rfind(|line| line["method"] == method && line["path"] == path);
    found.unwrap_or_else(|| panic!("no {method} {path}: {lines:#?}")).clone()
}

#[test]
fn the_git_host_serves_whoever_has_the_token_and_notes_what_a_push_asks_for() {
    let marque = Marque::nothing_yet();
    let host = GitHost::start(&marque, &["acme/web", "acme/secret"], &[]);
    let git = |words: &[&str]| host.git(&marque, Some(GIT_TOKEN), words);
    git(&["clone", "-q", &host.url("acme/web"), "web"]).ok();
    let first = head(&host, &marque);
    let second = commit(&host, &marque, "small", b"one\n");
    git(&["-C", "web", "push", "-q", "origin", "HEAD:main", "HEAD:refs/heads/fix"]).ok();

    let zero = "0".repeat(40);
    let expected =
        [format!("{first} {second} refs/heads/main"), format!("{zero} {second} refs/heads/fix")];
    assert_eq!(host.pushed(), expected);
    let push = last(&host.saw(), "POST", "/acme/web/git-receive-pack");
    assert_eq!(push["protocol"], "HTTP/2.0", "{push}");
    let told = git(&["ls-remote", &host.url("acme/web.git"), "refs/heads/fix"]);
    assert!(told.ok().starts_with(&second), "{told:?}");
    git(&["ls-remote", &host.url("acme/secret")]).ok();
    let missing = git(&["ls-remote", &host.url("acme/none")]);
    assert!(missing.err.contains("not found"), "{missing:?}");
}

#[test]
fn the_git_host_takes_large_pushes_in_chunks_and_gzipped_questions() {
    let marque = Marque::nothing_yet();
    let host = GitHost::start(&marque, &["acme/web"], &[]);
    let one = ["-c", "http.version=HTTP/1.1", "-c", "http.postBuffer=65536"];
    let git = |words: &[&str]| host.git(&marque, Some(GIT_TOKEN), &[&one, words].concat());
    git(&["clone", "-q", &host.url("acme/web"), "web"]).ok();
    // Does not compress.
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    });
    let new = commit(&host, &marque, "large", &noise.take(3 << 20).collect::<Vec<_>>());
    for round in 0..60 {
        commit(&host, &marque, "small", format!("{round}\n").as_bytes());
        git(&["-C", "web", "tag", &format!("v{round}")]).ok();
    }
    git(&["-C", "web", "push", "-q", "--tags", "origin", "HEAD:main"]).ok();
    let pushed = host.pushed();
    assert_eq!(pushed.len(), 61, "{pushed:#?}");
    let push = last(&host.saw(), "POST", "/acme/web/git-receive-pack");
    assert_eq!(push["protocol"], "HTTP/1.1", "{push}");
    git(&["clone", "-q", &host.url("acme/web"), "again"]).ok();
    let told = git(&["-C", "again", "cat-file", "-t", &new]);
    assert_eq!(told.ok().trim(), "commit");
}

#[test]
fn the_git_host_gives_nothing_without_the_token_and_notes_who_tried() {
    let marque = Marque::nothing_yet();
    let host = GitHost::start(&marque, &["acme/web"], &["--echo"]);
    for token in [None, Some("wrong")] {
        let told = host.git(&marque, token, &["ls-remote", &host.url("acme/web")]);
        assert_eq!(told.code, 128, "{told:?}");
    }
    let saw = host.saw();
    assert!(!saw.is_empty() && saw.iter().all(|line| line["is_right"] == false), "{saw:#?}");
    assert_eq!(saw[0]["credential"], Json::Null);
    let url = host.url("acme/web").replace("//", &format!("//x-access-token:{GIT_TOKEN}@"));
    host.git(&marque, None, &["ls-remote", &url]).ok();
    assert_eq!(last(&host.saw(), "GET", "/acme/web/info/refs")["is_right"], true);

    let echo = host.curl(&marque, "echo").output().unwrap();
    let echo = String::from_utf8(echo.stdout).unwrap();
    assert_eq!(echo.matches("Basic eC1hY2Nlc3MtdG9rZW46").count(), 2, "{echo}");
}

#[test]
fn a_client_that_goes_away_leaves_no_git_behind() {
    let marque = Marque::nothing_yet();
    let host = GitHost::start(&marque, &["acme/web"], &[]);
    for protocol in ["--http1.1", "--http2"] {
        let mut curl = host.curl(&marque, "acme/web/git-upload-pack");
        curl.args([protocol, "-X", "POST", "-T", "-"]).stdin(Stdio::piped());
        curl.args(["-H", "content-type: application/x-git-upload-pack-request"]);
        let mut curl = curl.stdout(Stdio::null()).spawn().unwrap();
        eventually("git listens to it", || (host.children() == 1).then_some(()));
        curl.kill().unwrap();
        curl.wait().unwrap();
        eventually("git is gone as well", || (host.children() == 0).then_some(()));
    }
}
