//! The shipped policies, each against the cases beside it in `policies/examples`.
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::testing::{Told, ruled};
use crate::{PolicySet, PolicySource, RuleId, Ruling};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    facts: Told,
    expect: Expected,
    #[serde(default)]
    rules: Vec<String>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Expected {
    Pass,
    Ask,
    Forbid,
}

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/examples");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "cedar"))
        .collect();
    files.sort();
    files
}

fn source(path: &Path) -> PolicySource {
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    PolicySource { name, text: std::fs::read_to_string(path).unwrap() }
}

fn outcome(ruling: Ruling) -> (Expected, Vec<String>) {
    let ids = |rules: Vec<RuleId>| rules.into_iter().map(String::from).collect();
    match ruling {
        Ruling::Pass => (Expected::Pass, Vec::new()),
        Ruling::Ask { rules, .. } => (Expected::Ask, ids(rules)),
        Ruling::Forbid { rules, .. } => (Expected::Forbid, ids(rules)),
        Ruling::Error { message, .. } => panic!("{message}"),
    }
}

#[test]
fn every_shipped_policy_rules_as_its_cases_say() {
    for path in examples() {
        let set = PolicySet::load(&[source(&path)]).unwrap_or_else(|e| panic!("{e}"));
        let cases = std::fs::read_to_string(path.with_extension("cases.json"));
        let cases = cases.unwrap_or_else(|e| panic!("{} has no cases: {e}", path.display()));
        let cases: Vec<Case> = serde_json::from_str(&cases).unwrap();
        let mut met = BTreeSet::new();
        for case in cases {
            let expected = (case.expect, case.rules);
            let found = outcome(ruled(&set, &case.facts));
            assert_eq!(found, expected, "{}: {}", path.display(), case.name);
            met.extend(found.1);
            met.insert(format!("{:?}", found.0));
        }
        let objecting = met.iter().filter(|word| word.starts_with(char::is_lowercase)).count();
        assert_eq!(objecting, set.len(), "{}: each policy objects in a case", path.display());
        assert!(met.contains("Pass"), "{}: something passes in a case", path.display());
    }
}

#[test]
fn the_shipped_policies_can_be_loaded_together() {
    let sources: Vec<PolicySource> = examples().iter().map(|path| source(path)).collect();
    assert!(sources.len() >= 5);
    PolicySet::load(&sources).unwrap_or_else(|errors| panic!("{errors}"));
}
