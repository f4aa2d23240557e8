use super::super::tree::{Finding, Tree};
use super::{edges, homes, sole_users};

fn manifest(name: &str, rest: &str) -> String {
    format!("[package]\nname = \"{name}\"\n{rest}")
}

fn one(rule: fn(&Tree) -> Vec<Finding>, name: &str, rest: &str) -> String {
    let root = "[workspace.dependencies]\nsecret-door = { package = \"marque-store\" }";
    let tree = Tree::of(&[("Cargo.toml", root), ("crates/x/Cargo.toml", &manifest(name, rest))]);
    let found = rule(&tree);
    assert!(found.len() <= 1, "{found:?}");
    found.first().map(ToString::to_string).unwrap_or_default()
}

#[test]
fn a_drawn_edge_passes() {
    assert_eq!(one(edges, "marque-api", "[dependencies]\nmarque-plane.workspace = true"), "");
}

#[test]
fn an_edge_that_is_not_drawn_is_found_under_any_name_and_in_any_section() {
    let direct = one(edges, "marque-api", "[dependencies]\nmarque-store.workspace = true");
    assert!(direct.contains("`marque-api` must not use `marque-store`"), "{direct}");
    assert!(direct.contains("may use marque-domain, marque-plane, marque-wire"), "{direct}");
    let renamed = "[dependencies]\nother = { path = \"..\", package = \"marque-store\" }";
    assert_eq!(one(edges, "marque-api", renamed), direct);
    assert_eq!(
        one(edges, "marque-api", "[dependencies]\nsecret-door.workspace = true"),
        direct,
        "the workspace may rename a package for its members"
    );
    let build = "[build-dependencies]\nmarque-store.workspace = true";
    assert_eq!(one(edges, "marque-api", build), direct);
    let target = "[target.'cfg(unix)'.dependencies]\nmarque-store.workspace = true";
    assert_eq!(one(edges, "marque-api", target), direct);
}

#[test]
fn tests_may_use_any_crate() {
    let dev = "[dev-dependencies]\nmarque-testkit.workspace = true\nmarque-store.workspace = true";
    assert_eq!(one(edges, "marque-api", dev), "");
}

#[test]
fn nobody_ships_the_testkit() {
    let shipped = "[dependencies]\nmarque-testkit.workspace = true";
    assert!(one(edges, "marque", shipped).contains("must not use `marque-testkit`"));
}

#[test]
fn a_crate_without_a_layer_is_found() {
    assert!(one(edges, "marque-new", "").contains("`marque-new` has no layer"));
}

#[test]
fn a_heavy_dependency_outside_its_crate_is_found() {
    let found = one(sole_users, "marque-plane", "[dependencies]\nrusqlite = \"1\"");
    assert!(found.contains("`rusqlite`, which is for marque-store"), "{found}");
    assert_eq!(one(sole_users, "marque-store", "[dependencies]\nrusqlite = \"1\""), "");
    assert!(one(sole_users, "marque-domain", "[dependencies]\ntokio = \"1\"").contains("`tokio`"));
    assert!(one(sole_users, "marque", "[dependencies]\nreqwest = \"1\"").contains("no crate"));
    assert_eq!(one(sole_users, "marque-plane", "[dev-dependencies]\nrusqlite = \"1\""), "");
}

#[test]
fn http_in_the_app_is_for_its_client_and_the_demo() {
    let source = "//! Head.\nuse hyper::Request;\n// hyper::body is only a comment here.\n";
    let found = homes(&Tree::of(&[("crates/app/src/up.rs", source)]));
    assert_eq!(found.len(), 1);
    assert!(found[0].to_string().starts_with("crates/app/src/up.rs:2: `hyper` is only for"));
    assert_eq!(homes(&Tree::of(&[("crates/app/src/client.rs", source)])), []);
    assert_eq!(homes(&Tree::of(&[("crates/app/src/demo/upstream.rs", source)])), []);
    assert_eq!(homes(&Tree::of(&[("crates/app/tests/it/main.rs", source)])), []);
}
