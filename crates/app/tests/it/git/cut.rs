//! A kill in the middle: what is under way is cut, and nothing of it happens later.

use std::fs;
use std::io::Read as _;
use std::path::PathBuf;

use super::super::support::{Run, chmod, eventually};
use super::{GitWorld, WEB, commit, ok};

/// Large enough that the host takes a second to pack it.
const LARGE: usize = 48 << 20;

fn large_file() -> Vec<u8> {
    let head = format!(
        "commit refs/heads/main\ncommitter a <a@a> 1750000000 +0000\ndata 1\nx\n\
         from refs/heads/main^0\nM 100644 inline large\ndata {LARGE}\n"
    );
    let mut stream = head.into_bytes();
    let random = fs::File::open("/dev/urandom").unwrap();
    random.take(LARGE as u64).read_to_end(&mut stream).unwrap();
    stream.push(b'\n');
    stream
}

/// The files of packs in a clone, those that are not complete among them.
fn packs(clone: &str, world: &GitWorld) -> Vec<PathBuf> {
    let folder = fs::read_dir(world.path(&format!("work/{clone}/.git/objects/pack")));
    folder.map_or_else(|_| Vec::new(), |folder| folder.map(|file| file.unwrap().path()).collect())
}

/// Kills a run, and waits until the log and the host say that what it did is over.
fn killed(world: &GitWorld, run: &mut Run) {
    world.cli(&["kill", &run.id]).ok();
    assert_eq!(run.code(), 137, "{}", run.said());
    eventually("the outcome is recorded", || {
        let outcomes = world.json(&["log", "query", "--event", "outcome", "--run", &run.id]);
        outcomes.to_string().contains("\"cut\"").then_some(())
    });
    eventually("the host's git is gone", || (world.host.children() == 0).then_some(()));
}

// threat 178
#[test]
fn a_kill_cuts_a_clone_in_the_middle() {
    let world = GitWorld::new(&["acme/web"]);
    world.imports("acme/web", &large_file());
    let mut run = world.agent("reader", &[("allow", "code:repo.read acme/web")]);
    run.begins(&format!("git clone {WEB} >clone.out 2>&1"));
    let size = |file: &PathBuf| fs::metadata(file).map_or(0, |found| found.len());
    eventually("git hears the pack", || {
        packs("web", &world).iter().any(|file| size(file) > 0).then_some(())
    });
    killed(&world, &mut run);
    let is_pack = |file: &PathBuf| file.extension().is_some_and(|kind| kind == "pack");
    let left = packs("web", &world);
    assert!(!left.iter().any(is_pack), "the clone is complete: {left:?}");
    let heard: u64 = left.iter().map(size).sum();
    let asked = world.host.saw().len();
    assert!(heard < LARGE as u64, "{heard} bytes came");
    let mut again = world.agent("later", &[("allow", "code:repo.read acme/web")]);
    ok(&mut again, &format!("git ls-remote {WEB}"));
    assert_eq!(left.iter().map(size).sum::<u64>(), heard, "nothing comes after the kill");
    assert!(world.host.saw().len() > asked);
}

// threat 178
#[test]
fn a_kill_cuts_a_push_in_the_middle_and_no_ref_moves() {
    let world = GitWorld::new(&["acme/web"]);
    // Even a push that came whole has not happened yet.
    let hook = world.repository("acme/web").join("hooks/pre-receive");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, "#!/bin/sh\nexec sleep 60\n").unwrap();
    chmod(&hook, 0o755);
    let push = ("allow", "code:git.push acme/web refs/heads/**");
    let mut run = world.agent("bot", &[("allow", "code:repo.read acme/web"), push]);
    ok(&mut run, &format!("git clone -q {WEB}"));
    ok(&mut run, "head -c 20000000 /dev/urandom > web/large && git -C web add large");
    commit(&mut run, "web", "a large file");
    let before = world.refs("acme/web");
    run.begins("git -c http.postBuffer=65536 -C web push origin HEAD:main >push.out 2>&1");
    eventually("the push arrives", || (world.pushes() > 0).then_some(()));
    killed(&world, &mut run);
    assert_eq!(world.refs("acme/web"), before);
    assert_eq!(world.pushes(), 1);
    let said = fs::read_to_string(world.path("work/push.out")).unwrap();
    assert!(!said.contains("HEAD -> main\n"), "{said}");
}
