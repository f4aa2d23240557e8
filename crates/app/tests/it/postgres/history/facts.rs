//! The facts as the log tells them, and what they allow: written a second time, and simpler, so
//! that it can disagree with the plane.

use std::collections::{BTreeMap, BTreeSet};

use super::super::super::support::Json;

/// How far authority reaches.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Width {
    Never,
    Nothing,
    Ask,
    Allow,
}

#[derive(Default)]
struct Lines {
    allow: Vec<String>,
    ask: Vec<String>,
    never: Vec<String>,
}

struct OpenRun {
    agent: String,
    mandate: Lines,
    expires_at: u64,
}

/// What stands after some entry of the log.
#[derive(Default)]
pub(super) struct Facts {
    /// By agent's name, then by grant.
    grants: BTreeMap<String, BTreeMap<String, Lines>>,
    suspended: BTreeSet<String>,
    open: BTreeMap<String, OpenRun>,
    /// Digests of operations, by approval given and not used.
    approvals: BTreeMap<String, String>,
}

impl Facts {
    /// The agent of an open run.
    pub(super) fn agent_of(&self, run: &str) -> Option<&str> {
        self.open.get(run).map(|run| run.agent.as_str())
    }

    /// Takes the next entry; fails if it is an act that these facts do not allow.
    pub(super) fn takes(&mut self, at: u64, event: &Json) {
        match event["kind"].as_str().unwrap() {
            "run_opened" => {
                let list = |part: &str| list(event[part].as_array().unwrap());
                let mandate =
                    Lines { allow: list("allow"), ask: list("ask"), never: list("never") };
                let expires_at = event["expires_at"].as_u64().unwrap();
                let run = OpenRun { agent: text(&event["agent_name"]), mandate, expires_at };
                self.open.insert(text(&event["run"]), run);
            }
            "run_closed" => drop(self.open.remove(&text(&event["run"]))),
            "changed" => self.changes(event),
            "decided" if event["answer"]["answer"] == "allowed" => self.allows(at, event),
            _ => {}
        }
    }

    fn changes(&mut self, event: &Json) {
        let (label, fact) = (text(&event["label"]), text(&event["fact"]));
        let what = fact.split('@').next().unwrap().to_owned();
        let details = &event["details"];
        match event["verb"].as_str().unwrap() {
            "grant.added" => {
                let part = |name: &str| {
                    let lines = text(&details[name]);
                    lines.split("; ").filter(|line| !line.is_empty()).map(str::to_owned).collect()
                };
                let lines = Lines { allow: part("allow"), ask: part("ask"), never: part("never") };
                self.grants.entry(label).or_default().insert(what, lines);
            }
            "grant.revoked" => drop(self.grants.get_mut(&label).unwrap().remove(&what)),
            "agent.suspended" => drop(self.suspended.insert(label)),
            "agent.resumed" => drop(self.suspended.remove(&label)),
            "approval.given" => drop(self.approvals.insert(what, text(&details["digest"]))),
            _ => {}
        }
    }

    fn allows(&mut self, at: u64, event: &Json) {
        let operation = &event["operation"];
        let (name, path) = (text(&operation["name"]), text(&operation["resource"][0]));
        let run = text(&event["actor"]["run"]);
        let run = self.open.get(&run).unwrap_or_else(|| panic!("no such run is open: {event}"));
        assert!(at < run.expires_at, "the run was over: {event}");
        assert!(!self.suspended.contains(&run.agent), "the agent was suspended: {event}");
        let granted = self.grants.get(&run.agent).into_iter().flat_map(BTreeMap::values);
        let granted = granted.map(|lines| lines.width(&name, &path));
        let widths: Vec<_> = granted.filter(|width| *width != Width::Nothing).collect();
        // What one grant asks for or forbids stays so.
        let granted = widths.into_iter().min().unwrap_or(Width::Nothing);
        let width = granted.min(run.mandate.width(&name, &path));
        let approval = event["approval"].as_str().map(|id| id.split('@').next().unwrap());
        let digest = approval.map(|approval| self.approvals.remove(approval));
        match digest {
            Some(digest) => assert_eq!(digest, Some(text(&operation["digest"])), "{event}"),
            None => assert!(width != Width::Ask, "nobody was asked: {event}"),
        }
        assert!(width >= Width::Ask, "nothing allows it: {event}");
    }
}

impl Lines {
    fn width(&self, name: &str, path: &str) -> Width {
        let has = |lines: &[String]| lines.iter().any(|line| covers(line, name, path));
        match () {
            () if has(&self.never) => Width::Never,
            () if has(&self.ask) => Width::Ask,
            () if has(&self.allow) => Width::Allow,
            () => Width::Nothing,
        }
    }
}

/// Lines of these stories name a path, or everything below one.
fn covers(line: &str, name: &str, path: &str) -> bool {
    let Some((operation, pattern)) = line.split_once(' ') else { return false };
    let is_below = |folder: &str| {
        path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    operation == format!("plain:{name}")
        && pattern.strip_suffix("/**").map_or(path == pattern, is_below)
}

fn list(lines: &[Json]) -> Vec<String> {
    lines.iter().map(text).collect()
}

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
