//! The judgement: the log replayed from its first entry by rules of its own, and held against what
//! clients, humans and the upstream saw.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::super::super::support::Json;
use super::cast::{Answer, Asked, Done};
use super::cluster::{Cluster, SERVERS, THRIFTY};
use super::facts::Facts;
use super::faults::{ANSWERS, CHANGES, FAULTS};

/// What was seen from outside.
pub(super) struct Seen {
    pub(super) asked: Vec<Asked>,
    pub(super) done: Vec<Done>,
    pub(super) happened: Vec<String>,
}

/// The log, in the words the judgement needs.
pub(super) struct Judge {
    /// Indexes of allowed decisions, by path.
    allowed: BTreeMap<String, Vec<u64>>,
    /// Indexes of what humans did, by verb and what it was done to.
    changes: BTreeMap<(String, String), u64>,
    /// Each allowed decision, and how often its outcome was told.
    outcomes: BTreeMap<String, usize>,
    /// Calls the agent with a budget was allowed, and refused for it.
    spent: usize,
    is_refused_over_budget: bool,
}

impl Judge {
    /// Reads the log, and fails at the first act that the facts before it do not allow.
    pub(super) fn of(cluster: &Cluster) -> Self {
        let verified: BTreeSet<_> = (0..SERVERS)
            .map(|server| cluster.with(server, |marque| marque.json(&["log", "verify"])))
            .map(|found| (found["ok"].to_string(), found["problems"].to_string()))
            .collect();
        assert!(verified.iter().all(|(is_ok, _)| is_ok == "true"), "{verified:?}");
        let exported = cluster.with(0, |marque| marque.cli(&["log", "export"]));
        let entries = exported.ok().lines().skip(1);
        let entries: Vec<Json> = entries.map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut judge = Self {
            allowed: BTreeMap::new(),
            changes: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            spent: 0,
            is_refused_over_budget: false,
        };
        let (mut facts, mut before) = (Facts::default(), 0);
        for (index, line) in (0..).zip(&entries) {
            let entry = &line["entry"];
            let at = entry["at"].as_u64().unwrap();
            assert_eq!(entry["index"].as_u64(), Some(index), "{entry}");
            assert!(at >= before, "time went back: {entry}");
            before = at;
            judge.reads(index, &entry["event"], &facts);
            facts.takes(at, &entry["event"]);
        }
        judge
    }

    fn reads(&mut self, index: u64, event: &Json, facts: &Facts) {
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        match event["kind"].as_str().unwrap() {
            "decided" if event["answer"]["answer"] == "allowed" => {
                let path = text(&event["operation"]["resource"][0]);
                self.allowed.entry(path).or_default().push(index);
                self.outcomes.insert(text(&event["id"]), 0);
                let run = text(&event["actor"]["run"]);
                self.spent += usize::from(facts.agent_of(&run) == Some(THRIFTY.0));
            }
            "decided" => {
                let code = event["answer"]["code"].as_str().unwrap_or_default();
                self.is_refused_over_budget |= code.starts_with("refused.limits");
            }
            "outcome" => *self.outcomes.get_mut(&text(&event["decision"])).unwrap() += 1,
            "run_closed" if event["cause"] == "killed" => {
                self.changes.insert(("kill".to_owned(), text(&event["run"])), index);
            }
            "changed" => {
                let fact = text(&event["fact"]);
                let what = fact.split('@').next().unwrap().to_owned();
                self.changes.insert((text(&event["verb"]), what), index);
            }
            _ => {}
        }
    }

    #[expect(clippy::print_stdout, reason = "shown where it fails, or with `--nocapture`")]
    pub(super) fn judges(&self, seen: &Seen, cluster: &Cluster) {
        self.acts(&seen.asked, cluster);
        self.budget();
        let order = self.order(seen);
        let told = |wanted: &Answer| seen.asked.iter().filter(|one| one.answer == *wanted).count();
        let (yes, nothing) = (told(&Answer::Yes), told(&Answer::Nothing));
        println!(
            "{} calls: {yes} answered, {nothing} broke off; {} changes; {order} in order; {}",
            seen.asked.len(),
            seen.done.len(),
            seen.happened.join(", ")
        );
        assert!(seen.happened.len() >= FAULTS && yes >= ANSWERS, "too little happened");
        assert!(seen.done.len() >= CHANGES, "too little was changed");
    }

    /// What reached the upstream was allowed, and what clients were told is what happened.
    fn acts(&self, asked: &[Asked], cluster: &Cluster) {
        let mut reached: BTreeMap<String, usize> = BTreeMap::new();
        for one in cluster.upstream.saw() {
            *reached.entry(one.target().to_owned()).or_default() += 1;
        }
        for (path, times) in &reached {
            let allowed = self.allowed.get(path).map_or(0, Vec::len);
            assert!(*times <= allowed, "{path} happened {times} times, {allowed} were recorded");
        }
        let mut told: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for one in asked {
            let (yes, maybe) = told.entry(&one.path).or_default();
            *yes += usize::from(one.answer == Answer::Yes);
            *maybe += usize::from(one.answer == Answer::Nothing);
        }
        for (path, (yes, maybe)) in told {
            let times = reached.get(path).copied().unwrap_or(0);
            assert!(times >= yes, "{path} was answered {yes} times and happened {times} times");
            assert!(times <= yes + maybe, "{path} was refused, and happened");
        }
        for (decision, times) in &self.outcomes {
            assert_eq!(*times, 1, "{decision} has {times} outcomes");
        }
    }

    fn budget(&self) {
        let limit = THRIFTY.1;
        assert!(self.spent <= limit, "{} calls of {limit}", self.spent);
        assert!(!self.is_refused_over_budget || self.spent == limit, "{} of {limit}", self.spent);
    }

    /// Whatever was acknowledged before something else was asked for stands before it in the log.
    /// How much was compared.
    fn order(&self, seen: &Seen) -> usize {
        let (mut asked, mut there) = (Vec::new(), Vec::new());
        let answered = || seen.asked.iter().filter(|one| one.answer == Answer::Yes);
        for one in answered() {
            if let [index] = self.allowed[&one.path][..] {
                asked.push((one.began, index));
                there.push((one.ended, index));
            }
        }
        let mut killed: BTreeMap<&str, Instant> = BTreeMap::new();
        for one in seen.done.iter().filter(|one| !one.verb.starts_with("agent.")) {
            let found = self.changes.get(&(one.verb.to_owned(), one.what.clone()));
            if one.verb == "kill" {
                let ended = killed.entry(&one.what).or_insert(one.ended);
                *ended = one.ended.min(*ended);
            } else {
                let index = found.unwrap_or_else(|| panic!("{} is in no entry", one.what));
                asked.push((one.began, *index));
            }
            // Whoever kills what another killed, or what was over, did not ask for that entry.
            there.extend(found.map(|index| (one.ended, *index)));
        }
        for one in answered() {
            let is_late = killed.get(&*one.run).is_some_and(|ended| *ended < one.began);
            assert!(!is_late, "{} was answered after its run was killed", one.path);
        }
        asked.sort_unstable();
        there.sort_unstable();
        let (mut there, mut highest) = (there.into_iter().peekable(), 0);
        for (began, index) in &asked {
            while let Some((_, index)) = there.next_if(|(ended, _)| ended < began) {
                highest = highest.max(index);
            }
            assert!(*index >= highest, "entry {index} was asked for after {highest} was there");
        }
        asked.len()
    }
}
