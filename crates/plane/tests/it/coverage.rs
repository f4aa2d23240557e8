//! Coverage by difference: a code that no test of this crate has seen refused is named here with
//! its reason, and this list may only shrink.

use std::fs;
use std::path::Path;

use marque_domain::Code;

/// Codes that no test refuses with yet, and why.
const NOT_COVERED: &[(Code, &str)] = &[];

#[test]
fn every_code_is_refused_with_by_a_test_or_named_here() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = texts(&root.join("tests/it"), "")
        + &texts(&root.join("tests/it/oauth"), "")
        + &texts(&root.join("src"), "tests.rs");
    let is_seen = |code: &Code| tests.contains(&format!("\"{code}\""));
    let unseen: Vec<_> = Code::ALL.into_iter().filter(|code| !is_seen(code)).collect();
    let named: Vec<_> = NOT_COVERED.iter().map(|(code, _)| *code).collect();
    assert_eq!(
        unseen, named,
        "write a test that is refused with the code, or take the covered one off the list"
    );
}

/// The text of every file in a folder whose name ends like that.
fn texts(folder: &Path, end: &str) -> String {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.is_file() && path.to_string_lossy().ends_with(end));
    files.map(|path| fs::read_to_string(path).unwrap()).collect()
}
