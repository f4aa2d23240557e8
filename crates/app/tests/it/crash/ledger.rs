//! The log, read on as it grows: what was allowed, how it went, and what humans changed.

use std::collections::{BTreeMap, BTreeSet};

use super::super::support::{CREDENTIAL, GitHost, Json, Seen, World};

/// What every call without an outcome may hold of a budget: no body here is longer.
const PORTION: u64 = 64 * 1024;

/// A call, by connection, operation and first part of its resource.
type Act = (String, String, String);

/// Everything the log said so far.
#[derive(Default)]
pub(super) struct Ledger {
    /// Entries read.
    size: usize,
    allowed: BTreeMap<Act, usize>,
    decisions: BTreeSet<String>,
    outcomes: BTreeMap<String, String>,
    /// Bytes of bodies that outcomes speak of.
    bytes: u64,
    killed: BTreeSet<String>,
    /// Refs that pushes were allowed to.
    refs: BTreeSet<String>,
    /// Entries that are neither decisions nor outcomes.
    told: Vec<String>,
}

impl Ledger {
    /// Reads what came since. Fails on what no log may hold.
    pub(super) fn reads_on(&mut self, world: &World) {
        let exported = world.cli(&["log", "export", "--from", &self.size.to_string()]);
        // The whole export begins with a line about itself.
        for line in exported.ok().lines().skip(usize::from(self.size == 0)) {
            let entry: Json = serde_json::from_str(line).unwrap();
            assert_eq!(entry["index"], self.size, "{entry}");
            self.size += 1;
            self.takes(&entry["entry"]["event"]);
        }
    }

    fn takes(&mut self, event: &Json) {
        let text = |value: &Json| value.as_str().unwrap().to_owned();
        match event["kind"].as_str().unwrap() {
            "decided" if event["answer"]["answer"] == "allowed" => {
                let run = text(&event["actor"]["run"]);
                assert!(!self.killed.contains(&run), "allowed to a run that was killed: {event}");
                let operation = &event["operation"];
                let resource = &operation["resource"];
                let act = ["connection", "name"].map(|part| text(&operation[part]));
                let [connection, name] = act;
                if name == "git.push" {
                    self.refs.insert(text(&resource[1]));
                }
                *self.allowed.entry((connection, name, text(&resource[0]))).or_default() += 1;
                self.decisions.insert(text(&event["id"]));
            }
            "decided" => {}
            "outcome" => {
                let (decision, result) = (text(&event["decision"]), &event["result"]["result"]);
                let bytes = ["sent_bytes", "received_bytes"].map(|part| event[part].as_u64());
                self.bytes += bytes.into_iter().flatten().sum::<u64>();
                let before = self.outcomes.insert(decision, text(result));
                assert_eq!(before, None, "two outcomes of one act: {event}");
            }
            kind => {
                if kind == "run_closed" && event["cause"] == "killed" {
                    self.killed.insert(text(&event["run"]));
                }
                self.told.push(event.to_string());
            }
        }
    }

    /// Calls that were allowed.
    pub(super) fn calls(&self) -> usize {
        self.decisions.len()
    }

    /// Calls whose outcome a crash swallowed.
    pub(super) fn unknown(&self) -> u64 {
        self.outcomes.values().filter(|how| *how == "unknown").count() as u64
    }

    /// Whether one entry speaks of all of that.
    pub(super) fn tells(&self, words: &[String]) -> bool {
        self.told.iter().any(|told| words.iter().all(|word| told.contains(word)))
    }

    /// Every act has its one outcome.
    pub(super) fn is_settled(&self) {
        for decision in &self.decisions {
            assert!(self.outcomes.contains_key(decision), "{decision} has no outcome");
        }
    }

    /// Nothing reached an upstream with a credential that no decision allowed.
    pub(super) fn covers(&self, world: &World, host: &GitHost) {
        let mut reached: BTreeMap<Act, usize> = BTreeMap::new();
        let expected = format!("Bearer {CREDENTIAL}");
        let upstreams = [("plain", &world.plain), ("api", &world.api)];
        for (connection, upstream) in upstreams {
            for seen in upstream.saw() {
                let is_message = seen.method() == "websocket.send";
                let credential = seen.field("authorization");
                assert!(is_message || credential == Some(&*expected), "{seen:?}");
                *reached.entry(act(connection, &seen)).or_default() += 1;
            }
        }
        for (act, times) in &reached {
            let allowed = self.allowed.get(act).copied().unwrap_or(0);
            assert!(*times <= allowed, "{act:?} happened {times} times, {allowed} are on record");
        }
        let with_token = host.saw().iter().filter(|line| line["is_right"] == true).count();
        let git: usize =
            self.allowed.iter().filter(|(act, _)| act.0 == "code").map(|(_, times)| times).sum();
        assert!(with_token <= git, "{with_token} requests had the token, {git} are on record");
        for pushed in host.pushed() {
            let name = pushed.rsplit(' ').next().unwrap();
            assert!(self.refs.contains(name), "`{name}` was pushed off the record");
        }
    }

    /// What an agent is said to have spent is what it did, and what unknown acts may have.
    pub(super) fn agrees_with(&self, budget: &Json) {
        assert_eq!(budget["calls"], self.calls(), "{budget}");
        let (least, spent) = (self.bytes, budget["bytes"].as_u64().unwrap());
        let most = least + self.unknown() * PORTION;
        assert!((least..=most).contains(&spent), "{spent} bytes, not {least} to {most}");
    }
}

fn act(connection: &str, seen: &Seen) -> Act {
    let path = seen.target().split('?').next().unwrap();
    let name = if seen.field("upgrade").is_some() { "websocket" } else { seen.method() };
    (connection.to_owned(), name.to_owned(), path.to_owned())
}
