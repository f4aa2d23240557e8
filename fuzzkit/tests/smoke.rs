//! Each target over its kept corpus and a bounded number of mutations of it.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use marque_fuzzkit::{TARGETS, smoke, target};

fn run(name: &str) {
    let target = target(name);
    smoke(target.name, target.mutations, target.check);
}

#[test]
fn dns_holds() {
    run("dns");
}

#[test]
fn fetch_holds() {
    run("fetch");
}

#[test]
fn greeting_holds() {
    run("greeting");
}

#[test]
fn head_holds() {
    run("head");
}

#[test]
fn http1_holds() {
    run("http1");
}

#[test]
fn http2_holds() {
    run("http2");
}

#[test]
fn jose_holds() {
    run("jose");
}

#[test]
fn lfs_holds() {
    run("lfs");
}

#[test]
fn note_holds() {
    run("note");
}

#[test]
fn oauth_holds() {
    run("oauth");
}

#[test]
fn object_holds() {
    run("object");
}

#[test]
fn policy_holds() {
    run("policy");
}

#[test]
fn proof_holds() {
    run("proof");
}

#[test]
fn push_holds() {
    run("push");
}

#[test]
fn record_holds() {
    run("record");
}

#[test]
fn scrub_holds() {
    run("scrub");
}

#[test]
fn secret_holds() {
    run("secret");
}

#[test]
fn target_holds() {
    run("target");
}

#[test]
fn unpack_holds() {
    run("unpack");
}

#[test]
fn word_holds() {
    run("word");
}

fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn names(path: &str) -> BTreeSet<String> {
    let listed = fs::read_dir(folder(path)).unwrap();
    let name = |path: PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    listed.map(|entry| name(entry.unwrap().path())).collect()
}

#[test]
fn every_target_has_a_test_a_binary_and_a_row_in_the_documentation() {
    let tests = fs::read_to_string(folder("fuzzkit/tests/smoke.rs")).unwrap();
    let manifest = fs::read_to_string(folder("fuzz/Cargo.toml")).unwrap();
    let page = fs::read_to_string(folder("docs/security/fuzzing.md")).unwrap();
    for target in &TARGETS {
        let name = target.name;
        assert!(tests.contains(&format!("run(\"{name}\")")), "`{name}` has no smoke test");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "`{name}` has no binary");
        assert!(page.contains(&format!("| `{name}` |")), "`{name}` has no row in the page");
    }
    let known: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(names("fuzz/fuzz_targets"), known);
}
