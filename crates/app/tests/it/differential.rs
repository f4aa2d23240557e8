//! The same bytes, straight to three real servers and through Marque: what a server sees behind
//! Marque is what Marque decided, and what servers read differently never gets there.

mod cases;
mod servers;
mod spellings;

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::thread;
use std::time::Duration;

use cases::{Case, Fate, Names, Sent};
use servers::{QUIET, Seen, Server, decoded};

use super::support::{CREDENTIAL, Json, Marque, Proxy, Run};

/// How long Marque may take for an answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Fields that frame, route or authorise.
const ONCE: [&str; 5] = ["host", "content-length", "transfer-encoding", "authorization", "expect"];
/// Cases that the servers are to read differently without Marque. Fewer, and the table or the
/// servers have gone blind.
const DOUBTFUL_MIN: usize = 50;

// threat 72, threat 73, threat 74, threat 75, threat 84, threat 85, threat 89, threat 90
#[test]
fn what_three_servers_see_behind_marque_is_what_was_decided() {
    let marque = Marque::start();
    let Some(servers) = servers::start(marque.home()) else { return };
    let cases = cases::all();
    let (_run, proxy) = connects(&marque, &servers);
    let answered: Vec<Vec<u16>> = thread::scope(|scope| {
        let tries = servers.each_ref().map(|server| scope.spawn(|| tries(server, &cases, &proxy)));
        tries.into_iter().map(|tried| tried.join().unwrap()).collect()
    });
    let saw = servers.each_ref().map(Server::saw);
    let mut wrong = Vec::new();
    for ((server, statuses), (_, through)) in servers.iter().zip(&answered).zip(&saw) {
        for (number, (case, status)) in cases.iter().zip(statuses).enumerate() {
            let seen: Vec<_> = of(through, number).collect();
            if !(case.fate.is_told(*status) && has_arrived(case, &seen, &host(server))) {
                wrong.push(format!("`{}`, {}: {status}, {seen:#?}", case.name, server.name));
            }
        }
        let of_cases = (0..cases.len()).flat_map(|number| of(through, number)).count();
        assert_eq!(of_cases, through.len(), "{} saw what nobody sent", server.name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for server in &servers {
        decided(&marque, server, &cases);
    }
    let straight = saw.each_ref().map(|(straight, _)| straight.as_slice());
    let doubtful = doubtful(&cases, &straight);
    let told = format!("{} cases, {} read differently by servers", cases.len(), doubtful.len());
    let _ = std::io::stderr().write_all(format!("{told}\n").as_bytes());
    assert!(doubtful.len() >= DOUBTFUL_MIN, "{told}: {doubtful:#?}");
}

/// A run whose agent may do anything below `/v1` at each server.
fn connects(marque: &Marque, servers: &[Server]) -> (Run, Proxy) {
    marque.cli(&["agent", "add", "bot", "--purpose", "stories"]).ok();
    let secret = marque.write("secret", CREDENTIAL);
    let secret = secret.to_str().unwrap();
    let mut grant = ["grant", "add", "bot", "--until", "1d"].map(str::to_owned).to_vec();
    for server in servers {
        let (host, pin) = (host(server), server.through.to_string());
        let words = ["connection", "add", server.name, "--plain-http", "--host", &host];
        let bearer = ["--pin", &pin, "--bearer", "--secret-file", secret];
        marque.cli(&[&words[..], &bearer].concat()).ok();
        for method in ["GET", "HEAD", "OPTIONS", "POST", "DELETE"] {
            grant.extend(["--allow".to_owned(), format!("{}:{method} /v1/**", server.name)]);
        }
    }
    marque.cli(&grant.iter().map(String::as_str).collect::<Vec<_>>()).ok();
    let mut run = Run::open(marque, &["--agent", "bot", "--task", "ticket:OPS-12"]);
    let proxy = run.proxy();
    (run, proxy)
}

fn host(server: &Server) -> String {
    format!("{}.test", server.name)
}

/// Sends every case both ways; the status of each through Marque, or nought.
fn tries(server: &Server, cases: &[Case], proxy: &Proxy) -> Vec<u16> {
    let host = host(server);
    let at = format!("http://{host}");
    let tried = cases.iter().enumerate().map(|(number, case)| {
        let own = format!("X-Case: {number}\r\n");
        let names = Names { at: "", host: &host, fields: own.clone() };
        server.hears(&case.bytes(&names));
        let names = Names { at: &at, host: &host, fields: own + &proxy.proof() };
        asks(proxy, case, &case.bytes(&names))
    });
    tried.collect()
}

fn asks(proxy: &Proxy, case: &Case, bytes: &[u8]) -> u16 {
    let mut stream = proxy.connects();
    // So that a body nobody can read follows a head that was decided.
    let is_cut = case.fate == Fate::Unfinished;
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let (first, rest) = bytes.split_at(end.filter(|_| is_cut).map_or(bytes.len(), |end| end + 4));
    let _ = stream.write_all(first);
    if !rest.is_empty() {
        thread::sleep(QUIET / 5);
        // It may break off in the middle.
        let _ = stream.write_all(rest);
    }
    let (mut answer, mut room) = (Vec::new(), [0; 4096]);
    stream.set_read_timeout(Some(if is_cut { QUIET } else { PATIENCE })).unwrap();
    while let Ok(length @ 1..) = stream.read(&mut room) {
        answer.extend_from_slice(&room[..length]);
        stream.set_read_timeout(Some(QUIET)).unwrap();
    }
    let text = String::from_utf8_lossy(&answer);
    text.get(9..12).map_or(0, |status| status.parse().unwrap())
}

fn of(saw: &[Seen], number: usize) -> impl Iterator<Item = &Seen> {
    let case = number.to_string();
    saw.iter().filter(move |seen| seen.case == case)
}

/// Whether a server saw behind Marque what it should, and acts on nothing else.
fn has_arrived(case: &Case, seen: &[&Seen], host: &str) -> bool {
    let none = Vec::new();
    let sent = if let Fate::Sent(sent) = &case.fate { sent } else { &none };
    let whole: Vec<_> = seen.iter().filter(|seen| seen.reading().is_some()).collect();
    // What it did not take for a request is only ever what Marque itself broke off.
    let all_whole = case.fate == Fate::Unfinished || whole.len() == seen.len();
    let is_same = |(seen, sent): (&&Seen, &Sent)| {
        let path = decoded(sent.path());
        let acted_on = (sent.method.as_str(), path.as_str(), sent.body.as_str());
        let is_once = |name: &&str| seen.fields.iter().filter(|field| field == name).count() <= 1;
        seen.reading() == Some(acted_on)
            && (seen.target.as_str(), seen.host.as_str()) == (&sent.target, host)
            && ONCE.iter().all(is_once)
    };
    all_whole && whole.len() == sent.len() && whole.iter().copied().zip(sent).all(is_same)
}

impl Fate {
    /// Whether a client was told this.
    fn is_told(&self, status: u16) -> bool {
        match self {
            Self::Sent(_) => [100, 200].contains(&status),
            Self::Refused(wanted) => status == *wanted,
            Self::Unfinished => status != 200,
        }
    }
}

impl Sent {
    fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }
}

/// Asserts that the log holds these requests to that server, in their order, and no other.
fn decided(marque: &Marque, server: &Server, cases: &[Case]) {
    let words = ["log", "query", "--event", "decided", "--answer", "allowed", "--limit", "10000"];
    let entries = marque.json(&[&words[..], &["--connection", server.name]].concat());
    let of_entry = |entry: &Json| {
        let operation = &entry["event"]["operation"];
        assert_eq!(operation["target"], format!("http://{}:80", host(server)), "{entry}");
        let text = |value: &Json| value.as_str().unwrap().to_owned();
        let has_query = operation["has_query"].as_bool().unwrap();
        (text(&operation["name"]), text(&operation["resource"][0]), has_query)
    };
    let entries = entries.as_array().unwrap().iter().map(of_entry);
    let is_unfinished = |(_, path, _): &(String, String, bool)| path == "/v1/unfinished";
    let (unfinished, entries): (Vec<_>, Vec<_>) = entries.partition(is_unfinished);
    let sent = cases.iter().flat_map(|case| match &case.fate {
        Fate::Sent(sent) => sent.as_slice(),
        _ => &[],
    });
    let expected =
        sent.map(|sent| (sent.method.clone(), sent.path().to_owned(), sent.target.contains('?')));
    assert_eq!(entries, expected.collect::<Vec<_>>(), "decided for {}", server.name);
    let cut = cases.iter().filter(|case| case.fate == Fate::Unfinished).count();
    assert!((1..=cut).contains(&unfinished.len()), "{} of {cut}", unfinished.len());
}

/// The names of the cases of which the servers, asked without Marque, do not all see the same.
fn doubtful<'a>(cases: &'a [Case], straight: &[&[Seen]]) -> Vec<&'a str> {
    let readings = |saw: &[Seen], number| -> Vec<_> {
        let read = of(saw, number).filter_map(Seen::reading);
        read.map(|(method, path, body)| [method, path, body].map(str::to_owned)).collect()
    };
    let named = cases.iter().enumerate().filter(|(number, _)| {
        straight.iter().map(|saw| readings(saw, *number)).collect::<BTreeSet<_>>().len() > 1
    });
    named.map(|(_, case)| case.name.as_str()).collect()
}
