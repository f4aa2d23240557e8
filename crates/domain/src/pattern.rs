//! Resource patterns: segments between slashes, `*` for one of them, `**` for any number.
//!
//! Matching, containment and intersection. There are no wildcards inside a segment, so all three
//! are decided by looking at whole segments; what cannot be proved is answered with no.
//!
//! A slash at the end makes no difference: many servers serve `/v1/keys/` as `/v1/keys`, and a line
//! that forbids one would otherwise be slipped by the other.

use std::fmt;

use serde::{Deserialize, Serialize};

/// More segments than this, and a pattern or a resource is refused.
pub const MAX_SEGMENTS: usize = 48;
/// More `**` than this in one pattern, and it is refused: it bounds matching and intersection.
pub const MAX_ANY: usize = 3;
const MAX_BYTES: usize = 2_048;
const MAX_STEPS: usize = 20_000;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Segment {
    Literal(String),
    One,
    Any,
}

/// A pattern over resources such as `/v1/invoices/*` or `refs/heads/agent/**`, in canonical form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(Vec<Segment>);

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
                literal => Segment::Literal(literal.to_owned()),
            });
        }
        if is_slash_at_end(&segments, |last| *last == Segment::Literal(String::new())) {
            segments.pop();
        }
        let pattern = Self(canonical(segments));
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
        let mut parts: Vec<&str> = resource.split('/').collect();
        if is_slash_at_end(&parts, |last| last.is_empty()) {
            parts.pop();
        }
        parts.len() <= MAX_SEGMENTS
            && greedy(&self.0, &parts, |one, part| match one {
                Segment::Literal(text) => same(text, part),
                Segment::One => true,
                Segment::Any => false,
            })
    }

    /// Whether every resource that matches `other` is proved to match this pattern too.
    pub fn contains(&self, other: &Self) -> bool {
        greedy(&self.0, &other.0, |mine, theirs| match (mine, theirs) {
            (Segment::Literal(mine), Segment::Literal(theirs)) => mine == theirs,
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

    fn intersect_by(
        &self,
        other: &Self,
        same: fn(&str, &str) -> bool,
    ) -> Result<Vec<Self>, BadPattern> {
        let (prefix, found) = (Vec::new(), Vec::new());
        let mut meeting = Meeting { same, prefix, found, steps_left: MAX_STEPS };
        meeting.walk(&self.0, &other.0);
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
        let any = self.0.iter().filter(|segment| **segment == Segment::Any).count();
        self.0.len() <= MAX_SEGMENTS && any <= MAX_ANY
    }
}

// `/` alone is the root, not a slash at the end.
fn is_slash_at_end<T>(segments: &[T], is_empty: impl Fn(&T) -> bool) -> bool {
    segments.len() > 2 && segments.last().is_some_and(is_empty)
}

// Within a run of wildcards only the number of `*` and the presence of `**` count.
fn canonical(segments: Vec<Segment>) -> Vec<Segment> {
    let mut out = Vec::with_capacity(segments.len());
    let mut any = false;
    for segment in segments {
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
fn greedy<T>(pattern: &[Segment], subject: &[T], fits: impl Fn(&Segment, &T) -> bool) -> bool {
    let (mut at, mut place) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while let Some(item) = subject.get(place) {
        match pattern.get(at) {
            Some(Segment::Any) => {
                retry = Some((at + 1, place));
                at += 1;
            }
            Some(segment) if fits(segment, item) => {
                at += 1;
                place += 1;
            }
            _ => match retry {
                Some((after, from)) => {
                    retry = Some((after, from + 1));
                    (at, place) = (after, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|segment| *segment == Segment::Any)
}

// Walks two patterns at once; every branch consumes a segment of one of them, so it ends.
struct Meeting {
    // Of two literals that are the same, the left one's spelling is kept.
    same: fn(&str, &str) -> bool,
    prefix: Vec<Segment>,
    found: Vec<Pattern>,
    steps_left: usize,
}

impl Meeting {
    fn walk(&mut self, left: &[Segment], right: &[Segment]) {
        if self.steps_left == 0 {
            return;
        }
        self.steps_left -= 1;
        match (left.split_first(), right.split_first()) {
            (None, None) => self.found.push(Pattern(canonical(self.prefix.clone()))),
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
                self.step(segment, left, right_rest);
            }
            (Some((segment, left_rest)), Some((Segment::Any, rest))) => {
                self.walk(left, rest);
                self.step(segment, left_rest, right);
            }
            (Some((mine, left_rest)), Some((theirs, right_rest))) => match (mine, theirs) {
                (Segment::Literal(a), Segment::Literal(b)) if !(self.same)(a, b) => {}
                (Segment::Literal(_), _) => self.step(mine, left_rest, right_rest),
                (_, segment) => self.step(segment, left_rest, right_rest),
            },
            (Some(_), None) | (None, Some(_)) => {}
        }
    }

    fn step(&mut self, segment: &Segment, left: &[Segment], right: &[Segment]) {
        self.prefix.push(segment.clone());
        self.walk(left, right);
        self.prefix.pop();
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, segment) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str("/")?;
            }
            f.write_str(match segment {
                Segment::Literal(text) => text,
                Segment::One => "*",
                Segment::Any => "**",
            })?;
        }
        Ok(())
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
        pattern.to_string()
    }
}

#[cfg(test)]
#[path = "pattern_tests.rs"]
mod tests;
