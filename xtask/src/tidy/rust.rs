//! Rules for Rust sources: sizes, heads, glob imports, unfinished marks.
//!
//! Sources are parsed, so that a brace in a string or a test module at the end misleads nobody.

use std::ops::RangeInclusive;

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::tree::{File, Finding, Tree};

const FILE_LINES: usize = 600;
const FUNCTION_LINES: usize = 70;
const LINE_COLUMNS: usize = 100;

/// Files of at most 600 lines without their tests, functions of 70, lines of 100 columns.
pub(super) fn sizes(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.with_extension("rs") {
        let source = match Source::parse(file) {
            Ok(source) => source,
            Err(error) => {
                let line = error.span().start().line;
                findings.push(file.finding(line, format!("this does not parse: {error}")));
                continue;
            }
        };
        let tests: usize = source.tests.iter().map(|lines| lines.clone().count()).sum();
        let lines = file.text.lines().count().saturating_sub(tests);
        if lines > FILE_LINES && !file.is_test() {
            let message = format!(
                "{lines} lines of code, {FILE_LINES} at most: look for the missing noun, then split"
            );
            findings.push(file.finding(0, message));
        }
        for (name, body) in &source.functions {
            let lines = body.clone().count();
            if lines > FUNCTION_LINES {
                let message = format!(
                    "`{name}` has {lines} lines, {FUNCTION_LINES} at most: give its parts names"
                );
                findings.push(file.finding(*body.start(), message));
            }
        }
    }
    findings.extend(tree.with_extension("rs").flat_map(long_lines));
    findings.extend(tree.with_extension("sql").flat_map(long_lines));
    findings
}

fn long_lines(file: &File) -> impl Iterator<Item = Finding> {
    file.lines().filter_map(|(line, text)| {
        let columns = text.chars().count();
        // An address cannot be broken.
        let over = columns > LINE_COLUMNS && !text.contains("://");
        over.then(|| file.finding(line, format!("{columns} columns, {LINE_COLUMNS} at most")))
    })
}

/// Every source but tests opens by saying what it owns.
pub(super) fn heads(tree: &Tree) -> Vec<Finding> {
    tree.with_extension("rs")
        .filter(|file| !file.is_test() && !file.text.starts_with("//! "))
        .map(|file| {
            file.finding(1, "no head: open with `//!`, what this file owns and must not do")
        })
        .collect()
}

/// No glob imports but in tests: a name should be findable from where it is used.
pub(super) fn globs(tree: &Tree) -> Vec<Finding> {
    let sources = tree.with_extension("rs").filter(|file| !file.is_test());
    sources
        .filter_map(|file| Some((file, Source::parse(file).ok()?)))
        .flat_map(|(file, source)| {
            let lines = source.globs.into_iter();
            lines.map(|line| file.finding(line, "glob import: name what you use"))
        })
        .collect()
}

/// Nothing is left for later: no unfinished macros, no marks in comments.
pub(super) fn unfinished(tree: &Tree) -> Vec<Finding> {
    const MESSAGE: &str = "unfinished: finish it, or open an issue and leave it out";
    let mut findings = Vec::new();
    for file in tree.with_extension("rs") {
        let macros = Source::parse(file).map(|source| source.unfinished).unwrap_or_default();
        findings.extend(macros.into_iter().map(|line| file.finding(line, MESSAGE)));
    }
    for file in ["rs", "sql", "sh", "toml"].iter().flat_map(|end| tree.with_extension(end)) {
        let marked = file.lines().filter(|(_, text)| has_mark(text));
        findings.extend(marked.map(|(line, _)| file.finding(line, MESSAGE)));
    }
    findings
}

fn has_mark(text: &str) -> bool {
    // Split, or this very line would be a finding.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| marks.contains(&word))
}

/// A crate's name where the code of a file says it.
pub(super) struct Mention {
    pub(super) name: String,
    pub(super) line: usize,
}

/// Where code outside comments and strings names one of these crates, macro arguments included.
pub(super) fn mentions(file: &File, names: &[&str]) -> Vec<Mention> {
    fn walk(tokens: TokenStream, names: &[&str], found: &mut Vec<Mention>) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => walk(group.stream(), names, found),
                TokenTree::Ident(ident) if names.iter().any(|name| ident == name) => {
                    let line = ident.span().start().line;
                    found.push(Mention { name: ident.to_string(), line });
                }
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    walk(file.text.parse().unwrap_or_default(), names, &mut found);
    found
}

/// What the rules need to know of one parsed file; lines count from 1.
#[derive(Default)]
struct Source {
    functions: Vec<(String, RangeInclusive<usize>)>,
    /// Items under `#[cfg(test)]`; the rules for code do not reach into them.
    tests: Vec<RangeInclusive<usize>>,
    globs: Vec<usize>,
    unfinished: Vec<usize>,
}

impl Source {
    fn parse(file: &File) -> syn::Result<Self> {
        let mut source = Self::default();
        source.visit_file(&syn::parse_file(&file.text)?);
        Ok(source)
    }

    fn function(&mut self, signature: &syn::Signature, whole: Span) {
        let lines = signature.span().start().line..=whole.end().line;
        self.functions.push((signature.ident.to_string(), lines));
    }
}

impl<'ast> Visit<'ast> for Source {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.attrs.iter().any(is_cfg_test) {
            let span = item.span();
            self.tests.push(span.start().line..=span.end().line);
            // Its functions still have a size.
            let mut inner = Self::default();
            visit::visit_item_mod(&mut inner, item);
            self.functions.append(&mut inner.functions);
            self.unfinished.append(&mut inner.unfinished);
        } else {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, item.span());
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, item.span());
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.function(&item.sig, item.span());
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_use_glob(&mut self, glob: &'ast syn::UseGlob) {
        self.globs.push(glob.span().start().line);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if ["todo", "unimplemented"].iter().any(|name| call.path.is_ident(name)) {
            self.unfinished.push(call.span().start().line);
        }
    }
}

fn is_cfg_test(attribute: &syn::Attribute) -> bool {
    let test = attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"));
    attribute.path().is_ident("cfg") && test
}

#[cfg(test)]
#[path = "rust_tests.rs"]
mod tests;
