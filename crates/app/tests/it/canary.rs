//! Secrets seeded into a whole story, and looked for everywhere else.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::support::{CREDENTIAL, PASSPHRASE, World};

/// The files below `folder` that hold `needle`, by name.
pub(crate) fn hunt(folder: &Path, needle: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            found.extend(hunt(&path, needle));
        } else if kind.is_file() {
            let bytes = fs::read(&path).unwrap();
            let holds = bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
            found.extend(holds.then(|| path.file_name().unwrap().to_str().unwrap().to_owned()));
        }
    }
    found
}

// threat 144, threat 152
#[test]
fn no_secret_turns_up_anywhere_but_where_it_belongs() {
    let mut world = World::new();
    let (mut run, proxy) = world.door();
    run.curl("https://api.test/v1/a");
    run.curl("-d pay https://api.test/v1/orders");
    world.gives();
    run.curl("-d pay https://api.test/v1/orders");
    run.curl("-X DELETE https://api.test/v1/a");
    proxy.asks("GET", "http://plain.test/v1/a", "", "").is(200, "");
    let borrowed = "Authorization: Bearer canary-borrowed\r\n";
    proxy.asks("GET", "http://plain.test/v1/b", borrowed, "").is(200, "");
    let wrong = world.write("wrong", "canary-wrong-passphrase");
    world.cli(&["agent", "list", "--passphrase-file", wrong.to_str().unwrap()]).ends(3);

    let socket = world.socket();
    let metrics = world
        .tool("curl", &["-sS", "--unix-socket", socket.to_str().unwrap(), "http://marque/metrics"]);
    assert!(metrics.ok().contains("marque_decisions_total"), "{}", metrics.out);
    let mut said = metrics.out;
    let approval = world.json(&["approval", "list", "--all"]);
    let approval = approval[0]["approval"]["id"].as_str().unwrap();
    for words in [
        &["log", "export"][..],
        &["log", "query", "--json", "--limit", "10000"],
        &["connection", "show", "api", "--json"],
        &["connection", "list"],
        &["run", "show", &run.id, "--json"],
        &["approval", "show", approval, "--json"],
        &["whoami"],
        &["config", "check"],
    ] {
        let told = world.cli(words);
        said += told.ok();
        said += &told.err;
    }
    let server = world.server_pid().unwrap();
    for file in ["environ", "cmdline"] {
        said += &String::from_utf8_lossy(&fs::read(format!("/proc/{server}/{file}")).unwrap());
    }
    let limits = fs::read_to_string(format!("/proc/{server}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().filter(|word| *word == "0").count(), 2, "{core}");
    said += &run.said();
    let pair = STANDARD.encode(format!("{}:{}", proxy.run, proxy.secret));
    assert_eq!(run.ends(), 0);
    world.stop();
    said += &world.server_output();

    let basic = [format!("alice:{PASSPHRASE}"), format!(":{PASSPHRASE}")];
    let [named, unnamed] = basic.map(|pair| STANDARD.encode(pair));
    for (needle, holders) in [
        (CREDENTIAL, &["secret"][..]),
        (PASSPHRASE, &["passphrase"]),
        (&proxy.secret, &[]),
        (&pair, &[]),
        (&named, &[]),
        (&unnamed, &[]),
        ("canary-borrowed", &[]),
        ("canary-wrong-passphrase", &["wrong"]),
    ] {
        assert!(!said.contains(needle), "a canary was said: `{needle}`");
        assert_eq!(hunt(world.home(), needle), holders, "`{needle}`");
    }
}

// threat 152
#[test]
fn a_server_that_dies_hard_leaves_no_memory_behind() {
    let mut world = World::new();
    let (_run, proxy) = world.door();
    proxy.asks("GET", "http://plain.test/v1/a", "", "").is(200, "");
    super::support::signal(world.server_pid().unwrap(), rustix::process::Signal::ABORT);
    world.ends_by_itself();
    for folder in [world.path("work"), world.data()] {
        let cores = hunt(&folder, CREDENTIAL);
        assert!(cores.is_empty(), "{cores:?}");
    }
}
