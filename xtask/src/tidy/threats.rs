//! The numbered attacks: each that can be tried today is named by a test, and the page says where.

use std::ops::RangeInclusive;

use super::tree::{File, Finding, Tree};

const PAGE: &str = "docs/security/threats.md";
/// The groups of which no number may be missing: gateway, git, log, vault, load, privilege, kill.
const GROUPS: [RangeInclusive<u16>; 7] =
    [72..=100, 116..=125, 136..=147, 148..=158, 159..=164, 165..=168, 178..=182];
/// How the last cell begins of what nothing can try yet.
const NOT_YET: &str = "Not yet: ";
/// Shorter than this is no reason.
const REASON_MIN: usize = 40;

/// A row of the page: the numbers of its first cell, and its last cell.
struct Row<'a> {
    line: usize,
    numbers: Vec<u16>,
    last: &'a str,
}

/// Every number of the groups has a row of its own, which names tests that are there and name it,
/// or says why there can be none yet. Numbers of other groups are named by some test.
pub(super) fn threats(tree: &Tree) -> Vec<Finding> {
    let Some(page) = tree.file(PAGE) else { return Vec::new() };
    let rows: Vec<Row<'_>> = page.lines().filter_map(row).collect();
    let mut findings = Vec::new();
    for number in GROUPS.into_iter().flatten() {
        if !rows.iter().any(|row| row.numbers == [number]) {
            let message = format!(
                "threat {number} has no row: say where it is tested, or `{NOT_YET}` and why"
            );
            findings.push(page.finding(0, message));
        }
    }
    for row in &rows {
        let wrong = match row.numbers.as_slice() {
            [number] if is_grouped(*number) => judge(tree, *number, row.last),
            numbers => unnamed(tree, numbers),
        };
        findings.extend(wrong.into_iter().map(|message| page.finding(row.line, message)));
    }
    findings
}

fn row((line, text): (usize, &str)) -> Option<Row<'_>> {
    let cells = text.strip_prefix('|')?.strip_suffix('|')?;
    let (first, last) = (cells.split('|').next()?, cells.rsplit('|').next()?.trim());
    let numbers: Vec<u16> = numbers(first).filter_map(|digits| digits.parse().ok()).collect();
    (!numbers.is_empty()).then_some(Row { line, numbers, last })
}

fn is_grouped(number: u16) -> bool {
    GROUPS.iter().any(|group| group.contains(&number))
}

/// What is wrong with where a number is said to be tested.
fn judge(tree: &Tree, number: u16, told: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut file: Option<&File> = None;
    for word in told.split('`').skip(1).step_by(2) {
        if word.starts_with("crates/") {
            file = tree.file(word);
            match file {
                None => wrong.push(format!("threat {number}: there is no `{word}`")),
                Some(file) if !names(file, number) => {
                    wrong.push(format!("no test in `{word}` names threat {number}"));
                }
                Some(_) => {}
            }
            continue;
        }
        let is_there = |file: &File| !is_name(word) || file.text.contains(&format!("fn {word}("));
        if let Some(file) = file.filter(|file| !is_there(file)) {
            wrong.push(format!("threat {number}: `{}` has no test `{word}`", file.path));
        }
    }
    let is_reason = told.strip_prefix(NOT_YET).is_some_and(|why| why.len() >= REASON_MIN);
    if file.is_none() && wrong.is_empty() && !is_reason {
        wrong.push(format!("threat {number}: neither a test nor `{NOT_YET}` and a reason"));
    }
    wrong
}

/// Whether a word is the name of a test.
fn is_name(word: &str) -> bool {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    word.contains('_') && word.chars().all(is_part)
}

fn unnamed(tree: &Tree, numbers: &[u16]) -> Vec<String> {
    let is_named = |number: u16| tree.with_extension("rs").any(|file| names(file, number));
    let unnamed = numbers.iter().filter(|number| !is_named(**number));
    unnamed.map(|number| format!("no test names threat {number}")).collect()
}

/// Whether a file with tests says `threat 72`, in whatever words around it.
fn names(file: &File, wanted: u16) -> bool {
    let is_ours = !file.path.starts_with("xtask/");
    let has_tests = is_ours && (file.is_test() || file.text.contains("test]"));
    let mut lines = file.text.lines().filter(|line| line.contains("threat"));
    let says = |line: &str| numbers(line).any(|digits| digits.parse() == Ok(wanted));
    has_tests && lines.any(says)
}

fn numbers(text: &str) -> impl Iterator<Item = &str> {
    let digits = text.split(|letter: char| !letter.is_ascii_digit());
    digits.filter(|digits| !digits.is_empty())
}

#[cfg(test)]
#[path = "threats_tests.rs"]
mod tests;
