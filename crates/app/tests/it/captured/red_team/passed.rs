//! What a launcher was given itself, by a shell that left it open.

use super::super::super::support::BINARY;
use super::canary::{CANARY, Canary};
use super::team::{both, only_outside, shared};

#[test]
fn nothing_that_was_left_open_is_passed_on() {
    let world = shared();
    let secret = world.write("secret-file", CANARY);
    let secret = secret.display();
    let canary = Canary::default();
    let port = canary.tcp("127.0.0.1:0").port();
    for (name, prefix, words) in [
        ("a file", format!("exec 7<{secret}; PROBE"), "descriptor 7".to_owned()),
        (
            "a socket",
            format!("exec bash -c 'exec 7<>/dev/tcp/127.0.0.1/{port}; PROBE'"),
            "descriptor 7".into(),
        ),
        ("a directory", "exec 7</; PROBE".into(), format!("below-descriptor 7 ./{secret}")),
    ] {
        let told = both(&world, &prefix, &words);
        only_outside(name, &told);
    }
    assert_eq!(canary.heard(), 2, "the shell itself connected, twice");
}

#[test]
fn a_directory_is_no_standard_stream() {
    let world = shared();
    let secret = world.write("secret-other", CANARY);
    let looks = format!("cat /proc/self/fd/0{}", secret.display());
    let told = |launcher: &str| world.tool("sh", &["-c", &format!("{launcher} {looks} < /")]);
    assert_eq!(told("").ok(), CANARY);
    let inside = told(&format!("{BINARY} run --tier captured --agent bot --task ticket:OPS-12 --"));
    inside.fails(2, "a standard stream is a directory");
    assert!(!inside.out.contains(CANARY));
}
