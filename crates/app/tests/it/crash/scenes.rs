//! What else is under way when the server is killed, and how it is started again.

use std::io::Write as _;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::super::support::{Dice, GIT_TOKEN, GitHost, Marque, Proxy, Run, World, hear_one};

/// How many scenes there are.
pub(super) const SCENES: usize = 5;
/// RFC 6455 §4.1.
const OPENING: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const WEB: &str = "https://git.demo.test/acme/web";
/// So that git asks nobody who commits.
const CONFIG: &str = "[user]\n\tname = bot\n\temail = bot@stories.test\n[gc]\n\tauto = 0\n";
/// How often a start is cut short in a row, and how far it gets at most, in milliseconds.
const STARTS: usize = 3;
const START_MAX: usize = 60;

/// A git host behind the connection `code`, and what `bot` may do there.
pub(super) fn hosts(world: &World) -> GitHost {
    world.write(".gitconfig", CONFIG);
    let host = GitHost::start(world, &["acme/web"], &[]);
    let token = world.write("token", GIT_TOKEN);
    let (pin, authority) = (host.address.to_string(), host.authority.to_str().unwrap());
    let add = ["connection", "add", "code", "--git", "--host", "git.demo.test"];
    let how = ["--pin", &pin, "--authority", authority, "--basic", "x-access-token"];
    let secret = ["--secret-file", token.to_str().unwrap()];
    world.cli(&[&add[..], &how, &secret].concat()).ok();
    let lines = ["code:repo.read acme/web", "code:git.push acme/web refs/heads/**"];
    let sockets = ["--allow", "plain:websocket /v1/**", "--allow", "plain:websocket.send /v1/**"];
    let allow = [&["--allow", lines[0], "--allow", lines[1]], &sockets[..]].concat();
    world.cli(&[&["grant", "add", "bot", "--until", "1d"], &allow[..]].concat()).ok();
    host
}

/// Begins what that scene is about, in the shell of a run.
pub(super) fn begins(run: &mut Run, scene: usize, round: usize) {
    match scene {
        0 => {
            let clone = format!("test -d web || git clone -q {WEB} web");
            let change = format!("echo {round} >> web/README.md && git -C web commit -qam {round}");
            let push = format!("git -C web push -q origin HEAD:refs/heads/agent/{round}");
            run.begins(&format!("({clone}; {change}; {push}) >push.out 2>&1 &"));
        }
        1 => {
            let call = "curl -sS -m 5 https://api.test/v1";
            let loops = format!("while {call}/tls >>tls.out; do :; done");
            run.begins(&format!("({call}/slow >slow.out & {loops}) 2>tls.err &"));
        }
        _ => {}
    }
}

/// In one scene messages flow on a WebSocket, as fast as they are taken, until it breaks.
pub(super) fn speaks(proxy: &Proxy, scene: usize) -> Option<JoinHandle<()>> {
    if scene != 4 {
        return None;
    }
    let mut stream = proxy.connects();
    let head = "GET http://plain.test/v1/socket HTTP/1.1\r\nHost: plain.test\r\n";
    stream.write_all(format!("{head}{}{OPENING}\r\n", proxy.proof()).as_bytes()).unwrap();
    // Masked with nothing, which is what it says then.
    let frame = [&[0x81, 0x85, 0, 0, 0, 0], &b"hello"[..]].concat();
    Some(thread::spawn(move || {
        let opened = hear_one(&mut stream);
        while opened.status == 101 && stream.write_all(&frame).is_ok() {
            thread::sleep(Duration::from_millis(2));
        }
    }))
}

/// Starts the server again: in one scene after starts that were cut short, one after another.
pub(super) fn starts_again(world: &mut World, scene: usize, dice: &mut Dice) {
    if scene == 2 {
        are_cut_short(world, dice);
    }
    world.serve();
}

fn are_cut_short(marque: &mut Marque, dice: &mut Dice) {
    for _ in 0..STARTS {
        marque.begins_to_serve();
        thread::sleep(Duration::from_millis(dice.throw(START_MAX) as u64));
        marque.kill_server();
    }
}

/// In one scene a new plane is made, and its first starts are cut short: it comes up whole.
pub(super) fn a_fresh_plane_comes_up(scene: usize, dice: &mut Dice) {
    if scene != 3 {
        return;
    }
    let mut fresh = Marque::nothing_yet();
    are_cut_short(&mut fresh, dice);
    fresh.serve();
    fresh.cli(&["claim", "--name", "alice"]).ok();
    assert_eq!(fresh.json(&["store", "check"])["ok"], true);
    assert_eq!(fresh.json(&["log", "verify"])["ok"], true);
}
