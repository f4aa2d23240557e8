//! The server is killed as by a power cut, again and again, under load. Judged by what the
//! upstream itself wrote down.

mod acts;
mod ledger;
mod rounds;
mod scenes;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::support::{Json, Proxy, World, hear_one};

const CLIENTS: usize = 4;
/// How far each round gets before it is cut, in milliseconds: in the first call, in the first
/// batch, in full swing, with a sync under way.
const CUTS: [u64; 12] = [0, 1, 2, 5, 9, 14, 23, 40, 65, 95, 140, 210];

/// A call, by method and target.
pub(super) type Call = (String, String);

/// Reads, writes, and calls that a human must be asked about, as fast as it can, each to a target
/// of its own, until the connection breaks. The calls that were answered by the upstream.
pub(super) fn calls(proxy: &Proxy, name: &str, stop: &AtomicBool) -> Vec<Call> {
    let mut answered = Vec::new();
    let Ok(mut stream) = TcpStream::connect(proxy.address) else { return answered };
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.set_nodelay(true).unwrap();
    let proof = proxy.proof();
    let mix =
        [("GET", "/v1/items/"), ("POST", "/v1/items?"), ("GET", "/v1/"), ("POST", "/v1/orders?")];
    for (number, (method, path)) in mix.into_iter().cycle().enumerate() {
        let target = format!("{path}{name}-{number}");
        let request = format!(
            "{method} http://plain.test{target} HTTP/1.1\r\nHost: plain.test\r\n{proof}\
             Content-Length: 0\r\n\r\n"
        );
        if stop.load(Ordering::SeqCst) || stream.write_all(request.as_bytes()).is_err() {
            break;
        }
        let answer = hear_one(&mut stream);
        let is_held = answer.text.contains("needs_approval") && path == "/v1/orders?";
        if answer.is_closed || !(is_held || answer.status == 200) {
            break;
        }
        answered.extend((!is_held).then(|| (method.to_owned(), target)));
    }
    answered
}

/// Size and root of the log as somebody outside sees it now, beside the running server.
pub(super) fn witness(world: &World) -> String {
    let found = world.json(&["log", "verify"]);
    format!("{}:{}", found["size"], found["root"].as_str().unwrap())
}

// threat 141
#[test]
fn no_crash_loses_an_entry_or_hides_an_act() {
    let mut world = World::new();
    let mut answered = Vec::new();
    let mut witnessed = vec![witness(&world)];
    for (round, cut) in CUTS.into_iter().enumerate() {
        let (run, proxy) = world.door();
        let stop = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (proxy, stop) = (proxy.clone(), Arc::clone(&stop));
                thread::spawn(move || calls(&proxy, &format!("{round}-{client}"), &stop))
            })
            .collect();
        thread::sleep(Duration::from_millis(cut));
        witnessed.extend((round % 4 == 3).then(|| witness(&world)));
        world.kill_server();
        stop.store(true, Ordering::SeqCst);
        for client in clients {
            answered.extend(client.join().unwrap());
        }
        drop(run);
        world.serve();
        let against = witnessed.iter().flat_map(|seen| ["--against", seen.as_str()]);
        let words: Vec<_> = ["log", "verify"].into_iter().chain(against).collect();
        let verified = world.json(&words);
        assert_eq!(verified["ok"], true, "round {round}: {verified}");
        witnessed.push(witness(&world));
    }
    assert!(answered.len() > CUTS.len() * CLIENTS, "only {} calls", answered.len());
    Judgement::of(&world).judge(&world, &answered);
}

/// The log, seen as acts and how they went.
pub(super) struct Judgement {
    /// How often each call was allowed, by method and target without its query.
    allowed: BTreeMap<Call, usize>,
    /// Every allowed decision.
    decisions: BTreeSet<String>,
    /// How each went.
    outcomes: BTreeMap<String, Vec<String>>,
}

impl Judgement {
    pub(super) fn of(world: &World) -> Self {
        let mut found = Self {
            allowed: BTreeMap::new(),
            decisions: BTreeSet::new(),
            outcomes: BTreeMap::new(),
        };
        let exported = world.cli(&["log", "export"]);
        for line in exported.ok().lines().skip(1) {
            let entry: Json = serde_json::from_str(line).unwrap();
            let event = &entry["entry"]["event"];
            let text = |value: &Json| value.as_str().unwrap().to_owned();
            if event["kind"] == "decided" && event["answer"]["answer"] == "allowed" {
                let operation = &event["operation"];
                let call = (text(&operation["name"]), text(&operation["resource"][0]));
                *found.allowed.entry(call).or_default() += 1;
                found.decisions.insert(text(&event["id"]));
            }
            if event["kind"] == "outcome" {
                let result = text(&event["result"]["result"]);
                found.outcomes.entry(text(&event["decision"])).or_default().push(result);
            }
        }
        found
    }

    /// Whether every act that was allowed has its outcome by now.
    pub(super) fn is_settled(&self) -> bool {
        self.decisions.iter().all(|decision| self.outcomes.contains_key(decision))
    }

    /// Nothing happened at the upstream that was not allowed on record.
    pub(super) fn covers(&self, world: &World) {
        let without_query = |target: &str| target.split('?').next().unwrap().to_owned();
        let mut reached: BTreeMap<Call, usize> = BTreeMap::new();
        for seen in world.plain.saw() {
            let call = (seen.method().to_owned(), without_query(seen.target()));
            *reached.entry(call).or_default() += 1;
        }
        for (call, times) in &reached {
            let allowed = self.allowed.get(call).copied().unwrap_or(0);
            assert!(*times <= allowed, "{call:?} happened {times} times, {allowed} were recorded");
        }
    }

    pub(super) fn judge(&self, world: &World, answered: &[Call]) {
        let mut targets = BTreeSet::new();
        for seen in world.plain.saw() {
            let call = (seen.method().to_owned(), seen.target().to_owned());
            assert!(targets.insert(call.clone()), "{call:?} reached the upstream twice");
            assert!(!call.1.starts_with("/v1/orders"), "{call:?} was held, and went through");
        }
        self.covers(world);
        for call in answered {
            assert!(targets.contains(call), "{call:?} was answered and never happened");
        }
        let of_answered = self.outcomes.values().flatten().filter(|how| *how == "answered").count();
        assert!(of_answered <= targets.len(), "more answers are recorded than calls happened");
        for decision in &self.decisions {
            let how = self.outcomes.get(decision).map_or(0, Vec::len);
            assert_eq!(how, 1, "{decision} has {how} outcomes");
        }
        let unknown = self.outcomes.values().flatten().filter(|how| *how == "unknown").count();
        assert!(unknown > 0, "no crash came between an intent and its outcome");
        let unanswered = self.outcomes.values().flatten().filter(|how| *how != "answered").count();
        let acts: usize = self.allowed.values().sum();
        assert!(acts >= targets.len() && acts <= targets.len() + unanswered, "{acts} {unanswered}");
    }
}

// threat 153
#[test]
fn no_crash_leaves_a_credential_or_a_run_that_no_entry_speaks_of() {
    let mut world = World::new();
    let secret = world.path("secret");
    let secret = secret.to_str().unwrap();
    let pin = world.plain.address.to_string();
    for (round, cut) in [60, 180, 260, 320, 380, 450].into_iter().enumerate() {
        let name = format!("extra-{round}");
        let host = format!("{name}.test");
        let add = [
            "connection",
            "add",
            &name,
            "--host",
            &host,
            "--plain-http",
            "--bearer",
            "--pin",
            &pin,
            "--secret-file",
            secret,
        ];
        let open = ["run", "--agent", "bot", "--task", &name, "--", "sh", "-c", "env > opened.env"];
        let both = [&add[..], &open[..]].map(|words| {
            let mut command = world.words(words);
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        });
        thread::sleep(Duration::from_millis(cut));
        world.kill_server();
        for mut child in both {
            child.wait().unwrap();
        }
        world.stop_background();
        world.serve();
    }
    let entries = world.json(&["log", "query", "--limit", "10000"]);
    let entries = entries.as_array().unwrap();
    let labelled = |verb: &str| {
        let of = entries.iter().filter(|entry| entry["event"]["verb"] == verb);
        of.map(|entry| entry["event"]["label"].as_str().unwrap().to_owned()).collect()
    };
    let recorded: BTreeSet<String> = labelled("connection.added");
    let usable: BTreeSet<String> = world
        .json(&["connection", "list"])
        .as_array()
        .unwrap()
        .iter()
        .map(|connection| connection["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(usable, recorded);
    let opened = entries.iter().filter(|entry| entry["event"]["kind"] == "run_opened");
    let opened: BTreeSet<_> = opened.map(|entry| entry["event"]["run"].as_str().unwrap()).collect();
    let runs = world.json(&["run", "list", "--all"]);
    for run in runs.as_array().unwrap() {
        assert!(opened.contains(run["id"].as_str().unwrap()), "{run}");
        // A captured run waits for its launcher for a while.
        assert!(run["state"] != "open" || run["tier"] == "captured", "{run}");
    }
    let sealed = super::support::sqlite(&world, "SELECT count(*) FROM sealed");
    assert_eq!(sealed, usable.len().to_string());
}

// threat 153
#[test]
fn the_secret_of_a_run_dies_with_the_server_that_knew_it() {
    let mut world = World::new();
    let (mut run, proxy) = world.door();
    proxy.asks("GET", "http://plain.test/v1/a", "", "").is(200, "");
    world.kill_server();
    assert_eq!(run.code(), 137, "{}", run.said());
    world.serve();
    let (_other_run, other) = world.door();
    let late = Proxy { address: other.address, ..proxy };
    late.asks("GET", "http://plain.test/v1/a", "", "").is(407, "refused.caller.unknown");
    let shown = world.json(&["run", "show", &run.id]);
    assert_eq!(shown["state"], "orphaned", "{shown}");
    assert_eq!(world.plain.saw().len(), 1);
}
