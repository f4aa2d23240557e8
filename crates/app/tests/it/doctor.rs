//! `marque doctor`: what it says of this machine, and of one where less is allowed.

use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use super::support::{BINARY, Json, Marque};

/// What must be served in a captured run, if it is installed.
const TOOLS: [(&str, &str); 6] = [
    ("curl", "curl"),
    ("git", "git"),
    ("wget", "wget"),
    ("python3 urllib", "python3"),
    ("node fetch", "node"),
    ("node https", "node"),
];

fn row<'a>(document: &'a Json, what: &str) -> &'a Json {
    let mut rows = document["rows"].as_array().unwrap().iter();
    rows.find(|row| row["what"] == what).unwrap_or_else(|| panic!("no `{what}`: {document:#}"))
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

#[test]
fn tools_are_served_in_a_captured_run_and_nothing_is_left_behind() {
    let marque = Marque::nothing_yet();
    let told = marque.cli(&["doctor", "--json"]);
    let document = told.json();
    assert_eq!((told.code, &document["tier"]), (0, &"captured".into()), "{document:#}");
    for (what, program) in TOOLS {
        let expected = if is_installed(program) { "ok" } else { "absent" };
        assert_eq!(row(&document, what)["verdict"], expected, "{document:#}");
    }
    if is_installed("psql") {
        assert_eq!(row(&document, "psql")["verdict"], "refused", "{document:#}");
    }
    assert_eq!(row(&document, "left behind")["verdict"], "ok", "{document:#}");
    assert!(!marque.data().exists(), "it has a plane of its own");
    assert_eq!(std::fs::read_dir(marque.path("tmp")).unwrap().count(), 0);
}

#[test]
fn a_tool_that_is_not_there_is_said_to_be_absent() {
    let marque = Marque::nothing_yet();
    let bin = marque.path("bin");
    std::fs::create_dir(&bin).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    for program in ["sh", "curl", "timeout"] {
        let mut found = std::env::split_paths(&path).map(|dir| dir.join(program));
        let found = found.find(|path| path.is_file()).unwrap();
        symlink(found.canonicalize().unwrap(), bin.join(program)).unwrap();
    }
    let output = marque.words(&["doctor", "--json"]).env("PATH", &bin).output().unwrap();
    let document: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(row(&document, "curl")["verdict"], "ok", "{document:#}");
    let git = row(&document, "git");
    assert_eq!(git["verdict"], "absent", "{document:#}");
    assert!(git["result"].as_str().unwrap().contains("not on PATH"), "{git}");
}

#[test]
fn where_user_namespaces_are_switched_off_a_weaker_tier_is_told_with_the_remedy() {
    let marque = Marque::nothing_yet();
    let off = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-c", off, "sh", BINARY]);
    command.args(["doctor", "--quick", "--json", "--data-dir"]).arg(marque.path("data"));
    let output = command.stdin(Stdio::null()).output().unwrap();
    let document: Json = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(output.status.code(), Some(3), "{document:#}");
    let has_fences = row(&document, "Landlock")["verdict"] == "ok";
    assert_eq!(document["tier"], if has_fences { "confined" } else { "advisory" });
    for what in ["settings", "user namespaces", "network inside"] {
        let row = row(&document, what);
        assert_eq!(row["verdict"], "failed", "{document:#}");
        let remedy = row["remedy"].as_str().unwrap();
        assert!(remedy.contains("user.max_user_namespaces"), "{row}");
    }
}
