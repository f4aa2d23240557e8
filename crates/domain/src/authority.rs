//! Authority: what is allowed, what needs a human, and what is never done; and how it narrows.
//!
//! [`narrow`] is the only function that combines ceilings. Its result is never wider than any of
//! its inputs; property tests hold it to that.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::pattern::BadPattern;
use crate::permission::{Access, Permission};
use crate::sorted::Sorted;

/// More lines than this, and an authority is refused.
pub const MAX_LINES: usize = 1_024;

/// A set of permissions in three parts. `never` beats `ask`, and `ask` beats `allow`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authority {
    /// Goes on without a human.
    pub allow: Sorted<Permission>,
    /// Goes on with one human's approval of exactly this operation.
    pub ask: Sorted<Permission>,
    /// Refused, whatever else is said.
    pub never: Sorted<Permission>,
}

/// What an authority says of one access, from narrowest to widest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach<'a> {
    /// A line forbids it.
    Never(&'a Permission),
    /// No line speaks of it.
    Nothing,
    /// A line holds it for a human.
    Ask(&'a Permission),
    /// A line allows it.
    Allow(&'a Permission),
}

/// Two authorities cannot be combined exactly within bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TooComplex {
    /// A pair of patterns overlaps in too many ways.
    #[error("two permissions overlap in too many ways to combine: {0}; use fewer `**`")]
    Pattern(#[from] BadPattern),
    /// Too many lines.
    #[error(
        "combining the permissions gives more than {MAX_LINES} lines; use fewer and wider lines"
    )]
    Lines,
}

impl Reach<'_> {
    /// Where this stands between forbidden and allowed: 0 never, 1 nothing, 2 ask, 3 allow.
    pub fn width(&self) -> u8 {
        match self {
            Self::Never(_) => 0,
            Self::Nothing => 1,
            Self::Ask(_) => 2,
            Self::Allow(_) => 3,
        }
    }
}

impl Authority {
    /// What this authority says of `access`.
    pub fn rule(&self, access: &Access<'_>) -> Reach<'_> {
        let given = |set: &Sorted<Permission>| set.iter().any(|line| line.matches(access));
        match self.restraint(access) {
            Reach::Ask(line) if given(&self.ask) || given(&self.allow) => Reach::Ask(line),
            Reach::Nothing => {
                let allowing = self.allow.iter().find(|line| line.matches(access));
                allowing.map_or(Reach::Nothing, Reach::Allow)
            }
            Reach::Never(line) => Reach::Never(line),
            Reach::Ask(_) | Reach::Allow(_) => Reach::Nothing,
        }
    }

    /// What this authority takes away from `access`, whatever else allows it: a line that forbids
    /// or asks, or nothing.
    pub fn restraint(&self, access: &Access<'_>) -> Reach<'_> {
        if let Some(line) = self.never.iter().find(|line| line.touches(access)) {
            return Reach::Never(line);
        }
        // Of the lines that ask, the one people wrote for this spelling is named first.
        let exact = self.ask.iter().find(|line| line.matches(access));
        let asking = exact.or_else(|| self.ask.iter().find(|line| line.touches(access)));
        asking.map_or(Reach::Nothing, Reach::Ask)
    }

    /// The authority of several grants of one agent together. What one of them asks for or forbids
    /// stays asked for or forbidden.
    #[must_use]
    pub fn together<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        let parts: Vec<&Self> = parts.into_iter().collect();
        // One alone goes on sharing its lines.
        if let [only] = parts[..] {
            return only.clone();
        }
        let all = |of: fn(&Self) -> &Sorted<Permission>| {
            parts.iter().flat_map(|part| of(part)).cloned().collect()
        };
        Self {
            allow: all(|part| &part.allow),
            ask: all(|part| &part.ask),
            never: all(|part| &part.never),
        }
    }

    /// How many lines it has.
    pub fn len(&self) -> usize {
        self.allow.len() + self.ask.len() + self.never.len()
    }

    /// Whether it allows and asks for nothing at all.
    pub fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.ask.is_empty()
    }

    /// The same authority with every line left out that another one makes superfluous.
    #[must_use]
    pub fn normal(&self) -> Self {
        let covered = |set: &Sorted<Permission>, line: &Permission| {
            set.iter().any(|wider| wider.contains(line))
        };
        let never = minimal(&self.never);
        let ask = minimal(&self.ask).where_holds(|line| !covered(&never, line));
        let allow =
            minimal(&self.allow).where_holds(|line| !covered(&never, line) && !covered(&ask, line));
        Self { allow, ask, never }
    }
}

/// What both authorities agree to: for every access the narrower of the two answers.
///
/// The order of its arguments does not matter, and done twice it changes nothing more. Fails rather
/// than drop a line.
pub fn narrow(left: &Authority, right: &Authority) -> Result<Authority, TooComplex> {
    let never = left.never.iter().chain(&right.never).cloned().collect();
    let mut ask = pairwise(&left.ask, &right.ask)?;
    ask.append(&mut pairwise(&left.ask, &right.allow)?);
    ask.append(&mut pairwise(&left.allow, &right.ask)?);
    let allow = pairwise(&left.allow, &right.allow)?;
    // A line that asks for one spelling also asks for the others that both sides allow.
    let both_ask: BTreeSet<&Permission> = left.ask.iter().chain(&right.ask).collect();
    for (line, asking) in
        allow.iter().flat_map(|line| both_ask.iter().map(move |asking| (line, *asking)))
    {
        ask.extend(line.touched_by(asking)?);
        if ask.len() > MAX_LINES * 4 {
            return Err(TooComplex::Lines);
        }
    }
    let (allow, ask) = (allow.into_iter().collect(), ask.into_iter().collect());
    let narrowed = Authority { allow, ask, never }.normal();
    if narrowed.len() > MAX_LINES {
        return Err(TooComplex::Lines);
    }
    // What another line covers was left out, so only now does it matter how large one is.
    narrowed.allow.iter().chain(&narrowed.ask).try_for_each(Permission::require_bounds)?;
    // Most runs may do all that their grant says, and most children all that their parent may.
    Ok(Authority {
        allow: shared(narrowed.allow, [&left.allow, &right.allow]),
        ask: shared(narrowed.ask, [&left.ask, &right.ask]),
        never: shared(narrowed.never, [&left.never, &right.never]),
    })
}

/// The lines of `wanted` that `ceiling` does not fully cover, as far as can be proved. Empty means
/// that narrowing `wanted` by `ceiling` loses nothing but turns an allow into an ask.
pub fn beyond<'a>(wanted: &'a Authority, ceiling: &Authority) -> Vec<&'a Permission> {
    let covered = |line: &Permission| {
        ceiling.allow.iter().chain(&ceiling.ask).any(|wider| wider.contains(line))
            && !ceiling.never.iter().any(|never| never.contains(line))
    };
    wanted.allow.iter().chain(&wanted.ask).filter(|line| !covered(line)).collect()
}

// One of the known sets if it is the same, so that memory holds it once.
fn shared(lines: Sorted<Permission>, known: [&Sorted<Permission>; 2]) -> Sorted<Permission> {
    let is_same = |set: &&Sorted<Permission>| {
        set.len() == lines.len() && set.iter().zip(&lines).all(|(one, other)| one.is_same(other))
    };
    known.into_iter().find(is_same).cloned().unwrap_or(lines)
}

fn pairwise(
    left: &Sorted<Permission>,
    right: &Sorted<Permission>,
) -> Result<BTreeSet<Permission>, TooComplex> {
    let mut both = BTreeSet::new();
    for (mine, theirs) in
        left.iter().flat_map(|mine| right.iter().map(move |theirs| (mine, theirs)))
    {
        both.extend(mine.intersect(theirs)?);
        if both.len() > MAX_LINES * 4 {
            return Err(TooComplex::Lines);
        }
    }
    Ok(both)
}

fn minimal(set: &Sorted<Permission>) -> Sorted<Permission> {
    // Of two lines that cover each other the first in order stays.
    let covered = |line: &Permission| {
        set.iter().any(|wider| {
            wider != line && wider.contains(line) && (wider < line || !line.contains(wider))
        })
    };
    set.where_holds(|line| !covered(line))
}

#[cfg(test)]
#[path = "authority_tests.rs"]
mod tests;
