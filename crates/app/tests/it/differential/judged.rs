//! What must hold of each case, and what servers differ on.

use std::collections::BTreeSet;

use super::super::support::{Json, Marque};
use super::cases::{Case, Fate, Sent};
use super::servers::{Seen, Server, decoded};
use super::way::{Protocol, Way};

/// Fields that frame, route or authorise.
const ONCE: [&str; 8] = [
    "host",
    "content-length",
    "transfer-encoding",
    "authorization",
    "expect",
    ":authority",
    ":method",
    ":path",
];

/// What a server saw of the case of that number.
pub(super) fn of(saw: &[Seen], number: usize) -> impl Iterator<Item = &Seen> {
    let case = number.to_string();
    saw.iter().filter(move |seen| seen.case == case)
}

/// Whether a server saw behind Marque what it should, and acts on nothing else.
pub(super) fn has_arrived(case: &Case, seen: &[&Seen], host: &str, way: Way) -> bool {
    let none = Vec::new();
    let sent = if let Fate::Sent(sent) = &case.fate { sent } else { &none };
    let whole: Vec<_> = seen.iter().filter(|seen| seen.reading().is_some()).collect();
    // What it did not take for a request is only ever what Marque itself broke off.
    let all_whole = case.fate == Fate::Unfinished || whole.len() == seen.len();
    let is_same = |(seen, sent): (&&Seen, &Sent)| {
        let path = decoded(sent.path());
        // A cookie is a credential, and no run has one of its own.
        let acted_on = [sent.method.as_str(), host, &path, "", &sent.body];
        let is_once = |name: &&str| seen.fields.iter().filter(|field| field == name).count() <= 1;
        seen.reading() == Some(acted_on)
            && seen.target == sent.target
            && seen.version == way.upstream().digit()
            && ONCE.iter().all(is_once)
    };
    all_whole && whole.len() == sent.len() && whole.iter().copied().zip(sent).all(is_same)
}

impl Fate {
    /// Whether a client was told this.
    pub(super) fn is_told(&self, status: u16) -> bool {
        match self {
            Self::Sent(_) => [100, 200].contains(&status),
            Self::Refused(Some(wanted)) => status == *wanted,
            Self::Refused(None) | Self::Unfinished => status != 200,
        }
    }
}

impl Sent {
    fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }
}

/// Asserts that the log holds these requests to that server, and no other.
pub(super) fn decided(marque: &Marque, server: &Server, cases: &[Case], way: Way) {
    let origin = format!("{}:{}", way.origin(&server.host()), way.port());
    let words = ["log", "query", "--event", "decided", "--answer", "allowed", "--limit", "10000"];
    let entries = marque.json(&[&words[..], &["--connection", server.name]].concat());
    let of_entry = |entry: &Json| {
        let operation = &entry["event"]["operation"];
        assert_eq!(operation["target"], origin, "{entry}");
        let text = |value: &Json| value.as_str().unwrap().to_owned();
        let has_query = operation["has_query"].as_bool().unwrap();
        (text(&operation["name"]), text(&operation["resource"][0]), has_query)
    };
    let entries = entries.as_array().unwrap().iter().map(of_entry);
    let is_unfinished = |(_, path, _): &(String, String, bool)| path == "/v1/unfinished";
    let (unfinished, mut entries): (Vec<_>, Vec<_>) = entries.partition(is_unfinished);
    let sent = cases.iter().flat_map(|case| match &case.fate {
        Fate::Sent(sent) => sent.as_slice(),
        _ => &[],
    });
    let expected =
        sent.map(|sent| (sent.method.clone(), sent.path().to_owned(), sent.target.contains('?')));
    let mut expected: Vec<_> = expected.collect();
    entries.sort();
    expected.sort();
    assert_eq!(entries, expected, "decided for {}", server.name);
    let cut = cases.iter().filter(|case| case.fate == Fate::Unfinished).count();
    assert!((1..=cut).contains(&unfinished.len()), "{} of {cut}", unfinished.len());
}

/// How many cases there are in a protocol, and the names of those of which the servers, asked
/// without Marque, do not all see the same.
pub(super) fn doubtful<'a>(
    cases: &'a [Case],
    protocol: Protocol,
    straight: &[&[Seen]],
) -> (usize, Vec<&'a str>) {
    // Each goes by a name of its own.
    let readings = |saw: &[Seen], number: usize| -> Vec<_> {
        let read = of(saw, number).filter_map(Seen::reading);
        read.map(|[method, _, path, cookie, body]| [method, path, cookie, body].map(str::to_owned))
            .collect()
    };
    let asked: Vec<_> =
        cases.iter().enumerate().filter(|(_, case)| case.protocol == protocol).collect();
    let named = asked.iter().filter(|(number, _)| {
        straight.iter().map(|saw| readings(saw, *number)).collect::<BTreeSet<_>>().len() > 1
    });
    (asked.len(), named.map(|(_, case)| case.name.as_str()).collect())
}
