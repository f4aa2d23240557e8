use proptest::prelude::{Just, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::select;

use crate::testing::{Told, file};
use crate::{PolicySet, Ruling};

const AGENTS: [&str; 4] = ["triage", "billing", "deploy", "unheard-of"];
const CONNECTIONS: [&str; 4] = ["bank", "shop", "status", "unheard-of"];

fn named(names: &'static [&'static str], kind: &str) -> impl Strategy<Value = String> + use<> {
    let kind = kind.to_owned();
    select(&names[..3]).prop_map(move |name| format!("Marque::{kind}::\"{name}\""))
}

fn principal() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("principal".to_owned()),
        Just("principal is Marque::Agent".to_owned()),
        named(&AGENTS, "Agent").prop_map(|agent| format!("principal == {agent}")),
        named(&AGENTS, "Agent").prop_map(|agent| format!("principal in {agent}")),
        named(&AGENTS, "Agent").prop_map(|agent| format!("principal is Marque::Agent in {agent}")),
    ]
}

fn action() -> impl Strategy<Value = String> {
    let single = select(vec!["http:GET", "http:POST", "http:DELETE", "net:connect"]);
    let group = select(vec!["read", "write", "unclassified", "http", "net", "http:PUT"]);
    let quoted = |word: &str| format!("Marque::Action::\"{word}\"");
    prop_oneof![
        Just("action".to_owned()),
        single.prop_map(move |word| format!("action == {}", quoted(word))),
        group.clone().prop_map(move |word| format!("action in {}", quoted(word))),
        prop::collection::vec(group, 1..4).prop_map(move |words| {
            let all: Vec<String> = words.into_iter().map(quoted).collect();
            format!("action in [{}]", all.join(", "))
        }),
    ]
}

fn resource() -> impl Strategy<Value = String> {
    let one = |name: &str, path: &str| format!("Marque::Resource::\"{name} {path}\"");
    prop_oneof![
        Just("resource".to_owned()),
        Just("resource is Marque::Resource".to_owned()),
        named(&CONNECTIONS, "Connection").prop_map(|name| format!("resource in {name}")),
        named(&CONNECTIONS, "Connection")
            .prop_map(|name| format!("resource is Marque::Resource in {name}")),
        (select(&CONNECTIONS[..3]), select(vec!["/a", "/b"]))
            .prop_map(move |(name, path)| format!("resource == {}", one(name, path))),
        (select(&CONNECTIONS[..3]), select(vec!["/a", "/b"]))
            .prop_map(move |(name, path)| format!("resource in {}", one(name, path))),
    ]
}

fn policy() -> impl Strategy<Value = String> {
    let condition = select(vec![
        "",
        " when { context.now.hour < 12 }",
        " unless { context.trust.score > 50 }",
        " when { context.now.epoch_secs * context.now.epoch_secs * (context.trust.score - 9) > 0 }",
    ]);
    (any::<bool>(), principal(), action(), resource(), condition).prop_map(
        |(asks, principal, action, resource, condition)| {
            let annotation = if asks { "@ask(\"look\") " } else { "" };
            format!("{annotation}forbid({principal}, {action}, {resource}){condition};")
        },
    )
}

fn told() -> impl Strategy<Value = Told> {
    let operations = vec!["GET", "POST", "PUT", "DELETE", "connect"];
    let times = vec!["2026-03-04T03:00:00Z", "2026-03-04T15:00:00Z", "2050-01-01T00:00:00Z"];
    (
        select(&AGENTS[..]),
        select(&CONNECTIONS[..]),
        select(operations),
        select(vec!["/a", "/b", "/c"]),
        select(times),
        select(vec![10, 90]),
    )
        .prop_map(|(agent, connection, operation, path, now, trust)| {
            let told = Told {
                agent: agent.to_owned(),
                connection: connection.to_owned(),
                operation: operation.to_owned(),
                resource: vec![path.to_owned()],
                now: now.to_owned(),
                trust,
                ..Told::default()
            };
            match operation {
                "connect" => Told { service: marque_domain::Service::Net, ..told },
                _ => told,
            }
        })
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(48))]

    #[test]
    fn the_index_never_drops_a_policy_that_matters(
        policies in prop::collection::vec(policy(), 1..24),
        asked in prop::collection::vec(told(), 1..24),
    ) {
        // Some random heads can match nothing and are refused at load, rightly.
        let kept: Vec<String> = policies
            .into_iter()
            .filter(|policy| PolicySet::load(&[file(policy)]).is_ok())
            .collect();
        let set = PolicySet::load(&[file(&kept.join("\n"))]).unwrap();
        for told in asked {
            let scene = told.scene();
            let facts = scene.facts();
            let whole = if set.is_empty() { Ruling::Pass } else { set.evaluate_unsliced(&facts) };
            prop_assert_eq!(set.evaluate(&facts), whole.clone());
            // And once more, from the cache.
            prop_assert_eq!(set.evaluate(&facts), whole);
        }
    }
}
