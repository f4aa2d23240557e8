//! The columns an entry is found by, derived from the entry alone.

use marque_domain::event::{Change, RunOpened};
use marque_domain::{Code, Decision, Event, LogEntry, Name, Outcome, UserName};

use crate::value::{Row, Value};

/// Every column but index, leaf and bytes.
pub(super) struct Columns {
    at: u64,
    event: &'static str,
    texts: Texts,
}

/// The columns that not every event has.
#[derive(Default)]
struct Texts {
    run: Option<String>,
    agent: Option<String>,
    task: Option<String>,
    user: Option<String>,
    connection: Option<String>,
    operation: Option<String>,
    resource: Option<String>,
    answer: Option<String>,
    code: Option<String>,
    decision: Option<String>,
}

impl Columns {
    pub(super) fn of(entry: &LogEntry) -> Self {
        let of_event = match &entry.event {
            Event::Claimed { by, .. }
            | Event::LogKeyRotated { by, .. }
            | Event::GitKeyRotated { by, .. } => user(by.name.as_str()),
            Event::GitSigned(signed) => {
                asked_to_sign(&signed.agent, signed.on_behalf_of.as_ref(), None)
            }
            Event::GitRefused(refused) => {
                asked_to_sign(&refused.agent, refused.on_behalf_of.as_ref(), Some(&refused.code))
            }
            Event::Started { .. } | Event::Restored(_) => Texts::default(),
            Event::Changed(change) => changed(change),
            Event::RunOpened(opened) => run_opened(opened),
            Event::RunClosed { by, .. } => {
                by.as_ref().map_or_else(Texts::default, |by| user(by.name.as_str()))
            }
            Event::Decided(decision) => decided(decision),
            Event::Outcome { decision, result, .. } => outcome(decision.to_string(), result),
        };
        let run = entry.event.run().map(|run| run.to_string());
        let texts = Texts { run, ..of_event };
        Self { at: entry.at.as_millis(), event: entry.event.word(), texts }
    }

    /// As values, in the order of the statements in `log.rs`.
    pub(super) fn values(&self) -> [Value<'_>; 12] {
        let texts = &self.texts;
        [
            Value::whole(self.at),
            self.event.into(),
            texts.run.as_deref().into(),
            texts.agent.as_deref().into(),
            texts.task.as_deref().into(),
            texts.user.as_deref().into(),
            texts.connection.as_deref().into(),
            texts.operation.as_deref().into(),
            texts.resource.as_deref().into(),
            texts.answer.as_deref().into(),
            texts.code.as_deref().into(),
            texts.decision.as_deref().into(),
        ]
    }

    /// Whether the cells of a row from `first` on are exactly these values.
    pub(super) fn are_in(&self, row: &Row<'_>, first: usize) -> bool {
        let wanted = self.values();
        wanted.iter().eq(row.0.iter().skip(first).take(wanted.len()))
    }
}

fn user(name: &str) -> Texts {
    Texts { user: Some(name.to_owned()), ..Texts::default() }
}

fn changed(change: &Change) -> Texts {
    // A verb is a unit variant, which always serialises as its word.
    let verb = serde_json::to_value(change.verb).ok();
    let operation = verb.as_ref().and_then(|verb| verb.as_str()).map(str::to_owned);
    Texts { operation, resource: Some(change.label.clone()), ..user(change.by.name.as_str()) }
}

fn run_opened(opened: &RunOpened) -> Texts {
    let human = opened.on_behalf_of.as_ref().unwrap_or(&opened.opened_by);
    Texts {
        agent: Some(opened.agent_name.as_str().to_owned()),
        task: Some(opened.task.as_str().to_owned()),
        ..user(human.name.as_str())
    }
}

fn asked_to_sign(agent: &Name, person: Option<&UserName>, refused: Option<&str>) -> Texts {
    Texts {
        agent: Some(agent.as_str().to_owned()),
        user: person.map(|person| person.as_str().to_owned()),
        operation: Some("git.sign".to_owned()),
        answer: Some(if refused.is_some() { "refused" } else { "allowed" }.to_owned()),
        code: refused.map(str::to_owned),
        ..Texts::default()
    }
}

fn decided(decision: &Decision) -> Texts {
    let actor = decision.actor.as_ref();
    let human = actor.map(|actor| actor.on_behalf_of.as_ref().unwrap_or(&actor.opened_by));
    let operation = &decision.operation;
    Texts {
        run: None,
        agent: actor.map(|actor| actor.agent.as_str().to_owned()),
        task: actor.map(|actor| actor.task.as_str().to_owned()),
        user: human.map(|human| human.as_str().to_owned()),
        connection: operation.connection.as_ref().map(|name| name.as_str().to_owned()),
        operation: Some(operation.name.clone()),
        resource: Some(operation.resource.join(" ")),
        answer: Some(decision.answer.word().to_owned()),
        code: decision.answer.code().map(Code::text),
        decision: Some(decision.id.to_string()),
    }
}

fn outcome(decision: String, result: &Outcome) -> Texts {
    let (word, code) = match result {
        Outcome::Answered { .. } => ("answered", None),
        Outcome::Failed { code } => ("failed", Some(code.clone())),
        Outcome::Abandoned => ("abandoned", None),
        Outcome::Cut => ("cut", None),
        Outcome::Unknown => ("unknown", None),
    };
    let answer = Some(word.to_owned());
    Texts { answer, code, decision: Some(decision), ..Texts::default() }
}
