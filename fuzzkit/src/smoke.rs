//! The bounded run of one target: the kept corpus, then mutations of it.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use crate::mutate::Mutator;

/// Runs `check` over the kept corpus of `name` and over so many mutations of it.
///
/// # Panics
/// Where `check` does, after it has said with which bytes, and where the corpus is missing.
pub fn smoke(name: &str, mutations: u32, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let corpus = corpus(&folder);
    assert!(!corpus.is_empty(), "there is no corpus in `{}`: add seeds", folder.display());
    for (path, bytes) in &corpus {
        run(&path.display().to_string(), bytes, check);
    }
    let seeds: Vec<Vec<u8>> = corpus.into_iter().map(|(_, bytes)| bytes).collect();
    let mut mutator = Mutator::of(name);
    for round in 0..mutations {
        run(&format!("mutation {round}"), &mutator.next(&seeds), check);
    }
}

/// In the order of their names, which the file system does not promise.
fn corpus(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let listed = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = listed.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn run(what: &str, bytes: &[u8], check: fn(&[u8])) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(bytes))) {
        eprintln!("{what} broke it: {}", bytes.escape_ascii());
        resume_unwind(panic);
    }
}
