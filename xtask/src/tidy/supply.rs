//! What others wrote and we ship: bans, owners, duplicates, licences and sources of `deny.toml`.
//!
//! The same file serves cargo-deny, which also knows advisories. The part that needs no database is
//! held here, so that every test run does so without a tool to install.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context, ensure};
use toml::{Table, Value};

use super::tree::{File, Finding, Tree};

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// One version of one package as the build resolves it.
#[derive(Default)]
pub(super) struct Dependency {
    licence: String,
    parents: BTreeSet<String>,
}

/// Every package of the build by name and version.
pub(super) struct Graph(BTreeMap<(String, String), Dependency>);

/// Asks cargo what it builds for [`TARGET`], tests apart. The lock file alone will not do: it also
/// lists what no feature ever enables.
pub(super) fn dependencies() -> anyhow::Result<Graph> {
    let listing = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--locked", "--quiet", "--target", TARGET])
        .args(["--edges", "no-dev", "--prefix", "depth", "--format", "{p}\t{l}"])
        .output()
        .context("cannot run `cargo tree`")?;
    let problem = String::from_utf8_lossy(&listing.stderr);
    ensure!(listing.status.success(), "`cargo tree` failed: {}", problem.trim());
    Ok(Graph::parse(&String::from_utf8_lossy(&listing.stdout)))
}

/// Holds the graph and the lock file against `deny.toml`.
///
/// Fails if `deny.toml` or `Cargo.lock` is absent or does not parse.
pub(super) fn check(tree: &Tree, graph: &Graph) -> anyhow::Result<Vec<Finding>> {
    let deny = tree.file("deny.toml").context("there is no `deny.toml`")?;
    let lock = tree.file("Cargo.lock").context("there is no `Cargo.lock`")?;
    let rules: Table = deny.text.parse().context("`deny.toml` does not parse")?;
    let locked: Table = lock.text.parse().context("`Cargo.lock` does not parse")?;
    let mut findings = bans(deny, &rules, graph);
    findings.extend(duplicates(deny, &rules, graph));
    findings.extend(licences(deny, &rules, graph));
    findings.extend(sources(lock, &locked));
    Ok(findings)
}

fn bans(deny: &File, rules: &Table, graph: &Graph) -> Vec<Finding> {
    let mut findings = Vec::new();
    for ban in list(rules, "bans", "deny") {
        let name = text(ban, "crate");
        let wrappers: Vec<&str> = strings(ban.get("wrappers")).collect();
        let uses = graph.0.iter().filter(|((used, _), _)| used == name);
        for parent in uses.flat_map(|(_, dependency)| &dependency.parents) {
            if !wrappers.contains(&parent.as_str()) {
                let reason = text(ban, "reason");
                findings.push(deny.finding(0, format!("`{parent}` uses `{name}`: {reason}")));
            }
        }
    }
    findings
}

fn duplicates(deny: &File, rules: &Table, graph: &Graph) -> Vec<Finding> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, version) in graph.0.keys() {
        versions.entry(name).or_default().push(version);
    }
    versions.retain(|_, versions| versions.len() > 1);
    let skips: Vec<(&str, &str)> = list(rules, "bans", "skip")
        .filter_map(|skip| text(skip, "crate").split_once('@'))
        .collect();
    let is = |version: &str, skipped: &str| {
        version.strip_prefix(skipped).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let mut findings = Vec::new();
    for (name, versions) in &versions {
        let mut left = versions.clone();
        left.retain(|version| !skips.iter().any(|(skip, v)| skip == name && is(version, v)));
        if left.len() > 1 {
            let message = format!(
                "`{name}` is built in versions {}: settle on one, or skip the old one with a \
                 dated reason",
                left.join(", ")
            );
            findings.push(deny.finding(0, message));
        }
    }
    for (name, skipped) in skips {
        let needed = versions.get(name).is_some_and(|all| all.iter().any(|v| is(v, skipped)));
        if !needed {
            let message = format!("`{name}@{skipped}` is no duplicate any more: drop the skip");
            findings.push(deny.finding(0, message));
        }
    }
    findings
}

fn licences(deny: &File, rules: &Table, graph: &Graph) -> Vec<Finding> {
    let allowed = rules.get("licenses").and_then(|section| section.get("allow"));
    let allowed: Vec<&str> = strings(allowed).collect();
    let foreign = graph.0.iter().filter(|(_, dependency)| !permits(&dependency.licence, &allowed));
    foreign
        .map(|((name, version), dependency)| {
            let licence = &dependency.licence;
            let message = format!("`{name}` {version} has the licence `{licence}`: not allowed");
            deny.finding(0, message)
        })
        .collect()
}

fn sources(lock: &File, locked: &Table) -> Vec<Finding> {
    let packages = locked.get("package").and_then(Value::as_array).into_iter().flatten();
    // Without a source it is a path: ours.
    let foreign = packages.filter(|package| !matches!(text(package, "source"), "" | CRATES_IO));
    foreign
        .map(|package| {
            let name = text(package, "name");
            lock.finding(0, format!("`{name}` does not come from crates.io: it has to"))
        })
        .collect()
}

impl Graph {
    /// Reads lines such as `2syn v2.0.1 (proc-macro)⇥MIT (*)`: depth, package, licence.
    fn parse(listing: &str) -> Self {
        let mut graph = BTreeMap::<_, Dependency>::new();
        let mut path: Vec<String> = Vec::new();
        for line in listing.lines() {
            let digits = line.find(|c: char| !c.is_ascii_digit()).unwrap_or_default();
            let (depth, line) = line.split_at(digits);
            let (package, licence) = line.split_once('\t').unwrap_or((line, ""));
            let mut words = package.split(' ');
            let (Ok(depth), Some(name), Some(version)) =
                (depth.parse::<usize>(), words.next(), words.next())
            else {
                continue;
            };
            path.truncate(depth);
            let key = (name.to_owned(), version.trim_start_matches('v').to_owned());
            let dependency = graph.entry(key).or_default();
            licence.trim_end_matches(" (*)").clone_into(&mut dependency.licence);
            dependency.parents.extend(path.last().cloned());
            path.push(name.to_owned());
        }
        Self(graph)
    }
}

/// Whether an SPDX expression can be met with the allowed licences alone; `/` is an old `OR`.
fn permits(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words: Vec<&str> = spaced.split_whitespace().rev().collect();
    any_of(&mut words, allowed) == Some(true) && words.is_empty()
}

fn any_of(words: &mut Vec<&str>, allowed: &[&str]) -> Option<bool> {
    let mut met = all_of(words, allowed)?;
    while words.pop_if(|word| *word == "OR").is_some() {
        met |= all_of(words, allowed)?;
    }
    Some(met)
}

fn all_of(words: &mut Vec<&str>, allowed: &[&str]) -> Option<bool> {
    let mut met = licence(words, allowed)?;
    while words.pop_if(|word| *word == "AND").is_some() {
        met &= licence(words, allowed)?;
    }
    Some(met)
}

/// One licence, with its exception if it has one, or a group; `None` if it is neither.
fn licence(words: &mut Vec<&str>, allowed: &[&str]) -> Option<bool> {
    match words.pop()? {
        "(" => {
            let met = any_of(words, allowed)?;
            words.pop_if(|word| *word == ")").map(|_| met)
        }
        ")" | "OR" | "AND" | "WITH" => None,
        name if words.pop_if(|word| *word == "WITH").is_some() => {
            let exception = words.pop()?;
            Some(allowed.contains(&format!("{name} WITH {exception}").as_str()))
        }
        name => Some(allowed.contains(&name)),
    }
}

fn list<'a>(rules: &'a Table, section: &str, key: &str) -> impl Iterator<Item = &'a Value> {
    let entries = rules.get(section).and_then(|section| section.get(key));
    entries.and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn strings(value: Option<&Value>) -> impl Iterator<Item = &str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

#[cfg(test)]
#[path = "supply_tests.rs"]
mod tests;
