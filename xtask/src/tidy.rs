//! `cargo xtask tidy`: the house rules that neither compiler nor linter can hold.
//!
//! Each rule is a pure function from the files of the repository to findings, so that a test can
//! show it failing. It only reports; it never edits.

mod crates;
mod docs;
mod files;
mod rust;
mod supply;
mod threats;
mod tree;
mod words;

use anyhow::bail;

use crate::Command;
use tree::{Finding, Tree};

pub(crate) const COMMAND: Command =
    Command { name: "tidy", about: "check the house rules of this repository", run };

const RULES: &[fn(&Tree) -> Vec<Finding>] = &[
    rust::sizes,
    rust::heads,
    rust::globs,
    rust::unfinished,
    crates::edges,
    crates::sole_users,
    crates::homes,
    words::retired,
    docs::codes,
    docs::events,
    docs::routes,
    docs::config,
    docs::commands,
    threats::threats,
    docs::links,
    files::decisions,
    files::blobs,
    files::machine_paths,
];

fn run(_args: &[String]) -> anyhow::Result<()> {
    let findings = check()?;
    for finding in &findings {
        eprintln!("{finding}");
    }
    match findings.len() {
        0 => Ok(()),
        1 => bail!("tidy found one thing to mend"),
        many => bail!("tidy found {many} things to mend"),
    }
}

/// All findings for the repository we stand in, sorted by place.
///
/// Fails if git or cargo cannot list files and dependencies.
fn check() -> anyhow::Result<Vec<Finding>> {
    let tree = Tree::read()?;
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(&tree)).collect();
    findings.extend(supply::check(&tree, &supply::dependencies()?)?);
    findings.sort();
    findings.dedup();
    Ok(findings)
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_repository_is_tidy() {
        let findings = super::check().unwrap();
        let list: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(list.is_empty(), "mend these, then run `cargo xtask tidy`:\n{}", list.join("\n"));
    }
}
