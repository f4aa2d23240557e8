//! One entry of the log as one sentence.
//!
//! Agents write some of these words; callers print them through [`crate::output::clean`].

use marque_domain::event::{Change, Restored, RunOpened};
use marque_domain::git::{GitRefused, GitSigned, PushLook};
use marque_domain::{Answer, Decision, Event, LogEntry, Outcome, UserName};

/// What happened, for whom, under which rule.
pub(crate) fn of(entry: &LogEntry) -> String {
    match &entry.event {
        Event::Claimed { by, .. } => format!("{} claimed the plane", by.name),
        Event::LogKeyRotated { by, old_verifier, new_verifier, .. } => {
            format!("{} rotated the log's key from {old_verifier} to {new_verifier}", by.name)
        }
        Event::Started { version, unknown_outcomes: 0, .. } => {
            format!("the server started, version {version}")
        }
        Event::Started { version, unknown_outcomes, .. } => format!(
            "the server started, version {version}; a crash left {unknown_outcomes} outcomes \
             unknown"
        ),
        Event::Restored(restored) => self::restored(restored),
        Event::Changed(change) => changed(change),
        Event::RunOpened(opened) => run_opened(opened),
        Event::RunClosed { run, cause, by, calls, refusals, .. } => {
            let by = by.as_ref().map(|by| format!(" by {}", by.name)).unwrap_or_default();
            format!("{run} {cause}{by}; {calls} calls, {refusals} refused")
        }
        Event::GitSigned(signed) => {
            let GitSigned { run, agent, object, payload, key, .. } = &**signed;
            let whom = for_whom(signed.on_behalf_of.as_ref());
            format!("a {object} of {agent} was signed by {key}; {payload}, {whom}, {run}")
        }
        Event::GitRefused(refused) => {
            let GitRefused { run, agent, payload, code, message, .. } = &**refused;
            format!("{agent} was refused a signature, {code}: {message}; {payload}, {run}")
        }
        Event::GitKeyRotated { by, old_key, new_key } => {
            format!("{} rotated the key of commits from {old_key} to {new_key}", by.name)
        }
        Event::TokenRevoked { token, run, by } => format!("{by} took {token} back; {run}"),
        Event::Decided(decision) => decided(decision),
        Event::Outcome { decision, result, sent_bytes, received_bytes, redacted, git, .. } => {
            let how = match result {
                Outcome::Answered { status } => format!("was answered {status}"),
                Outcome::Failed { code } => format!("failed: {code}"),
                Outcome::Abandoned => "was abandoned by its client".to_owned(),
                Outcome::Cut => "was cut by a kill".to_owned(),
                Outcome::Unknown => "has an unknown outcome: a crash came between".to_owned(),
            };
            let found = found(*redacted, result);
            let seen = git.as_deref().map(pushed).unwrap_or_default();
            let bytes = format!("{sent_bytes} bytes sent, {received_bytes} received");
            format!("{decision} {how}; {bytes}{found}{seen}")
        }
    }
}

fn restored(restored: &Restored) -> String {
    let seen = match restored.seen_size {
        Some(size) => format!(", {size} entries were seen before"),
        None => String::new(),
    };
    let Restored { number, agents, runs, approvals, .. } = restored;
    format!(
        "an older copy of the store was taken, restoration {number}{seen}; agents suspended: {}, \
         runs closed: {runs}, approvals lapsed: {approvals}",
        agents.len()
    )
}

fn found(redacted: u64, result: &Outcome) -> String {
    let times = match redacted {
        0 => return String::new(),
        1 => "once".to_owned(),
        more => format!("{more} times"),
    };
    match result {
        Outcome::Failed { code } if code == "failed.echo" => {
            format!("; the answer held a credential {times}, and was cut off there")
        }
        _ => format!("; the answer held a credential {times}, redacted"),
    }
}

fn pushed(look: &PushLook) -> String {
    let unseen = look.not_looked_into.as_ref();
    let unseen = unseen.map(|why| format!("; not all that was pushed was looked into ({why})"));
    let unseen = unseen.unwrap_or_default();
    let mut codes: Vec<_> = look.findings.iter().map(|found| found.finding.code()).collect();
    codes.sort_unstable();
    codes.dedup();
    match look.findings.len() as u64 + look.more {
        0 => unseen,
        count => format!("{unseen}; flagged {count} times: {}", codes.join(", ")),
    }
}

fn changed(change: &Change) -> String {
    let verb = serde_json::to_value(change.verb).ok();
    let verb = verb.as_ref().and_then(serde_json::Value::as_str).unwrap_or("changed");
    let details = change.details.iter().filter(|(_, value)| !value.is_empty());
    let details: Vec<String> = details.map(|(name, value)| format!("{name} {value}")).collect();
    let details =
        if details.is_empty() { String::new() } else { format!(": {}", details.join(", ")) };
    format!("{} {verb} `{}`{details}", change.by.name, change.label)
}

fn run_opened(opened: &RunOpened) -> String {
    let whom = opened.on_behalf_of.as_ref().map(|user| &user.name);
    let parent = opened.parent.map(|parent| format!(" as a child of {parent}")).unwrap_or_default();
    let more = if opened.user_namespaces { ", may make user namespaces" } else { "" };
    format!(
        "{} opened {} of {}{parent} ({}{more}), task {}, {}, until {}",
        opened.opened_by.name,
        opened.run,
        opened.agent_name,
        opened.tier,
        opened.task,
        for_whom(whom),
        opened.expires_at
    )
}

fn decided(decision: &Decision) -> String {
    let operation = &decision.operation;
    let who = match &decision.actor {
        Some(actor) => format!("{}@v{}", actor.agent, actor.version),
        None => "somebody unknown".to_owned(),
    };
    let told = |effect: String| match (&operation.connection, effect.split_once(' ')) {
        (Some(connection), _) => format!("{connection}:{effect}"),
        (None, Some((name, resource))) => format!("{name} at {} {resource}", operation.target),
        (None, None) => format!("{effect} at {}", operation.target),
    };
    let what: Vec<String> = operation.effects().map(told).collect();
    let line = decision.line.as_ref().map(|line| format!(" under `{line}`")).unwrap_or_default();
    let answer = match &decision.answer {
        Answer::Allowed => format!("allowed{line}"),
        Answer::Held { code, message } => format!("held, {code}: {message}"),
        Answer::Refused { code, message } => format!("refused, {code}: {message}"),
    };
    let about = match &decision.actor {
        Some(actor) => {
            let whom = for_whom(actor.on_behalf_of.as_ref());
            format!("; task {}, {whom}, {}", actor.task, actor.run)
        }
        None => String::new(),
    };
    format!("{who} {} was {answer}{about} ({})", what.join(" + "), decision.id)
}

fn for_whom(user: Option<&UserName>) -> String {
    user.map_or_else(|| "for nobody".to_owned(), |user| format!("for {user}"))
}
