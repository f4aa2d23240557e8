//! What a launcher was given itself, by a shell that left it open.

use super::super::super::support::World;
use super::canary::{CANARY, Canary};
use super::team::{both, only_outside};

#[test]
fn nothing_that_was_left_open_is_passed_on() {
    let world = World::new();
    let secret = world.write("secret-file", CANARY);
    let secret = secret.display();
    let canary = Canary::default();
    let port = canary.tcp("127.0.0.1:0").port();
    for (name, prefix, words) in [
        ("a file", format!("exec 7<{secret}; PROBE"), "descriptor 7".to_owned()),
        ("a socket", format!("exec bash -c 'exec 7<>/dev/tcp/127.0.0.1/{port}; PROBE'"), "descriptor 7".into()),
        ("a directory", "exec 7</; PROBE".into(), format!("below-descriptor 7 ./{secret}")),
        // The standard streams are passed on, but not as a way to everything.
        ("a directory as input", "PROBE < /".into(), format!("below-descriptor 0 ./{secret}")),
        (
            "a file that was given to be read",
            format!("PROBE < {secret}"),
            "overwrite 0".into(),
        ),
        (
            "a file that was given to be written to",
            format!("PROBE 3>&1 2>> {secret} | cat"),
            "reopen 2".into(),
        ),
    ] {
        let told = both(&world, &prefix, &words);
        eprintln!("{name}");
        only_outside(&told);
    }
    assert_eq!(canary.heard(), 2, "the shell itself connected, twice");
}
