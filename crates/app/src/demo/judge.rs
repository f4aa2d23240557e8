//! The judgement: Marque's log against the hosts' own notes, both ways.
//!
//! A call in one and not in the other, or a credential that was used without an entry, fails it.

use std::collections::BTreeMap;

use marque_domain::{Answer, Decision, Event, LogEntry, Outcome};

/// What both sides together say.
#[derive(Default)]
pub(super) struct Judgement {
    /// Calls that carried the right credential, and were allowed and answered: in both.
    pub(super) agreed: usize,
    /// Calls that were held or refused, and never arrived.
    pub(super) stopped: usize,
    /// What one side says and the other does not.
    pub(super) faults: Vec<String>,
}

/// Holds the entries of one run against every use of a right credential that the hosts noted, each
/// by its effect.
pub(super) fn judge(entries: &[LogEntry], uses: &[String]) -> Judgement {
    let mut judgement = Judgement::default();
    let mut balance: BTreeMap<String, i64> = BTreeMap::new();
    for effect in uses {
        *balance.entry(effect.clone()).or_default() -= 1;
    }
    for decision in entries.iter().filter_map(decided) {
        if decision.answer != Answer::Allowed {
            judgement.stopped += 1;
            continue;
        }
        let operation = &decision.operation;
        let effect = operation.effects().collect::<Vec<_>>().join(", ");
        let happened: Vec<&Outcome> =
            entries.iter().filter_map(|entry| outcome_of(entry, decision)).collect();
        match happened.as_slice() {
            [Outcome::Answered { .. } | Outcome::Cut] => judgement.agreed += 1,
            other => judgement
                .faults
                .push(format!("`{effect}` was allowed, and its outcome is {other:?}")),
        }
        *balance.entry(effect).or_default() += 1;
    }
    for (effect, count) in balance.into_iter().filter(|(_, count)| *count != 0) {
        let (times, who) =
            (count.unsigned_abs(), if count > 0 { "Marque's log" } else { "the host's notes" });
        judgement.faults.push(format!("`{effect}`: {times} times more in {who}"));
    }
    judgement
}

fn decided(entry: &LogEntry) -> Option<&Decision> {
    match &entry.event {
        Event::Decided(decision) => Some(decision),
        _ => None,
    }
}

fn outcome_of<'a>(entry: &'a LogEntry, of: &Decision) -> Option<&'a Outcome> {
    match &entry.event {
        Event::Outcome { decision, result, .. } if *decision == of.id => Some(result),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
