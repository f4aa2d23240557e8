//! The layers: which crate of ours may use which, and who alone may use a heavy dependency.
//!
//! Reads manifests and sources; dev-dependencies are free. The kits never ship, so only the rule
//! that nobody ships them binds them.

use toml::{Table, Value};

use super::rust::{Mention, mentions};
use super::tree::{File, Finding, Tree};

/// Each crate of ours and the crates of ours it may use. Keep in step with `ARCHITECTURE.md`.
const LAYERS: &[(&str, &[&str])] = &[
    ("marque-domain", &[]),
    ("marque-crypto", &["marque-domain"]),
    ("marque-wire", &["marque-domain", "marque-crypto"]),
    ("marque-tlog", &["marque-domain", "marque-crypto"]),
    ("marque-policy", &["marque-domain"]),
    ("marque-store", &["marque-domain"]),
    (
        "marque-plane",
        &[
            "marque-domain",
            "marque-policy",
            "marque-store",
            "marque-tlog",
            "marque-wire",
            "marque-crypto",
        ],
    ),
    ("marque-api", &["marque-domain", "marque-plane", "marque-wire"]),
    ("marque-gateway", &["marque-domain", "marque-plane", "marque-wire", "marque-crypto"]),
    ("marque-client", &["marque-domain", "marque-wire", "marque-crypto"]),
    (
        "marque",
        &[
            "marque-domain",
            "marque-crypto",
            "marque-wire",
            "marque-tlog",
            "marque-policy",
            "marque-store",
            "marque-plane",
            "marque-api",
            "marque-gateway",
        ],
    ),
    ("xtask", &[]),
];

/// What never ships, and so may use everything of ours.
const KITS: &[&str] = &["marque-testkit", "marque-fuzzkit", "marque-fuzz", "marque-benchkit"];

const HTTP_USERS: &[&str] = &["marque-api", "marque-gateway", "marque-client", "marque"];
const ASYNC_USERS: &[&str] =
    &["marque-store", "marque-plane", "marque-api", "marque-gateway", "marque-client", "marque"];

/// Each dependency with a door: who alone may name it in a manifest.
const SOLE_USERS: &[(&str, &[&str])] = &[
    ("aws-lc-rs", &["marque-crypto"]),
    ("argon2", &["marque-crypto"]),
    ("rcgen", &["marque-crypto"]),
    ("getrandom", &["marque-crypto"]),
    ("rand", &["marque-crypto"]),
    ("cedar-policy", &["marque-policy"]),
    ("cedar-policy-core", &["marque-policy"]),
    ("rusqlite", &["marque-store"]),
    ("libsqlite3-sys", &["marque-store"]),
    ("postgres", &["marque-store"]),
    ("tokio-postgres", &["marque-store"]),
    ("axum", &["marque-api"]),
    ("hyper", HTTP_USERS),
    ("hyper-util", HTTP_USERS),
    ("http-body-util", HTTP_USERS),
    ("reqwest", &[]),
    ("ureq", &[]),
    ("tokio", ASYNC_USERS),
    ("tokio-util", ASYNC_USERS),
    ("tracing", ASYNC_USERS),
    ("clap", &["marque"]),
    ("landlock", &["marque"]),
    ("anyhow", &["marque", "xtask"]),
    ("syn", &["xtask"]),
];

/// Within one crate, the only files that may name a dependency.
const HOMES: &[(&str, &[&str], &[&str])] = &[
    (
        "crates/app/src/",
        &["hyper", "hyper_util", "http_body_util"],
        &["crates/app/src/client", "crates/app/src/demo"],
    ),
    ("client/src/", &["hyper", "hyper_util", "http_body_util"], &["client/src/http.rs"]),
];

/// Crates of ours use each other only along the drawn edges.
pub(super) fn edges(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, manifest) in members(tree) {
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == manifest.name) else {
            if !is_kit(&manifest.name) {
                findings.push(unknown(file, &manifest.name));
            }
            continue;
        };
        for used in manifest.dependencies.iter().filter(|used| is_ours(used)) {
            if !allowed.contains(&used.as_str()) {
                findings.push(undrawn(file, &manifest.name, used, allowed));
            }
        }
    }
    findings
}

fn unknown(file: &File, name: &str) -> Finding {
    let message = format!(
        "`{name}` has no layer: draw it in `ARCHITECTURE.md`, then add it to `LAYERS` in \
         `xtask/src/tidy/crates.rs`"
    );
    file.finding(0, message)
}

fn undrawn(file: &File, name: &str, used: &str, allowed: &[&str]) -> Finding {
    let allowed = if allowed.is_empty() { "nothing of ours".into() } else { allowed.join(", ") };
    let message = format!(
        "`{name}` must not use `{used}`: its layer may use {allowed}; move the code to a crate \
         that may, or change the drawing in `ARCHITECTURE.md` and `LAYERS` with a decision record"
    );
    file.finding(0, message)
}

/// Every heavy dependency stands behind the crates that own it.
pub(super) fn sole_users(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, manifest) in members(tree).filter(|(_, manifest)| !is_kit(&manifest.name)) {
        for (dependency, users) in SOLE_USERS {
            let used = manifest.dependencies.iter().any(|used| used == dependency);
            if used && !users.contains(&manifest.name.as_str()) {
                let owners = if users.is_empty() { "no crate".into() } else { users.join(", ") };
                let message = format!(
                    "`{}` must not use `{dependency}`, which is for {owners}: ask its owner for \
                     what you need",
                    manifest.name
                );
                findings.push(file.finding(0, message));
            }
        }
    }
    findings
}

/// Some dependencies are for a few modules of a crate only.
pub(super) fn homes(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (folder, names, homes) in HOMES {
        let strangers = tree.with_extension("rs").filter(|file| {
            file.path.starts_with(folder)
                && !file.is_test()
                && !homes.iter().any(|home| file.path.starts_with(home))
        });
        for file in strangers {
            for Mention { name, line } in mentions(file, names) {
                let homes = homes.join(" and ");
                findings.push(file.finding(line, format!("`{name}` is only for {homes}")));
            }
        }
    }
    findings
}

fn is_kit(name: &str) -> bool {
    KITS.contains(&name)
}

fn is_ours(name: &str) -> bool {
    is_kit(name) || LAYERS.iter().any(|(ours, _)| *ours == name)
}

struct Manifest {
    name: String,
    /// Package names, whatever the crate calls them; dev-dependencies left out.
    dependencies: Vec<String>,
}

/// The manifests of packages; the root, which has none, is not one of them.
fn members(tree: &Tree) -> impl Iterator<Item = (&File, Manifest)> {
    let shared = tree.file("Cargo.toml").and_then(|file| file.text.parse::<Table>().ok());
    let shared = shared.and_then(|root| table(&root, &["workspace", "dependencies"]).cloned());
    let shared = shared.unwrap_or_default();
    tree.files.iter().filter_map(move |file| {
        let is_manifest = file.path.ends_with("Cargo.toml");
        let manifest = is_manifest.then(|| file.text.parse::<Table>().ok())??;
        let name = manifest.get("package")?.get("name")?.as_str()?.to_owned();
        let targets = manifest.get("target").and_then(Value::as_table);
        let targets = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
        let dependencies = std::iter::once(&manifest)
            .chain(targets)
            .flat_map(|table| [table.get("dependencies"), table.get("build-dependencies")])
            .filter_map(|section| section.and_then(Value::as_table))
            .flatten()
            .map(|(key, value)| package(key, value, &shared))
            .collect();
        Some((file, Manifest { name, dependencies }))
    })
}

fn table<'a>(root: &'a Table, path: &[&str]) -> Option<&'a Table> {
    path.iter().try_fold(root, |table, key| table.get(*key)?.as_table())
}

/// The package behind a dependency's key, which may be another name for it.
fn package(key: &str, value: &Value, shared: &Table) -> String {
    let inherited = value.get("workspace").is_some();
    let value = if inherited { shared.get(key).unwrap_or(value) } else { value };
    value.get("package").and_then(Value::as_str).unwrap_or(key).to_owned()
}

#[cfg(test)]
#[path = "crates_tests.rs"]
mod tests;
