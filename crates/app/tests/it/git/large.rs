//! Large bodies: pushes that stream, and a small body that grows when it is unpacked.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{GitWorld, NOTHING, WEB, commit, is_rejected, ok};

/// Sends a body in chunks as soon as it is longer than this, and says what it sends.
const GIT: &str = "GIT_TRACE_CURL=1 GIT_TRACE_CURL_NO_DATA=1 git -c http.postBuffer=65536 -C web";

#[test]
fn a_large_push_streams_and_its_probe_is_answered_without_a_decision() {
    let world = GitWorld::new(&["acme/web"]);
    let own = ("allow", "code:git.push acme/web refs/heads/own");
    let mut run = world.agent("bot", &[("allow", "code:repo.read acme/web"), own]);
    ok(&mut run, &format!("git clone -q {WEB}"));
    ok(&mut run, "head -c 5000000 /dev/urandom > web/large && git -C web add large");
    let new = commit(&mut run, "web", "a large file");
    for http in ["HTTP/1.1", "HTTP/2"] {
        let push = format!("-c http.version={http} push origin HEAD:refs/heads/other");
        let typed = run.types(&format!("{GIT} {push}"));
        is_rejected(&typed, 1, NOTHING);
        assert_eq!(world.pushes(), 0, "a refused push does not arrive, nor does its probe");
    }
    let said = ok(&mut run, &format!("{GIT} push origin HEAD:refs/heads/own"));
    let posts = said.matches("Send header: POST /acme/web/git-receive-pack ").count();
    assert_eq!(posts, 2, "git asks first whether it may: {said}");
    assert_eq!(world.at_host("acme/web", &["rev-parse", "refs/heads/own"]), new);
    let decided = world.decided(&run);
    let pushes: Vec<_> = decided.iter().filter(|line| line.contains("git.push")).collect();
    let expected = [
        "code:git.push acme/web refs/heads/other: refused",
        "code:git.push acme/web refs/heads/other: refused",
        "code:git.push acme/web refs/heads/own: allowed",
    ];
    assert_eq!(pushes, expected);
    assert_eq!(world.pushes(), 1, "the probe does not arrive");
}

// threat 124
#[test]
fn a_fetch_that_grows_when_it_is_unpacked_is_refused_in_little_memory() {
    let world = GitWorld::new(&["acme/web"]);
    let mut run = world.agent("bot", &[("allow", "code:repo.read acme/web")]);
    let head = world.main("acme/web");
    let lines = format!("yes '0032have {head}' | head -c 80000000");
    ok(&mut run, &format!("(printf '0032want {head}\\n0000'; {lines}) | gzip -9 > bomb"));
    let packed = fs::metadata(world.path("work/bomb")).unwrap().len();
    assert!(packed < 1 << 20, "it is small as it is sent: {packed}");
    let server = world.server_pid().unwrap();
    let resident = || {
        let status = fs::read_to_string(format!("/proc/{server}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    let (before, is_over) = (resident(), AtomicBool::new(false));
    let (typed, most) = std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut most = resident();
            while !is_over.load(Ordering::SeqCst) {
                most = most.max(resident());
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            most
        });
        let fields = "-H 'Content-Type: application/x-git-upload-pack-request' \
                      -H 'Content-Encoding: gzip'";
        let curl = format!("curl -sS -m 15 -w '\\n%{{http_code}}' --data-binary @bomb {fields}");
        let typed = run.types(&format!("{curl} {WEB}/git-upload-pack"));
        is_over.store(true, Ordering::SeqCst);
        (typed, watching.join().unwrap())
    });
    let is_refused = typed.code != 0 || typed.out.contains("inflates to more than");
    assert!(is_refused, "{typed:?}");
    assert!(most - before < 32 * 1024, "{before} kB before, {most} kB meanwhile");
    let outcomes = world.json(&["log", "query", "--event", "outcome", "--run", &run.id]);
    let outcomes = outcomes.to_string();
    assert!(outcomes.contains("\"failed.request\""), "{outcomes}");
    ok(&mut run, &format!("git clone -q {WEB}"));
}
