//! The plain model: maps that are filled from the log, entry by entry, and know nothing of the
//! plane's own world.
//!
//! What it was told by an answer is compared with it by the steps; what an entry may not say after
//! the entries before it is refused here.

use std::collections::BTreeMap;

use marque_domain::event::{Change, RunOpened};
use marque_domain::{
    Answer, Approval, Decision, Digest, Event, Id, LogEntry, Outcome, Run, Timestamp, Verb,
};
use marque_store::StoredEntry;

/// What is wrong.
pub(super) type Wrong = String;

#[derive(Default)]
pub(super) struct Model {
    /// The leaves of everything that was ever seen in the log.
    pub(super) leaves: Vec<Digest>,
    pub(super) runs: BTreeMap<Id<Run>, Ran>,
    pub(super) grants: BTreeMap<String, Given>,
    pub(super) agents: BTreeMap<String, Limited>,
    pub(super) acts: BTreeMap<Id<Decision>, Act>,
    pub(super) questions: BTreeMap<Id<Approval>, Question>,
    /// The connection that serves, by name.
    pub(super) connection: Option<String>,
    /// How many credentials were sealed, one after the other.
    pub(super) sealed: u64,
}

pub(super) struct Ran {
    /// Runs and agents above it, and itself: the outermost first.
    pub(super) chain: Vec<(Id<Run>, String)>,
    pub(super) allow: String,
    pub(super) ask: String,
    pub(super) expires_at: Timestamp,
    /// Over, by the log.
    pub(super) is_closed: bool,
    /// Meant by a kill that is on record, open or not.
    pub(super) is_killed: bool,
    pub(super) calls: u64,
    /// Told when it was opened; the log does not say.
    pub(super) calls_limit: Option<u64>,
    pub(super) bytes: u64,
    pub(super) bytes_limit: Option<u64>,
}

pub(super) struct Given {
    pub(super) agent: String,
    pub(super) allow: String,
    pub(super) ask: String,
    pub(super) until: Timestamp,
    pub(super) is_revoked: bool,
}

#[derive(Default)]
pub(super) struct Limited {
    pub(super) name: String,
    pub(super) is_suspended: bool,
    pub(super) calls_a_day: Option<u64>,
    /// The last day it did anything, and how much.
    pub(super) day: (u64, u64),
}

pub(super) struct Act {
    pub(super) index: u64,
    pub(super) run: Id<Run>,
    pub(super) outcome: Option<Outcome>,
}

pub(super) struct Question {
    pub(super) run: Id<Run>,
    pub(super) digest: Digest,
    pub(super) path: String,
    pub(super) until: Timestamp,
    pub(super) is_given: bool,
    pub(super) is_over: bool,
}

impl Model {
    /// The next entry of the log.
    pub(super) fn absorb(&mut self, stored: &StoredEntry) -> Result<LogEntry, Wrong> {
        let expected = self.leaves.len() as u64;
        if stored.index != expected {
            return Err(format!("entry {} stands where {expected} should", stored.index));
        }
        if marque_tlog::leaf_hash(&stored.bytes) != stored.leaf {
            return Err(format!("the leaf of entry {expected} is not of its bytes"));
        }
        let entry = stored.entry().map_err(|error| error.to_string())?;
        self.leaves.push(stored.leaf);
        self.happened(&entry).map_err(|wrong| format!("entry {}: {wrong}", entry.index))?;
        Ok(entry)
    }

    fn happened(&mut self, entry: &LogEntry) -> Result<(), Wrong> {
        match &entry.event {
            Event::Changed(change) => self.changed(change),
            Event::RunOpened(opened) => self.opened(opened),
            Event::RunClosed { run, .. } => self.closed(*run),
            Event::Decided(decision) => self.decided(entry, decision),
            Event::Outcome { decision, result, sent_bytes, received_bytes, .. } => {
                self.ended(*decision, result, sent_bytes + received_bytes)
            }
            Event::Started { unknown_outcomes, .. } => {
                let open = self.acts.values().filter(|act| act.outcome.is_none()).count() as u64;
                must(open == *unknown_outcomes, || {
                    format!("the start found {unknown_outcomes} open intents, the log has {open}")
                })
            }
            _ => Ok(()),
        }
    }

    fn changed(&mut self, change: &Change) -> Result<(), Wrong> {
        let id = change.fact.as_ref().map(|fact| fact.id.clone()).unwrap_or_default();
        let detail = |name: &str| change.details.get(name).cloned().unwrap_or_default();
        match change.verb {
            Verb::AgentAdded => {
                self.agents
                    .insert(id, Limited { name: change.label.clone(), ..Limited::default() });
            }
            Verb::AgentSuspended => self.agent(&id)?.is_suspended = true,
            Verb::AgentResumed => self.agent(&id)?.is_suspended = false,
            Verb::AgentLimited => {
                let words = detail("limits");
                let calls = words.split("; ").find_map(|limit| limit.strip_suffix(" calls a day"));
                self.agent(&id)?.calls_a_day = calls.and_then(|calls| calls.parse().ok());
            }
            Verb::GrantAdded => {
                let agent = self.agents.iter().find(|(_, agent)| agent.name == change.label);
                let agent = agent.map(|(id, _)| id.clone()).ok_or("a grant for nobody")?;
                let until = detail("until").parse().map_err(|_| "a grant without an end")?;
                let (allow, ask) = (detail("allow"), detail("ask"));
                self.grants.insert(id, Given { agent, allow, ask, until, is_revoked: false });
            }
            Verb::GrantRevoked => {
                let grant = self.grants.get_mut(&id).ok_or("a grant that was not given")?;
                must(!grant.is_revoked, || "it was revoked before".to_owned())?;
                grant.is_revoked = true;
            }
            Verb::ConnectionAdded => {
                self.connection = Some(change.label.clone());
                self.sealed += 1;
            }
            Verb::ConnectionRotated => self.sealed += 1,
            Verb::ConnectionRemoved => self.connection = None,
            Verb::ApprovalGiven | Verb::ApprovalDeclined => {
                let id: Id<Approval> = id.parse().map_err(|_| "an answer to no question")?;
                let question = self.questions.get_mut(&id).ok_or("an answer to no question")?;
                let is_open = !question.is_given && !question.is_over;
                must(is_open, || format!("{id} was answered before"))?;
                question.is_given = change.verb == Verb::ApprovalGiven;
                question.is_over = !question.is_given;
            }
            Verb::Killed => self.killed(&change.label),
            _ => {}
        }
        Ok(())
    }

    fn agent(&mut self, id: &str) -> Result<&mut Limited, Wrong> {
        self.agents.get_mut(id).ok_or_else(|| format!("nobody registered {id}"))
    }

    fn killed(&mut self, label: &str) {
        let agent = label.strip_prefix("agent ").and_then(|name| {
            self.agents.iter().find(|(_, agent)| agent.name == name).map(|(id, _)| id.clone())
        });
        let run: Option<Id<Run>> = label.parse().ok();
        for ran in self.runs.values_mut() {
            let is_meant = label == "all"
                || ran
                    .chain
                    .iter()
                    .any(|(above, by)| Some(*above) == run || Some(by) == agent.as_ref());
            ran.is_killed |= is_meant;
        }
    }

    fn opened(&mut self, opened: &RunOpened) -> Result<(), Wrong> {
        let chain: Vec<_> =
            opened.chain.actors.iter().map(|actor| (actor.run, actor.agent.to_string())).collect();
        if let Some(parent) = opened.parent {
            let above = self.runs.get(&parent).ok_or("a child of no run")?;
            must(!above.is_closed && !above.is_killed, || {
                "a child of a run that is over".to_owned()
            })?;
            must(opened.expires_at <= above.expires_at, || {
                "a child outlives its parent".to_owned()
            })?;
            let narrower = opened.allow.iter().all(|line| above.allow.contains(line.as_str()));
            must(narrower, || "a child may do what its parent may not".to_owned())?;
        }
        let ran = Ran {
            chain,
            allow: opened.allow.join("; "),
            ask: opened.ask.join("; "),
            expires_at: opened.expires_at,
            is_closed: false,
            is_killed: false,
            calls: 0,
            calls_limit: None,
            bytes: 0,
            bytes_limit: None,
        };
        must(self.runs.insert(opened.run, ran).is_none(), || "a run was opened twice".to_owned())
    }

    fn closed(&mut self, run: Id<Run>) -> Result<(), Wrong> {
        let ran = self.runs.get_mut(&run).ok_or("a run was closed that was never opened")?;
        must(!ran.is_closed, || format!("run {run} was closed twice"))?;
        ran.is_closed = true;
        Ok(())
    }

    fn decided(&mut self, entry: &LogEntry, decision: &Decision) -> Result<(), Wrong> {
        match &decision.answer {
            Answer::Allowed => self.let_out(entry, decision),
            Answer::Held { .. } => {
                let id = decision.approval.ok_or("a hold without a question")?;
                let run = decision.actor.as_ref().ok_or("a hold of nobody")?.run;
                let question = Question {
                    run,
                    digest: decision.operation.digest,
                    path: decision.operation.resource.join(" "),
                    until: entry.at.plus(super::APPROVAL_TTL),
                    is_given: false,
                    is_over: false,
                };
                self.questions.entry(id).or_insert(question);
                Ok(())
            }
            Answer::Refused { .. } => Ok(()),
        }
    }

    fn ended(&mut self, of: Id<Decision>, result: &Outcome, bytes: u64) -> Result<(), Wrong> {
        let act = self.acts.get_mut(&of).ok_or("an outcome of what was not allowed")?;
        must(act.outcome.is_none(), || format!("{of} has two outcomes"))?;
        act.outcome = Some(result.clone());
        let run = act.run;
        let chain = self.runs.get(&run).map(|ran| ran.chain.clone()).unwrap_or_default();
        for (above, _) in chain {
            if let Some(ran) = self.runs.get_mut(&above) {
                ran.bytes += bytes;
            }
        }
        Ok(())
    }
}

pub(super) fn must(holds: bool, otherwise: impl FnOnce() -> Wrong) -> Result<(), Wrong> {
    if holds { Ok(()) } else { Err(otherwise()) }
}
