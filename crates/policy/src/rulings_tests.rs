//! Rulings that are kept: they are what Cedar would answer, whoever asks and in whatever order.

use std::convert::Infallible;

use marque_domain::{Body, Service, Tier};
use proptest::prelude::{Strategy, prop, prop_assert_eq, proptest};
use proptest::sample::{select, subsequence};

use crate::Ruling;
use crate::asked::{Asked, FACTS};
use crate::brief::Brief;
use crate::rulings::Rulings;
use crate::testing::{Told, ruled, set};

type Change = fn(&mut Told);

/// One thing told otherwise each, and what is true of it then and not before. Together they name
/// every fact.
const CHANGES: [(&str, Change); 29] = [
    (r#"principal.name == "billing""#, |told| told.agent = "billing".into()),
    (r#"principal == Marque::Agent::"billing""#, |told| told.agent = "billing".into()),
    (r#"principal.owner == Marque::User::"bob""#, |told| told.owner = "bob".into()),
    (r#"principal.purpose == "pays""#, |told| told.purpose = "pays".into()),
    (r#"resource.connection.name == "shop""#, |told| told.connection = "shop".into()),
    (r#"resource in Marque::Connection::"shop""#, |told| told.connection = "shop".into()),
    (r#"resource.connection == Marque::Connection::"shop""#, |told| {
        told.connection = "shop".into();
    }),
    (r#"resource.connection.service == Marque::Service::"git""#, |told| {
        (told.service, told.operation) = (Service::Git, "git.push".into());
    }),
    (r#"action == Marque::Action::"http:POST""#, |told| told.operation = "POST".into()),
    (r#"resource.path == "/b""#, |told| told.resource = vec!["/b".into()]),
    (r#"resource == Marque::Resource::"bank /b""#, |told| told.resource = vec!["/b".into()]),
    (r#"resource.name == "main""#, |told| told.resource.push("Main".into())),
    (r#"resource.parts.contains("x")"#, |told| told.resource.push("x".into())),
    (r#"resource.host == "b.test""#, |told| told.host = "b.test".into()),
    ("resource.port == 8443", |told| told.port = 8443),
    ("context.now.hour == 13", |told| told.now = "2026-03-04T13:00:00Z".into()),
    ("context.now.weekday == 4", |told| told.now = "2026-03-05T12:00:00Z".into()),
    ("context.now.epoch_secs > 1772625600", |told| told.now = "2026-03-04T12:00:01Z".into()),
    (r#"context.run.task == "ticket:OPS-13""#, |told| told.task = "ticket:OPS-13".into()),
    (r#"context.run.tier == Marque::Tier::"advisory""#, |told| told.tier = Tier::Advisory),
    ("context.run.delegated", |told| told.on_behalf_of = Some("bob".into())),
    ("context.run has on_behalf_of", |told| told.on_behalf_of = Some("bob".into())),
    ("context.run.depth == 2", |told| told.depth = 2),
    (r#"context.run.opened_by == Marque::User::"bob""#, |told| told.opened_by = "bob".into()),
    ("context.trust.score == 89", |told| told.trust = 89),
    (r#"context.trust.level == Marque::TrustLevel::"pending""#, |told| told.trust = 50),
    (r#"context.operation.scheme == "http""#, |told| told.scheme = "http".into()),
    ("context.operation.has_query", |told| told.query = Some("a=1".into())),
    (r#"context.operation.body == Marque::Body::"bound""#, |told| told.body = Body::Bound),
];

fn forbidding(condition: &str) -> String {
    format!("forbid(principal, action, resource) when {{ {condition} }};")
}

#[test]
fn whatever_is_told_otherwise_is_never_answered_by_what_is_kept() {
    for (condition, change) in CHANGES {
        let policies = set(&forbidding(condition));
        let mut other = Told::default();
        change(&mut other);
        for _ in 0..2 {
            assert_eq!(ruled(&policies, &Told::default()), Ruling::Pass, "{condition}");
            let answer = ruled(&policies, &other);
            assert!(matches!(answer, Ruling::Forbid { .. }), "{condition}: {answer:?}");
        }
        assert_eq!(policies.rulings.count(), 2, "{condition}");
    }
    for (_, fact) in FACTS {
        let is_named = |(condition, _): &(&str, Change)| {
            condition
                .split(|letter: char| letter != '_' && !letter.is_alphabetic())
                .any(|word| word == fact)
        };
        assert!(CHANGES.iter().any(is_named), "no change is one of `{fact}`");
    }
}

#[test]
fn what_nobody_asks_about_does_not_tell_two_calls_apart() {
    let policies = set(&forbidding("context.trust.score < 5"));
    let later =
        Told { now: "2026-03-05T13:30:01Z".into(), host: "b.test".into(), ..Told::default() };
    for told in [Told::default(), later] {
        assert_eq!(ruled(&policies, &told), Ruling::Pass);
    }
    assert_eq!(policies.rulings.count(), 1);
}

#[test]
fn parts_that_read_alike_are_told_apart() {
    let policies = set(&forbidding(r#"resource.parts.contains("a b")"#));
    let of = |parts: &[&str]| {
        let resource = parts.iter().map(|part| (*part).to_owned()).collect();
        ruled(&policies, &Told { resource, ..Told::default() })
    };
    for _ in 0..2 {
        assert_eq!(of(&["a", "b"]), Ruling::Pass);
        assert!(matches!(of(&["a b"]), Ruling::Forbid { .. }));
    }
}

#[test]
fn a_ruling_without_an_answer_is_not_kept() {
    let policies = set(&forbidding("context.trust.score * 9223372036854775807 > 0"));
    assert!(matches!(ruled(&policies, &Told::default()), Ruling::Error { .. }));
    assert_eq!(policies.rulings.count(), 0);
}

#[test]
fn what_is_kept_stays_within_its_bounds() {
    let policies = set(&forbidding(r#"resource.path == "/x""#));
    let path = |path: String| Told { resource: vec![path], ..Told::default() };
    for number in 0..10_000 {
        ruled(&policies, &path(format!("/{number}")));
    }
    let kept = policies.rulings.count();
    assert!((4_000..=8_192).contains(&kept), "{kept}");
    let long = set(&forbidding(r#"resource.path == "/x""#));
    ruled(&long, &path(format!("/{}", "a".repeat(512))));
    assert_eq!(long.rulings.count(), 0);
    let wordy = format!("@reason(\"{}\") forbid(principal, action, resource);", "w".repeat(512));
    let wordy = set(&wordy);
    assert!(matches!(ruled(&wordy, &Told::default()), Ruling::Forbid { .. }));
    assert_eq!(wordy.rulings.count(), 0);
}

#[test]
fn what_is_asked_again_stays_whatever_else_is_asked_once() {
    let rulings = Rulings::default();
    let passes = |path: String| {
        let scene = Told { resource: vec![path], ..Told::default() }.scene();
        let action = scene.facts().action().unwrap();
        let brief = Brief::of(&scene.facts(), action, Asked::EVERYTHING);
        let mut was_asked = false;
        let answer = rulings.get(&brief, || {
            was_asked = true;
            Ok::<_, Infallible>(Ruling::Pass)
        });
        assert_eq!(answer, Ok(Ruling::Pass));
        was_asked
    };
    let mut lost = 0;
    for number in 0..20_000 {
        passes(format!("/{number}"));
        if number % 100 == 0 {
            lost += usize::from(passes("/often".to_owned()));
        }
    }
    assert!(lost <= 10, "Cedar was asked {lost} times of 200");
}

fn policies() -> impl Strategy<Value = String> {
    let one = (select(&CHANGES[..]), select(vec!["", "@ask(\"look\") "]));
    let one = one.prop_map(|((condition, _), asks)| asks.to_owned() + &forbidding(condition));
    prop::collection::vec(one, 1..6).prop_map(|all| all.join("\n"))
}

fn told() -> impl Strategy<Value = Told> {
    subsequence(&CHANGES[..], 0..=4).prop_map(|changes| {
        let mut told = Told::default();
        for (_, change) in changes {
            change(&mut told);
        }
        // A change of service is one of operations too, whatever else was changed.
        if told.service == Service::Git {
            told.operation = "git.push".into();
        }
        told
    })
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]

    #[test]
    fn a_set_that_was_asked_before_answers_as_one_that_was_not(
        text in policies(),
        asked in prop::collection::vec(told(), 1..24),
    ) {
        let old = set(&text);
        for told in asked.iter().chain(&asked) {
            prop_assert_eq!(ruled(&old, told), ruled(&set(&text), told));
        }
    }
}
