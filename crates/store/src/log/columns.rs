//! The columns an entry is found by, derived from the entry alone.

use std::borrow::Cow;

use marque_domain::event::{Change, RunOpened};
use marque_domain::{Decision, Event, Name, Outcome, Timestamp, UserName};

use crate::value::{Row, Value};

/// Every column but index, leaf and bytes.
pub(super) struct Columns<'a> {
    at: u64,
    event: &'static str,
    texts: Texts<'a>,
}

/// The columns that not every event has.
#[derive(Default)]
struct Texts<'a> {
    run: Text<'a>,
    agent: Text<'a>,
    task: Text<'a>,
    user: Text<'a>,
    connection: Text<'a>,
    operation: Text<'a>,
    resource: Text<'a>,
    answer: Text<'a>,
    code: Text<'a>,
    decision: Text<'a>,
}

type Text<'a> = Option<Cow<'a, str>>;

impl<'a> Columns<'a> {
    pub(super) fn of(at: Timestamp, event: &'a Event) -> Self {
        let of_event = match event {
            Event::Claimed { by, .. }
            | Event::LogKeyRotated { by, .. }
            | Event::GitKeyRotated { by, .. } => user(by.name.as_str()),
            Event::GitSigned(signed) => {
                asked_to_sign(&signed.agent, signed.on_behalf_of.as_ref(), None)
            }
            Event::GitRefused(refused) => {
                asked_to_sign(&refused.agent, refused.on_behalf_of.as_ref(), Some(&refused.code))
            }
            Event::Started { .. }
            | Event::Restored(_)
            | Event::IssuerKeysChanged { .. }
            | Event::TokenRevoked { .. }
            | Event::TokenKeyMoved { .. } => Texts::default(),
            Event::Changed(change) => changed(change),
            Event::RunOpened(opened) => run_opened(opened),
            Event::RunClosed { by, .. } => {
                by.as_ref().map_or_else(Texts::default, |by| user(by.name.as_str()))
            }
            Event::Decided(decision) => decided(decision),
            Event::Outcome { decision, result, .. } => outcome(decision.to_string(), result),
        };
        let run = event.run().map(|run| run.to_string().into());
        let texts = Texts { run, ..of_event };
        Self { at: at.as_millis(), event: event.word(), texts }
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

fn user(name: &str) -> Texts<'_> {
    Texts { user: Some(name.into()), ..Texts::default() }
}

fn changed(change: &Change) -> Texts<'_> {
    // A verb is a unit variant, which always serialises as its word.
    let verb = serde_json::to_value(change.verb).ok();
    let operation = verb.as_ref().and_then(|verb| verb.as_str()).map(str::to_owned);
    let (operation, resource) = (operation.map(Cow::Owned), Some(change.label.as_str().into()));
    Texts { operation, resource, ..user(change.by.name.as_str()) }
}

fn run_opened(opened: &RunOpened) -> Texts<'_> {
    let human = opened.on_behalf_of.as_ref().unwrap_or(&opened.opened_by);
    Texts {
        agent: Some(opened.agent_name.as_str().into()),
        task: Some(opened.task.as_str().into()),
        ..user(human.name.as_str())
    }
}

fn asked_to_sign<'a>(
    agent: &'a Name,
    person: Option<&'a UserName>,
    refused: Option<&'a str>,
) -> Texts<'a> {
    Texts {
        agent: Some(agent.as_str().into()),
        user: person.map(|person| person.as_str().into()),
        operation: Some("git.sign".into()),
        answer: Some(if refused.is_some() { "refused" } else { "allowed" }.into()),
        code: refused.map(Cow::Borrowed),
        ..Texts::default()
    }
}

fn decided(decision: &Decision) -> Texts<'_> {
    let actor = decision.actor.as_ref();
    let human = actor.map(|actor| actor.on_behalf_of.as_ref().unwrap_or(&actor.opened_by));
    let operation = &decision.operation;
    Texts {
        run: None,
        agent: actor.map(|actor| actor.agent.as_str().into()),
        task: actor.map(|actor| actor.task.as_str().into()),
        user: human.map(|human| human.as_str().into()),
        connection: operation.connection.as_ref().map(|name| name.as_str().into()),
        operation: Some(operation.name.as_str().into()),
        resource: Some(operation.resource.join(" ").into()),
        answer: Some(decision.answer.word().into()),
        code: decision.answer.code().map(|code| code.text().into()),
        decision: Some(decision.id.to_string().into()),
    }
}

fn outcome(decision: String, result: &Outcome) -> Texts<'_> {
    let (word, code) = match result {
        Outcome::Answered { .. } => ("answered", None),
        Outcome::Failed { code } => ("failed", Some(code.as_str())),
        Outcome::Abandoned => ("abandoned", None),
        Outcome::Cut => ("cut", None),
        Outcome::Unknown => ("unknown", None),
    };
    let (answer, code) = (Some(word.into()), code.map(Cow::Borrowed));
    Texts { answer, code, decision: Some(decision.into()), ..Texts::default() }
}
