//! Asked: which facts policies can ask about, so that a decision spells out those and no others.
//!
//! INVARIANT: what is said here may be too much, never too little. A fact that a policy asks about
//! and is not told makes an error of it, and so a refusal.

use cedar_policy::Policy;
use serde_json::Value;

/// A fact that has a name in the schema. One name stands for every type that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fact {
    Name,
    Owner,
    Purpose,
    Service,
    Connection,
    Path,
    Parts,
    Host,
    Port,
    Now,
    Hour,
    Weekday,
    EpochSecs,
    Run,
    Task,
    Tier,
    Delegated,
    OnBehalfOf,
    Depth,
    OpenedBy,
    Trust,
    Score,
    Level,
    Operation,
    Scheme,
    HasQuery,
    Body,
}

/// Every fact with its name.
pub(crate) const FACTS: [(Fact, &str); 27] = [
    (Fact::Name, "name"),
    (Fact::Owner, "owner"),
    (Fact::Purpose, "purpose"),
    (Fact::Service, "service"),
    (Fact::Connection, "connection"),
    (Fact::Path, "path"),
    (Fact::Parts, "parts"),
    (Fact::Host, "host"),
    (Fact::Port, "port"),
    (Fact::Now, "now"),
    (Fact::Hour, "hour"),
    (Fact::Weekday, "weekday"),
    (Fact::EpochSecs, "epoch_secs"),
    (Fact::Run, "run"),
    (Fact::Task, "task"),
    (Fact::Tier, "tier"),
    (Fact::Delegated, "delegated"),
    (Fact::OnBehalfOf, "on_behalf_of"),
    (Fact::Depth, "depth"),
    (Fact::OpenedBy, "opened_by"),
    (Fact::Trust, "trust"),
    (Fact::Score, "score"),
    (Fact::Level, "level"),
    (Fact::Operation, "operation"),
    (Fact::Scheme, "scheme"),
    (Fact::HasQuery, "has_query"),
    (Fact::Body, "body"),
];

/// A set of facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked(u32);

impl Fact {
    /// Its name in the schema.
    pub(crate) fn word(self) -> &'static str {
        FACTS.get(self as usize).map_or("", |(_, word)| word)
    }
}

impl Asked {
    pub(crate) const NOTHING: Self = Self(0);
    pub(crate) const EVERYTHING: Self = Self(u32::MAX);

    /// What the conditions of a policy can ask about.
    pub(crate) fn of(policy: &Policy) -> Self {
        let Ok(written) = policy.to_json() else { return Self::EVERYTHING };
        written.get("conditions").map_or(Self::EVERYTHING, asked_in)
    }

    /// This and the other.
    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The facts, one bit each.
    pub(crate) fn bits(self) -> u32 {
        self.0
    }

    pub(crate) fn is_about(self, fact: Fact) -> bool {
        self.0 & 1 << fact as u32 != 0
    }

    // Whatever has no name here is used in a way that is not looked into.
    fn named(word: &str) -> Self {
        let fact = FACTS.iter().find(|(_, known)| *known == word);
        fact.map_or(Self::EVERYTHING, |(fact, _)| Self(1 << *fact as u32))
    }
}

/// What a part of a policy asks about, which is not the left side of a dot.
fn asked_in(part: &Value) -> Asked {
    match part {
        Value::Array(parts) => all(parts.iter().map(asked_in)),
        Value::Object(members) => {
            all(members.iter().map(|(name, inside)| match (name.as_str(), inside) {
                ("Var", Value::String(which)) if which == "context" => Asked::EVERYTHING,
                ("Value", _) => Asked::NOTHING,
                // Its members may be called anything.
                ("Record", _) => Asked::EVERYTHING,
                ("." | "has", inside) => attribute(name, inside),
                (_, inside) => asked_in(inside),
            }))
        }
        _ => Asked::NOTHING,
    }
}

/// `left.attr` or `left has attr`.
fn attribute(operator: &str, inside: &Value) -> Asked {
    let (Some(left), Some(word)) = (inside.get("left"), inside.get("attr").and_then(Value::as_str))
    else {
        return Asked::EVERYTHING;
    };
    let asked = Asked::named(word);
    if is_context(left) {
        // A record that is used whole, unless only its presence is asked.
        return if operator == "has" { asked } else { Asked::EVERYTHING };
    }
    let record = left.get(".").filter(|dot| dot.get("left").is_some_and(is_context));
    match record.and_then(|dot| dot.get("attr")).and_then(Value::as_str) {
        Some(record) => asked.and(Asked::named(record)),
        None => asked.and(asked_in(left)),
    }
}

fn is_context(part: &Value) -> bool {
    part.get("Var").and_then(Value::as_str) == Some("context")
}

fn all(parts: impl Iterator<Item = Asked>) -> Asked {
    parts.fold(Asked::NOTHING, Asked::and)
}

#[cfg(test)]
mod tests {
    use cedar_policy::Policy;

    use super::{Asked, FACTS, Fact};
    use crate::schema::schema_text;

    fn asked(condition: &str) -> Asked {
        let text = format!("forbid(principal, action, resource) when {{ {condition} }};");
        Asked::of(&Policy::parse(None, &text).unwrap())
    }

    fn named(words: &[&str]) -> Asked {
        words.iter().fold(Asked::NOTHING, |asked, word| asked.and(Asked::named(word)))
    }

    #[test]
    fn a_fact_counts_wherever_a_policy_names_it() {
        for (condition, words) in [
            ("true", &[][..]),
            ("context.now.hour < 6", &["now", "hour"]),
            ("!(context.run.task like \"a.b*\")", &["run", "task"]),
            ("context.run has on_behalf_of", &["run", "on_behalf_of"]),
            ("context has trust && context.trust.score < 5", &["trust", "score"]),
            ("resource.connection.service == Marque::Service::\"git\"", &["connection", "service"]),
            (
                "if principal.name == resource.name then true else resource.port > 1",
                &["name", "port"],
            ),
            ("[\"x\"].contains(resource.host)", &["host"]),
            ("principal == Marque::Agent::\"context\"", &[]),
            ("resource.parts.contains(\"context.now\")", &["parts"]),
        ] {
            assert_eq!(asked(condition), named(words), "{condition}");
        }
    }

    #[test]
    fn where_a_record_is_used_whole_everything_counts() {
        for condition in [
            "context == {}",
            "context.now == context.now",
            "(if true then context.run else context.run).depth > 1",
            "{a: context}.a.now.hour > 1",
            "[context.trust].contains(context.trust)",
            "context[\"now\"] == {hour: 1}",
        ] {
            assert_eq!(asked(condition), Asked::EVERYTHING, "{condition}");
        }
    }

    #[test]
    fn every_attribute_of_the_schema_has_its_fact() {
        for line in schema_text().lines() {
            let line = line.trim();
            let attribute = line.split_once(": ").filter(|_| !line.starts_with("//"));
            if let Some((word, _)) = attribute.filter(|(word, _)| !word.contains(' ')) {
                let word = word.trim_end_matches('?');
                assert!(FACTS.iter().any(|(_, known)| *known == word), "`{word}` is no fact");
            }
        }
        for (place, (fact, word)) in FACTS.into_iter().enumerate() {
            assert_eq!((fact as usize, fact.word()), (place, word));
        }
        assert!(named(&["hour"]).is_about(Fact::Hour) && !named(&["hour"]).is_about(Fact::Now));
    }
}
