//! One entry of the log as one sentence.
//!
//! Agents write some of these words; callers print them through [`crate::output::clean`].

use marque_domain::event::{Change, Restored, RunOpened};
use marque_domain::git::{GitRefused, GitSigned, PushLook};
use marque_domain::{Answer, Decision, Event, LogEntry, Outcome, TOKEN, TokenRecord, UserName};

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
        Event::IssuerKeysChanged { issuer, from, new, keys, .. } => {
            format!("{issuer} publishes other keys at {from}: {keys}, {new}")
        }
        Event::TokenRevoked { token, run, by } => format!("{by} took {token} back; {run}"),
        Event::TokenKeyMoved { key, algorithm, step } => {
            format!("the server moved the keys of tokens on: {key} ({algorithm}) is {step}")
        }
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
        None => early(decision),
    };
    if let Some(token) = decision.token.as_deref().filter(|_| operation.name == TOKEN) {
        return format!("{who} {}{} ({})", asked(decision, token), about(decision), decision.id);
    }
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
    format!("{who} {} was {answer}{} ({})", what.join(" + "), about(decision), decision.id)
}

/// Who was refused before there was anything to decide.
fn early(decision: &Decision) -> String {
    let named = |prefix: &str| decision.facts.iter().find(|fact| fact.id.starts_with(prefix));
    let known = [("client", "cli_"), ("resource server", "con_"), ("run", "run_")];
    let known = known.into_iter().find_map(|(noun, prefix)| Some((noun, &named(prefix)?.id)));
    known.map_or_else(|| "somebody unknown".to_owned(), |(noun, id)| format!("{noun} {id}"))
}

fn about(decision: &Decision) -> String {
    match &decision.actor {
        Some(actor) => {
            let whom = for_whom(actor.on_behalf_of.as_ref());
            format!("; task {}, {whom}, {}", actor.task, actor.run)
        }
        None => String::new(),
    }
}

/// A token that was asked for: what for, with whose authority, bound how, until when.
fn asked(decision: &Decision, token: &TokenRecord) -> String {
    let scope = match token.scope.as_str() {
        "" => String::new(),
        scope => format!(" with the scope `{scope}`"),
    };
    let details = token.details.map(|digest| format!(" with the details {digest}"));
    let target = format!("{}{scope}{}", token.audience, details.unwrap_or_default());
    match &decision.answer {
        Answer::Allowed => {
            let line = decision.line.as_ref().map(|line| format!(" under `{line}`"));
            let from = token.subject_token.as_ref().map(|from| format!(", exchanged for {from}"));
            let bound = match &token.bound_to {
                Some(key) => format!("bound to {key}"),
                None => "bound to nobody".to_owned(),
            };
            format!(
                "was issued {} for {target}{}{}; the authority of {}, {bound}, until {}, client {}",
                token.id,
                line.unwrap_or_default(),
                from.unwrap_or_default(),
                token.subject,
                token.expires_at,
                token.client
            )
        }
        Answer::Held { code, message } => {
            format!("waits for a token for {target}: held, {code}: {message}")
        }
        Answer::Refused { code, message } => {
            format!("got no token for {target}: refused, {code}: {message}")
        }
    }
}

fn for_whom(user: Option<&UserName>) -> String {
    user.map_or_else(|| "for nobody".to_owned(), |user| format!("for {user}"))
}

#[cfg(test)]
mod tests {
    use marque_domain::{LogEntry, TokenRecord};
    use serde_json::{Value, json};

    use super::of;

    fn entry(answer: &Value, token: &Value) -> LogEntry {
        let decision = json!({
            "kind": "decided", "id": "dec_01ARYZ6S410000000000000000", "at": 0, "answer": answer,
            "operation": { "service": "resource", "connection": "billing", "name": "token",
                "resource": [], "target": "https://billing.test:443", "class": "unclassified",
                "has_query": false, "body": "empty",
                "digest": format!("sha256:{}", "0".repeat(64)) },
            "actor": null, "line": "billing:token", "facts": [], "rules": [],
            "policy_digest": null, "trust_inputs": null, "trust": null, "meter": null,
            "approval": null, "credential": null, "token": token,
        });
        serde_json::from_value(json!({ "index": 7, "at": 0,
            "id": "evt_01ARYZ6S410000000000000000", "event": decision }))
        .unwrap()
    }

    fn token() -> Value {
        let token = TokenRecord {
            id: "tok_01ARYZ6S410000000000000000".parse().unwrap(),
            grant: "client_credentials".to_owned(),
            client: "cli_1".to_owned(),
            audience: "https://billing.test/".to_owned(),
            subject: "carol".to_owned(),
            scope: "invoices:read".to_owned(),
            details: None,
            bound_to: Some("jkt:k".to_owned()),
            subject_token: Some("tok_0".to_owned()),
            expires_at: marque_domain::Timestamp::from_millis(300_000),
        };
        serde_json::to_value(token).unwrap()
    }

    #[test]
    fn a_token_is_told_with_whom_it_serves_and_how_it_is_bound() {
        let told = of(&entry(&json!({ "answer": "allowed" }), &token()));
        assert_eq!(
            told,
            "somebody unknown was issued tok_01ARYZ6S410000000000000000 for https://billing.test/ \
             with the scope `invoices:read` under `billing:token`, exchanged for tok_0; the \
             authority of carol, bound to jkt:k, until 1970-01-01T00:05:00.000Z, client cli_1 \
             (dec_01ARYZ6S410000000000000000)"
        );
        let mut bearer = token();
        bearer["bound_to"] = Value::Null;
        let told = of(&entry(&json!({ "answer": "allowed" }), &bearer));
        assert!(told.contains("bound to nobody"), "{told}");
    }

    #[test]
    fn a_token_that_was_not_issued_is_told_with_the_reason() {
        let refused = json!({ "answer": "refused", "code": "refused.mandate.nothing_allows",
            "message": "no line allows it" });
        let told = of(&entry(&refused, &token()));
        assert_eq!(
            told,
            "somebody unknown got no token for https://billing.test/ with the scope \
             `invoices:read`: refused, refused.mandate.nothing_allows: no line allows it \
             (dec_01ARYZ6S410000000000000000)"
        );
    }
}
