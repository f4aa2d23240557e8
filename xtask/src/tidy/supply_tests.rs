use super::super::tree::Tree;
use super::{CRATES_IO, Graph, check, permits};

const RULES: &str = r#"
[licenses]
allow = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"]
[bans]
deny = [
  { crate = "rsa", reason = "leaks by timing" },
  { crate = "sqlite", wrappers = ["store"], reason = "one engine seam" },
]
skip = [{ crate = "old@1", reason = "until 2026-12: the new one is not out" }]
"#;

const OLD: &str = "0store v1.0.0 (/a)\tMIT\n1old v1.2.3\tMIT\n1old v2.0.0\tMIT\n";

fn found(listing: &str, lock: &str) -> Vec<String> {
    let tree = Tree::of(&[("deny.toml", RULES), ("Cargo.lock", lock)]);
    let findings = check(&tree, &Graph::parse(listing)).unwrap();
    findings.iter().map(ToString::to_string).collect()
}

#[test]
fn a_graph_within_the_rules_passes() {
    let listing = format!("{OLD}1sqlite v3.0.0 (proc-macro)\tMIT OR GPL-3.0\n");
    let lock = format!("[[package]]\nname = \"old\"\nsource = \"{CRATES_IO}\"\n");
    assert_eq!(found(&listing, &lock), [""; 0]);
}

#[test]
fn a_banned_package_is_found_with_who_uses_it_and_why_not() {
    let listing = format!("{OLD}1middle v1.0.0\tMIT\n2rsa v1.0.0\tMIT\n");
    assert_eq!(found(&listing, ""), ["deny.toml: `middle` uses `rsa`: leaks by timing"]);
}

#[test]
fn a_wrapped_package_is_found_at_a_second_user_even_where_the_listing_repeats_it() {
    let again = "0plane v1.0.0\tMIT\n1sqlite v3.0.0\tMIT (*)\n";
    let listing = format!("{OLD}1sqlite v3.0.0\tMIT\n{again}");
    assert_eq!(found(&listing, ""), ["deny.toml: `plane` uses `sqlite`: one engine seam"]);
}

#[test]
fn a_second_version_is_found_unless_skipped() {
    let listing = format!("{OLD}1twice v0.1.0\tMIT\n1twice v0.2.0\tMIT\n");
    let all = found(&listing, "");
    assert_eq!(all.len(), 1);
    assert!(all[0].contains("`twice` is built in versions 0.1.0, 0.2.0"), "{all:?}");
}

#[test]
fn a_skip_that_nothing_needs_is_found() {
    let all = found("0store v1.0.0\tMIT\n1old v1.2.3\tMIT\n", "");
    assert_eq!(all, ["deny.toml: `old@1` is no duplicate any more: drop the skip"]);
}

#[test]
fn a_foreign_licence_and_no_licence_are_found() {
    let listing = format!("{OLD}1copyleft v1.0.0\tGPL-3.0\n1silent v1.0.0\t\n");
    let all = found(&listing, "");
    assert_eq!(all.len(), 2);
    assert!(all[0].contains("`copyleft` 1.0.0 has the licence `GPL-3.0`"), "{all:?}");
}

#[test]
fn a_package_from_elsewhere_is_found() {
    let lock = "[[package]]\nname = \"fork\"\nsource = \"git+https://example.com/fork\"\n";
    assert_eq!(found(OLD, lock), ["Cargo.lock: `fork` does not come from crates.io: it has to"]);
}

#[test]
fn a_licence_expression_needs_all_of_and_and_one_of_or() {
    let check = |expression| permits(expression, &["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"]);
    assert!(check("MIT") && check("GPL-3.0 OR MIT") && check("GPL-3.0/MIT"));
    assert!(check("MIT AND ISC") && check("ISC AND (GPL-3.0 OR MIT)"));
    assert!(check("Apache-2.0 WITH LLVM-exception OR GPL-3.0"));
    assert!(!check("MIT AND GPL-3.0") && !check("Apache-2.0") && !check("GPL-3.0 OR MIT AND X"));
    assert!(!check("") && !check("(MIT") && !check("MIT)"));
    assert!(!check("MIT OR") && !check("MIT ISC"));
}
