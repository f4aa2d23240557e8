use super::super::tree::Tree;
use super::{GROUPS, PAGE, threats};

const TEST: (&str, &str) =
    ("crates/x/tests/it/a.rs", "// threats 39 and 72\n#[test]\nfn it_is_refused() {}\n");

/// A page on which every number has a reason, but for what is put in place of its row.
fn found(number: u16, cell: &str, more: &str) -> Vec<String> {
    let reason = "Not yet: what it would attack is not there, and nothing stands in its place.";
    let rows: String = GROUPS
        .into_iter()
        .flatten()
        .map(|other| match (other == number, cell) {
            (true, "") => String::new(),
            (true, cell) => format!("| {other} | attack | refused | {cell} |\n"),
            (false, _) => format!("| {other} | attack | refused | {reason} |\n"),
        })
        .collect();
    let page = format!("# Threats\n\n{rows}\n{more}");
    let findings = threats(&Tree::of(&[(PAGE, &page), TEST]));
    findings.iter().map(ToString::to_string).collect()
}

fn one(number: u16, cell: &str) -> String {
    let found = found(number, cell, "");
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().unwrap()
}

#[test]
fn a_row_with_a_test_that_is_there_or_with_a_reason_passes() {
    assert!(found(0, "", "").is_empty());
    let told = "`crates/x/tests/it/a.rs`: `it_is_refused`; see also a remark";
    assert!(found(72, told, "").is_empty());
}

#[test]
fn a_number_without_a_row_or_with_neither_test_nor_reason_is_found() {
    assert!(one(72, "").contains("threat 72 has no row"));
    assert!(one(72, "everywhere").contains("neither a test nor"));
    assert!(one(72, "Not yet: later").contains("neither a test nor"));
}

#[test]
fn a_test_that_is_not_there_or_names_another_number_is_found() {
    assert!(one(72, "`crates/x/tests/it/b.rs`").contains("there is no `crates/x/tests/it/b.rs`"));
    let other = "`crates/x/tests/it/a.rs`: `it_is_allowed`";
    assert!(one(72, other).contains("has no test `it_is_allowed`"));
    assert!(one(73, "`crates/x/tests/it/a.rs`").contains("no test in `crates/x/tests/it/a.rs`"));
}

#[test]
fn a_number_of_another_group_is_named_by_some_test() {
    assert!(found(0, "", "| 39 | wider | plane |\n").is_empty());
    let found = found(0, "", "| 39, 40 | wider | plane |\n");
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("no test names threat 40"), "{found:?}");
}
