//! Resource patterns: segments between slashes, `*` for one of them, `**` for any number.
//!
//! Matching, containment and intersection. There are no wildcards inside a segment, so all three
//! are decided by looking at whole segments; what cannot be proved is answered with no.
//!
//! A slash at the end makes no difference: many servers serve `/v1/keys/` as `/v1/keys`, and a line
//! that forbids one would otherwise be slipped by the other.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

/// More segments than this, and a pattern or a resource is refused.
pub const MAX_SEGMENTS: usize = 48;
/// More `**` than this in one pattern, and it is refused: it bounds matching and intersection.
pub const MAX_ANY: usize = 3;
const MAX_BYTES: usize = 2_048;
const MAX_STEPS: usize = 20_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Segment<'a> {
    Literal(&'a str),
    One,
    Any,
}

/// A pattern over resources such as `/v1/invoices/*` or `refs/heads/agent/**`, in canonical form.
///
/// Held as its text, which is a fifth of what its segments would take.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(Box<str>);

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// A wildcard shares its segment with something else.
    #[error(
        "`{0}` mixes a wildcard with text in one segment: `*` and `**` stand alone between slashes"
    )]
    InnerWildcard(String),
    /// A segment in the middle is empty.
    #[error("`{0}` holds an empty segment: write one slash, not two")]
    EmptySegment(String),
    /// Characters that cannot stand in a resource.
    #[error("`{0}` holds a space, a control character or a non-ASCII character")]
    Character(String),
    /// Too long, or too many segments or wildcards.
    #[error(
        "`{0}` is too large: at most {MAX_BYTES} bytes, {MAX_SEGMENTS} segments and {MAX_ANY} `**`"
    )]
    TooLarge(String),
}

impl Pattern {
    /// Reads a pattern; the empty text is no pattern.
    pub fn parse(text: &str) -> Result<Self, BadPattern> {
        let shown = || text.chars().take(120).collect::<String>();
        if text.len() > MAX_BYTES {
            return Err(BadPattern::TooLarge(shown()));
        }
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BadPattern::Character(shown()));
        }
        let last = text.split('/').count() - 1;
        let mut segments = Vec::new();
        for (place, part) in text.split('/').enumerate() {
            segments.push(match part {
                "*" => Segment::One,
                "**" => Segment::Any,
                "" if place != 0 && place != last => return Err(BadPattern::EmptySegment(shown())),
                literal if literal.contains('*') => return Err(BadPattern::InnerWildcard(shown())),
                literal => Segment::Literal(literal),
            });
        }
        if segments.len() > 2 && segments.last() == Some(&Segment::Literal("")) {
            segments.pop();
        }
        let pattern = Self::of(&segments);
        pattern.require_bounds().map_err(|_| BadPattern::TooLarge(shown()))?;
        Ok(pattern)
    }

    /// The pattern that only `resource` matches. Fails as [`Pattern::parse`] does.
    pub fn exactly(resource: &str) -> Result<Self, BadPattern> {
        if resource.split('/').any(|part| part.contains('*')) {
            return Err(BadPattern::InnerWildcard(resource.chars().take(120).collect()));
        }
        Self::parse(resource)
    }

    /// Whether `resource`, split at its slashes, is in the language of this pattern.
    ///
    /// Remembers only the last `**`, so the time is at most segments × pattern.
    pub fn matches(&self, resource: &str) -> bool {
        self.matches_by(resource, |mine, theirs| mine == theirs)
    }

    /// As [`Pattern::matches`], taking upper and lower case of ASCII letters for the same.
    pub fn matches_any_case(&self, resource: &str) -> bool {
        self.matches_by(resource, str::eq_ignore_ascii_case)
    }

    fn matches_by(&self, resource: &str, same: fn(&str, &str) -> bool) -> bool {
        let slashes = resource.bytes().filter(|byte| *byte == b'/').count();
        // `/` alone is the root, not a slash at the end.
        let (resource, slashes) = match resource.strip_suffix('/') {
            Some(rest) if slashes > 1 => (rest, slashes - 1),
            _ => (resource, slashes),
        };
        slashes < MAX_SEGMENTS
            && greedy(self.segments(), resource.split('/'), |one, part| match one {
                Segment::Literal(text) => same(text, part),
                Segment::One => true,
                Segment::Any => false,
            })
    }

    /// Whether every resource that matches `other` is proved to match this pattern too.
    pub fn contains(&self, other: &Self) -> bool {
        greedy(self.segments(), other.segments(), |mine, theirs| match (mine, theirs) {
            (Segment::Literal(mine), Segment::Literal(theirs)) => mine == *theirs,
            (Segment::One, Segment::Literal(_) | Segment::One) => true,
            // Only a `**` of ours can stand for a `**` of theirs.
            _ => false,
        })
    }

    /// The patterns whose union is exactly what both match; empty if nothing does.
    ///
    /// One of them may be larger than a pattern may be, as [`Pattern::require_bounds`] says: it
    /// matters only if no other line covers it. Fails with [`BadPattern::TooLarge`] where there are
    /// too many ways to overlap; the caller must then refuse, never drop a part.
    pub fn intersect(&self, other: &Self) -> Result<Vec<Self>, BadPattern> {
        self.intersect_by(other, |mine, theirs| mine == theirs)
    }

    /// The patterns within this one that match, in any case, all that this one matches and `other`
    /// matches in any case. Fails as [`Pattern::intersect`] does.
    pub fn intersect_any_case(&self, other: &Self) -> Result<Vec<Self>, BadPattern> {
        self.intersect_by(other, str::eq_ignore_ascii_case)
    }

    fn intersect_by<'a>(
        &'a self,
        other: &'a Self,
        same: fn(&str, &str) -> bool,
    ) -> Result<Vec<Self>, BadPattern> {
        let (prefix, found) = (Vec::new(), Vec::new());
        let mut meeting = Meeting { same, prefix, found, steps_left: MAX_STEPS };
        let segments = |pattern: &'a Self| pattern.segments().collect::<Vec<_>>();
        meeting.walk(&segments(self), &segments(other));
        let mut found = meeting.found;
        if meeting.steps_left == 0 {
            return Err(BadPattern::TooLarge(format!("{self}` and `{other}")));
        }
        found.sort();
        found.dedup();
        let covered =
            |pattern: &Self| found.iter().any(|wider| wider != pattern && wider.contains(pattern));
        Ok(found.iter().filter(|pattern| !covered(pattern)).cloned().collect())
    }

    /// Fails with [`BadPattern::TooLarge`] if it has more segments or `**` than a pattern may.
    pub fn require_bounds(&self) -> Result<(), BadPattern> {
        if self.is_within_bounds() { Ok(()) } else { Err(BadPattern::TooLarge(self.to_string())) }
    }

    fn is_within_bounds(&self) -> bool {
        let any = self.segments().filter(|segment| *segment == Segment::Any).count();
        self.segments().count() <= MAX_SEGMENTS && any <= MAX_ANY
    }

    // At least one of them, as no text is empty.
    fn of(segments: &[Segment<'_>]) -> Self {
        let words: Vec<&str> = canonical(segments).into_iter().map(Segment::word).collect();
        Self(words.join("/").into())
    }

    fn segments(&self) -> impl Iterator<Item = Segment<'_>> + Clone {
        self.0.split('/').map(|word| match word {
            "*" => Segment::One,
            "**" => Segment::Any,
            literal => Segment::Literal(literal),
        })
    }
}

impl<'a> Segment<'a> {
    fn word(self) -> &'a str {
        match self {
            Self::Literal(text) => text,
            Self::One => "*",
            Self::Any => "**",
        }
    }
}

// By their segments, where a wildcard comes after every literal.
impl Ord for Pattern {
    fn cmp(&self, other: &Self) -> Ordering {
        self.segments().cmp(other.segments())
    }
}

impl PartialOrd for Pattern {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

// Within a run of wildcards only the number of `*` and the presence of `**` count.
fn canonical<'a>(segments: &[Segment<'a>]) -> Vec<Segment<'a>> {
    let mut out = Vec::with_capacity(segments.len());
    let mut any = false;
    for segment in segments.iter().copied() {
        match segment {
            Segment::Any => any = true,
            Segment::One => out.push(Segment::One),
            Segment::Literal(text) => {
                if std::mem::take(&mut any) {
                    out.push(Segment::Any);
                }
                out.push(Segment::Literal(text));
            }
        }
    }
    if any {
        out.push(Segment::Any);
    }
    out
}

// Glob matching with one backtrack point: a later `**` can always take over from an earlier one.
fn greedy<'a, T>(
    mut pattern: impl Iterator<Item = Segment<'a>> + Clone,
    mut subject: impl Iterator<Item = T> + Clone,
    fits: impl Fn(Segment<'a>, &T) -> bool,
) -> bool {
    // What follows the last `**`, and from where it has not been tried.
    let mut retry = None;
    loop {
        let before = subject.clone();
        let Some(item) = subject.next() else { break };
        match pattern.next() {
            Some(Segment::Any) => {
                subject = before;
                retry = Some((pattern.clone(), subject.clone()));
            }
            Some(segment) if fits(segment, &item) => {}
            _ => {
                let Some((after, from)) = &mut retry else { return false };
                from.next();
                (pattern, subject) = (after.clone(), from.clone());
            }
        }
    }
    pattern.all(|segment| segment == Segment::Any)
}

// Walks two patterns at once; every branch consumes a segment of one of them, so it ends.
struct Meeting<'a> {
    // Of two literals that are the same, the left one's spelling is kept.
    same: fn(&str, &str) -> bool,
    prefix: Vec<Segment<'a>>,
    found: Vec<Pattern>,
    steps_left: usize,
}

impl<'a> Meeting<'a> {
    fn walk(&mut self, left: &[Segment<'a>], right: &[Segment<'a>]) {
        if self.steps_left == 0 {
            return;
        }
        self.steps_left -= 1;
        match (left.split_first(), right.split_first()) {
            (None, None) => self.found.push(Pattern::of(&self.prefix)),
            (Some((Segment::Any, rest)), None) => self.walk(rest, right),
            (None, Some((Segment::Any, rest))) => self.walk(left, rest),
            (Some((Segment::Any, left_rest)), Some((Segment::Any, right_rest))) => {
                self.prefix.push(Segment::Any);
                self.walk(left_rest, right);
                self.walk(left, right_rest);
                self.prefix.pop();
            }
            (Some((Segment::Any, rest)), Some((segment, right_rest))) => {
                self.walk(rest, right);
                self.step(*segment, left, right_rest);
            }
            (Some((segment, left_rest)), Some((Segment::Any, rest))) => {
                self.walk(left, rest);
                self.step(*segment, left_rest, right);
            }
            (Some((mine, left_rest)), Some((theirs, right_rest))) => match (mine, theirs) {
                (Segment::Literal(a), Segment::Literal(b)) if !(self.same)(a, b) => {}
                (Segment::Literal(_), _) => self.step(*mine, left_rest, right_rest),
                (_, segment) => self.step(*segment, left_rest, right_rest),
            },
            (Some(_), None) | (None, Some(_)) => {}
        }
    }

    fn step(&mut self, segment: Segment<'a>, left: &[Segment<'a>], right: &[Segment<'a>]) {
        self.prefix.push(segment);
        self.walk(left, right);
        self.prefix.pop();
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Pattern {
    type Error = BadPattern;

    fn try_from(text: String) -> Result<Self, BadPattern> {
        Self::parse(&text)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0.into()
    }
}

#[cfg(test)]
#[path = "pattern_tests.rs"]
mod tests;
