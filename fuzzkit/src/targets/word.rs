//! Words that people and programs write: names, ids, moments, spans, sizes, patterns, lines. What
//! is read prints in one spelling, which reads the same.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use marque_domain::permission::Registered;
use marque_domain::size::{parse_size, print_size};
use marque_domain::time::{parse_span, print_span};
use marque_domain::{
    Approval, Connection, Digest, FactRef, Id, Name, Pattern, Permission, Run, Service, TaskRef,
    Tier, Timestamp, UserName,
};
use marque_store::DatabaseUrl;

pub(super) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let (first, second) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    exactly::<Name>(first);
    exactly::<UserName>(first);
    exactly::<TaskRef>(first);
    exactly::<Id<Run>>(first);
    exactly::<Id<Approval>>(first);
    exactly::<Digest>(first);
    exactly::<Tier>(first);
    exactly::<FactRef>(first);
    if let Ok(moment) = first.parse::<Timestamp>() {
        assert_eq!(moment.to_string().parse(), Ok(moment));
    }
    if let Ok(span) = parse_span(first) {
        assert_eq!(parse_span(&print_span(span)), Ok(span));
    }
    if let Ok(bytes) = parse_size(first) {
        assert_eq!(parse_size(&print_size(bytes)), Ok(bytes));
    }
    if let (Ok(one), Ok(other)) = (Pattern::parse(first), Pattern::parse(second)) {
        patterns(&one, &other, first);
    }
    permission(first);
    if let Ok(url) = DatabaseUrl::parse(first) {
        assert!(url.place().contains('/'), "a place names no database");
    }
}

/// One spelling only: what is read is what was written.
fn exactly<T: FromStr + Display + Debug>(text: &str) {
    if let Ok(read) = text.parse::<T>() {
        assert_eq!(read.to_string(), text, "{} has two spellings", std::any::type_name::<T>());
    }
}

fn patterns(one: &Pattern, other: &Pattern, text: &str) {
    assert_eq!(Pattern::parse(&one.to_string()).as_ref(), Ok(one), "printed, it is another");
    assert!(one.contains(one), "a pattern does not contain itself");
    if !text.contains('*') {
        assert!(one.matches(text), "a resource does not match itself");
    }
    if one.contains(other) && !text.contains('*') {
        assert!(other.contains(one), "one resource contains more than itself");
    }
    let Ok(common) = one.intersect(other) else { return };
    let resources = [one, other].into_iter().chain(&common).flat_map(resources);
    for resource in resources.chain([text.to_owned()]).filter(|text| !text.contains('*')) {
        let both = one.matches(&resource) && other.matches(&resource);
        let narrowed = common.iter().any(|pattern| pattern.matches(&resource));
        assert_eq!(narrowed, both, "narrowing is wrong about `{resource}`");
    }
}

/// Some of what a pattern may match.
fn resources(pattern: &Pattern) -> [String; 2] {
    let text = pattern.to_string();
    [text.replace("**", "a/b").replace('*', "a"), text.replace("**", "b").replace('*', "b")]
}

fn permission(line: &str) {
    let services = [("github", Service::Git), ("tracker", Service::Http), ("net", Service::Net)];
    let find = |name: &str| {
        let (_, service) = services.into_iter().find(|(known, _)| *known == name)?;
        let id: Id<Connection> = "con_00000000000000000000000001".parse().ok()?;
        Some(Registered { name: name.parse().ok()?, id, service })
    };
    let Ok(meant) = Permission::parse(line, find) else { return };
    assert!(!meant.is_empty(), "a line that means nothing passed");
    for permission in &meant {
        let again = Permission::parse(&permission.to_string(), find);
        assert_eq!(
            again.as_deref(),
            Ok(std::slice::from_ref(permission)),
            "it prints another line"
        );
    }
}
