//! The pages and the code say the same: coverage by difference, in both directions.
//!
//! What exists is read from the sources as Rust; what is documented, from headings and the first
//! cells of tables. A source that cannot be found is a finding too, or a move would end the rule.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::tree::{File, Finding, Tree};

const STAGES: &str = "crates/domain/src/stage.rs";
const EVENTS: &str = "crates/domain/src/event.rs";
const ROUTES: &str = "crates/api/src/routes.rs";
const CONFIG: &str = "crates/app/src/config.rs";
const COMMANDS: &str = "crates/app/src/cli.rs";

const ROAD: &str = "docs/concepts/road.md";
const CODES_PAGE: &str = "docs/reference/status-codes.md";
const EVENTS_PAGE: &str = "docs/reference/events.md";
const ROUTES_PAGE: &str = "docs/reference/http-api.md";
const CONFIG_PAGE: &str = "docs/reference/config.md";
const COMMANDS_PAGE: &str = "docs/reference/cli.md";

/// Codes that begin like the road's but are the admin API's own.
const OF_THE_API: &[&str] = &["refused.caller.run", "refused.caller.process"];

/// Every refusal code has a heading of the road and a row among the status codes.
pub(super) fn codes(tree: &Tree) -> Vec<Finding> {
    let is_code =
        |text: &String| text.starts_with("refused.") && !OF_THE_API.contains(&text.as_str());
    let mut findings = compare(tree, STAGES, ROAD, |stages, road| Pair {
        what: "refusal code",
        real: renamed(stages, "Code"),
        told: headings(road).into_iter().filter(is_code).collect(),
    });
    findings.extend(compare(tree, STAGES, CODES_PAGE, |stages, page| Pair {
        what: "refusal code",
        real: renamed(stages, "Code"),
        told: cells(page).into_iter().filter(is_code).collect(),
    }));
    findings
}

/// Every event and every change word has a row.
pub(super) fn events(tree: &Tree) -> Vec<Finding> {
    compare(tree, EVENTS, EVENTS_PAGE, |events, page| {
        let mut real = renamed(events, "Verb");
        real.extend(variants(events, "Event").iter().map(|event| split(&event.name, '_')));
        let is_word = |text: &String| real.contains(text) || text.contains('.');
        let told = cells(page).into_iter().filter(is_word).collect();
        Pair { what: "event", real, told }
    })
}

/// Every route of the admin API has a row with its path.
pub(super) fn routes(tree: &Tree) -> Vec<Finding> {
    compare(tree, ROUTES, ROUTES_PAGE, |routes, page| {
        let table = routes.text.split("#[cfg(test)]").next().unwrap_or_default();
        let literals = table.split('"').skip(1).step_by(2);
        let is_path = |text: &&str| text.starts_with('/') && !text.ends_with('/');
        let path = |cell: &String| cell.split_once(' ').map(|(_, path)| path.to_owned());
        Pair {
            what: "route",
            real: literals.filter(is_path).map(str::to_owned).collect(),
            told: cells(page).iter().filter_map(path).collect(),
        }
    })
}

/// Every key of the configuration has a row.
pub(super) fn config(tree: &Tree) -> Vec<Finding> {
    compare(tree, CONFIG, CONFIG_PAGE, |config, page| {
        let sections = fields(config, "Config");
        let keys = |(section, kind): &(String, String)| -> Vec<String> {
            fields(config, kind).iter().map(|(key, _)| format!("{section}.{key}")).collect()
        };
        let is_key = |text: &String| {
            let head = text.split_once('.').map(|(head, _)| head);
            sections.iter().any(|(section, _)| Some(section.as_str()) == head)
        };
        Pair {
            what: "configuration key",
            real: sections.iter().flat_map(keys).collect(),
            told: cells(page).into_iter().filter(is_key).collect(),
        }
    })
}

/// Every command has a section, such as `## marque agent add`.
pub(super) fn commands(tree: &Tree) -> Vec<Finding> {
    compare(tree, COMMANDS, COMMANDS_PAGE, |cli, page| {
        let mut real = BTreeSet::new();
        for command in variants(cli, "Command").iter().filter(|command| !command.is_hidden) {
            let noun = split(&command.name, '-');
            if !command.has_verbs {
                real.insert(format!("marque {noun}"));
            }
            let verbs = verbs_of(tree, &command.name);
            real.extend(verbs.iter().map(|verb| format!("marque {noun} {verb}")));
        }
        let told = headings(page).into_iter().filter(|text| text.starts_with("marque ")).collect();
        Pair { what: "command", real, told }
    })
}

/// Relative links lead to files that are here.
pub(super) fn links(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.with_extension("md") {
        for (line, text) in file.lines() {
            for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                let target = target.split('#').next().unwrap_or_default();
                let is_elsewhere = target.is_empty() || target.contains("://");
                if !is_elsewhere && !leads_somewhere(tree, file, target) {
                    findings.push(file.finding(line, format!("`{target}` leads nowhere")));
                }
            }
        }
    }
    findings
}

fn leads_somewhere(tree: &Tree, from: &File, target: &str) -> bool {
    let folder = Path::new(&from.path).parent().unwrap_or(Path::new(""));
    let mut path = PathBuf::new();
    for part in folder.join(target).components() {
        match part {
            Component::ParentDir if !path.pop() => return false,
            Component::Normal(part) => path.push(part),
            _ => {}
        }
    }
    let is_there = |file: &File| {
        let found = Path::new(&file.path);
        found.starts_with(&path)
    };
    tree.files.iter().any(is_there)
}

/// What there is, and what a page tells of.
struct Pair {
    what: &'static str,
    real: BTreeSet<String>,
    told: BTreeSet<String>,
}

fn compare(
    tree: &Tree,
    source: &str,
    page: &str,
    read: impl FnOnce(&File, &File) -> Pair,
) -> Vec<Finding> {
    let (source, page) = match (tree.file(source), tree.file(page)) {
        (Some(source), Some(page)) => (source, page),
        (Some(source), None) => return vec![source.finding(0, format!("`{page}` is gone"))],
        (None, Some(page)) => return vec![page.finding(0, format!("`{source}` is gone"))],
        // A tree made for a test of another rule.
        (None, None) => return Vec::new(),
    };
    let Pair { what, real, told } = read(source, page);
    let untold = real.difference(&told).map(|name| {
        page.finding(0, format!("the {what} `{name}` of `{}` is not told here", source.path))
    });
    let stale = told.difference(&real).map(|name| {
        page.finding(0, format!("`{name}` is no {what} of `{}`: take it out", source.path))
    });
    let mut findings: Vec<Finding> = untold.chain(stale).collect();
    if real.is_empty() {
        findings.push(source.finding(0, format!("no {what} is found here: mend `tidy::docs`")));
    }
    findings
}

/// The verbs under a noun: the variants of the `Subcommand` in the noun's own file.
fn verbs_of(tree: &Tree, noun: &str) -> Vec<String> {
    let file = tree.file(&format!("crates/app/src/commands/{}.rs", split(noun, '_')));
    let items = file.map(items).unwrap_or_default();
    let is_verbs = |item: &syn::ItemEnum| {
        item.attrs.iter().any(|attribute| tokens(attribute).contains(&"Subcommand".to_owned()))
    };
    let enums = items.into_iter().filter_map(|item| match item {
        syn::Item::Enum(item) if is_verbs(&item) => Some(item),
        _ => None,
    });
    let verbs = enums.flat_map(|item| item.variants.iter().map(Variant::of).collect::<Vec<_>>());
    verbs.filter(|verb| !verb.is_hidden).map(|verb| split(&verb.name, '-')).collect()
}

struct Variant {
    name: String,
    rename: Option<String>,
    is_hidden: bool,
    has_verbs: bool,
}

impl Variant {
    fn of(variant: &syn::Variant) -> Self {
        let words: Vec<String> = variant.attrs.iter().flat_map(tokens).collect();
        let says = |word: &str| words.iter().any(|said| said == word);
        let renames = |part: &[String]| match part {
            [word, _, text] if word == "rename" => Some(text.trim_matches('"').to_owned()),
            _ => None,
        };
        Self {
            name: variant.ident.to_string(),
            rename: words.windows(3).find_map(renames),
            is_hidden: says("hide"),
            has_verbs: says("subcommand"),
        }
    }
}

/// The words of an attribute such as `#[serde(rename = "x")]`; none of a doc comment.
fn tokens(attribute: &syn::Attribute) -> Vec<String> {
    let list = attribute.meta.require_list().map(|list| list.tokens.clone());
    list.into_iter().flatten().map(|token| token.to_string()).collect()
}

fn items(file: &File) -> Vec<syn::Item> {
    syn::parse_file(&file.text).map(|source| source.items).unwrap_or_default()
}

fn variants(file: &File, name: &str) -> Vec<Variant> {
    let found = items(file).into_iter().find_map(|item| match item {
        syn::Item::Enum(item) if item.ident == name => Some(item),
        _ => None,
    });
    found.map(|item| item.variants.iter().map(Variant::of).collect()).unwrap_or_default()
}

fn renamed(file: &File, name: &str) -> BTreeSet<String> {
    variants(file, name).into_iter().filter_map(|variant| variant.rename).collect()
}

/// The fields of a struct, with the names of their types.
fn fields(file: &File, name: &str) -> Vec<(String, String)> {
    let found = items(file).into_iter().find_map(|item| match item {
        syn::Item::Struct(item) if item.ident == name => Some(item),
        _ => None,
    });
    let field = |field: syn::Field| {
        let kind = match &field.ty {
            syn::Type::Path(kind) => kind.path.segments.last()?.ident.to_string(),
            _ => String::new(),
        };
        Some((field.ident?.to_string(), kind))
    };
    found.map(|item| item.fields.into_iter().filter_map(field).collect()).unwrap_or_default()
}

/// `TwoWords` as `two_words`, with that sign between them.
fn split(name: &str, sign: char) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(sign);
        }
        words.extend(letter.to_lowercase());
    }
    words
}

fn headings(page: &File) -> BTreeSet<String> {
    let heading = |line: &str| line.trim_start_matches('#').trim().to_owned();
    page.text.lines().filter(|line| line.starts_with('#')).map(heading).collect()
}

/// What stands in backticks in the first cell of each row.
fn cells(page: &File) -> BTreeSet<String> {
    let first = |line: &str| line.strip_prefix('|')?.split('|').next().map(str::to_owned);
    let cells: Vec<String> = page.text.lines().filter_map(first).collect();
    cells.iter().flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

#[cfg(test)]
#[path = "docs_tests.rs"]
mod tests;
