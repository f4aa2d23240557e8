//! Where spellings of the needles stand in a text.
//!
//! A start is judged by reading on from it, undoing escapes, until no needle goes on like that.
//! Few starts are judged: the tables of the needles rule out the rest. A start is judged without
//! regard to what stands before it, so no stray `%` or `\` hides what follows.

use std::ops::Range;

use memchr::{Memchr2, memchr2_iter};

use super::needles::{Branch, Needles, QUAD_BYTES};
use super::spelling::{DEPTH_MAX, is_escape, may_escape, read};

/// What a search came to.
pub(super) struct Findings {
    /// What must be redacted, in order, none touching the inside of another.
    pub(super) spans: Vec<Range<usize>>,
    /// How many of them were not known before.
    pub(super) found: usize,
    /// From here on the text may be the beginning of a spelling; its length where nothing is.
    pub(super) open_from: usize,
}

/// What is known of one start.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No spelling begins here.
    Clean,
    /// One does, and ends there.
    Spelled { end: usize },
    /// The text ends before it is known.
    Open,
}

/// Searches a text of which the first `redacted` bytes belong to what was found before.
///
/// Where the text goes on (`!is_last`), it stops at the first start that is still open.
pub(super) fn search(needles: &Needles, text: &[u8], redacted: usize, is_last: bool) -> Findings {
    let mut spans: Vec<Range<usize>> = Vec::new();
    if redacted > 0 {
        spans.push(0..redacted);
    }
    let known = spans.len();
    let mut open_from = text.len();
    let mut judge = Judge::new(needles, text, is_last);
    let mut judged = 0;
    // At the end of the text a spelling may begin with less in sight than the tables need.
    let end = text.len().saturating_sub(1);
    'suspects: for suspect in Suspects::new(needles, text).chain([end]) {
        let first = judged.max((suspect + 1).saturating_sub(needles.window()));
        for start in first..=suspect {
            if is_clean(needles, text, start) {
                continue;
            }
            match judge.verdict(start) {
                Verdict::Clean => {}
                Verdict::Spelled { end } => match spans.last_mut() {
                    Some(last) if start < last.end => last.end = last.end.max(end),
                    _ => spans.push(start..end),
                },
                Verdict::Open => {
                    open_from = start;
                    break 'suspects;
                }
            }
        }
        judged = suspect + 1;
    }
    let found = spans.len() - known;
    Findings { spans, found, open_from }
}

/// Whether a glance tells that no spelling begins here.
fn is_clean(needles: &Needles, text: &[u8], start: usize) -> bool {
    let Some(rest) = text.get(start..) else { return true };
    let Some(first) = rest.first() else { return true };
    if !needles.begin_with(*first) && !is_escape(*first) {
        return true;
    }
    let quad = rest.first_chunk();
    quad.is_some_and(|quad| !needles.may_hold(*quad) && !quad.iter().copied().any(is_escape))
}

/// Reads a text in every way it may be meant.
pub(super) struct Judge<'a> {
    needles: &'a Needles,
    text: &'a [u8],
    is_last: bool,
    /// What the text was read as so far, and where each reading goes on.
    readings: Vec<(Branch, usize)>,
    next: Vec<(Branch, usize)>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(needles: &'a Needles, text: &'a [u8], is_last: bool) -> Self {
        Self { needles, text, is_last, readings: Vec::new(), next: Vec::new() }
    }

    /// Reads on from `start` until no needle goes on like that.
    pub(super) fn verdict(&mut self, start: usize) -> Verdict {
        let (needles, text) = (self.needles, self.text);
        let mut longest = None;
        let mut is_open = false;
        let mut branch = Some(needles.root());
        let mut at = start;
        // Most readings end before the first escape: until then there is but one.
        while let (Some(from), Some(byte)) = (branch, text.get(at))
            && !is_escape(*byte)
        {
            at += 1;
            branch = needles.step(from, *byte);
            if branch.is_some_and(|branch| needles.is_whole(branch)) {
                longest = Some(at);
            }
            branch = branch.filter(|branch| needles.go_on(*branch));
        }
        self.readings.clear();
        self.readings.extend(branch.map(|branch| (branch, at)));
        while !self.readings.is_empty() {
            for (branch, at) in self.readings.drain(..) {
                for depth in 0..=DEPTH_MAX {
                    let Ok(character) = read(text, at, depth) else {
                        is_open = true;
                        break;
                    };
                    if let Some(branch) = follow(needles, branch, character.bytes()) {
                        if needles.is_whole(branch) {
                            longest = longest.max(Some(character.end));
                        }
                        // Two readings may come to the same: `\` is one, and so is `\\`.
                        let reading = (branch, character.end);
                        if needles.go_on(branch) && !self.next.contains(&reading) {
                            self.next.push(reading);
                        }
                    }
                    if !character.may_escape() {
                        break;
                    }
                }
            }
            std::mem::swap(&mut self.readings, &mut self.next);
        }
        match longest {
            _ if is_open && !self.is_last => Verdict::Open,
            Some(end) => Verdict::Spelled { end },
            None => Verdict::Clean,
        }
    }
}

fn follow(needles: &Needles, branch: Branch, bytes: &[u8]) -> Option<Branch> {
    bytes.iter().try_fold(branch, |branch, byte| needles.step(branch, *byte))
}

/// Positions near which a spelling may begin, in order.
///
/// INVARIANT: of the first `window` characters of a spelling either one is escaped, or all are
/// bytes of the text, and then one of every `window - 3` positions in a row begins four bytes that
/// the tables know. Either way a suspect stands less than `window` bytes after its start.
struct Suspects<'a> {
    needles: &'a Needles,
    text: &'a [u8],
    stride: usize,
    quad: Option<usize>,
    escapes: Memchr2<'a>,
    escape: Option<usize>,
}

impl<'a> Suspects<'a> {
    fn new(needles: &'a Needles, text: &'a [u8]) -> Self {
        let stride = (needles.window() + 1).saturating_sub(QUAD_BYTES).max(1);
        let escapes = memchr2_iter(b'%', b'\\', text);
        let mut suspects = Self { needles, text, stride, quad: None, escapes, escape: None };
        suspects.quad = suspects.quad_from(0);
        suspects.escape = suspects.next_escape();
        suspects
    }

    fn quad_from(&self, mut at: usize) -> Option<usize> {
        loop {
            let quad = self.text.get(at..)?.first_chunk()?;
            if self.needles.may_hold(*quad) {
                return Some(at);
            }
            at += self.stride;
        }
    }

    fn next_escape(&mut self) -> Option<usize> {
        let (needles, text) = (self.needles, self.text);
        self.escapes.find(|at| may_matter(needles, text, *at))
    }
}

impl Iterator for Suspects<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        match (self.quad, self.escape) {
            (Some(quad), escape) if escape.is_none_or(|escape| quad <= escape) => {
                self.quad = self.quad_from(quad + self.stride);
                Some(quad)
            }
            (_, escape) => {
                self.escape = self.next_escape();
                escape
            }
        }
    }
}

/// Whether there is an escape, and of something that a needle has among its first characters.
fn may_matter(needles: &Needles, text: &[u8], at: usize) -> bool {
    // In bytes that look random most signs escape nothing, and reading on costs much more.
    if let Some([sign, next]) = text.get(at..).and_then(<[u8]>::first_chunk)
        && !may_escape(*sign, *next)
    {
        return false;
    }
    for depth in 1..=DEPTH_MAX {
        let Ok(character) = read(text, at, depth) else { return true };
        let first = character.bytes().first();
        if character.end > at + 1 && first.is_some_and(|byte| needles.hold_early(*byte)) {
            return true;
        }
        if !character.may_escape() {
            break;
        }
    }
    false
}
