//! What many policies cost, counted, and what a pattern made to be slow costs, compared in one run.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "how long the engine takes can only be told by a clock"
)]

use std::time::{Duration, Instant};

use super::{PolicySet, PolicySource};
use crate::Ruling;
use crate::testing::{Told, ruled, set};

const POLICIES: usize = 10_000;

/// One policy for each of many agents, in files that are not too large, and one for everybody.
fn many() -> PolicySet {
    let line = |number: usize| {
        format!(
            "forbid(principal == Marque::Agent::\"agent-{number}\", \
             action == Marque::Action::\"http:GET\", resource);\n"
        )
    };
    let everybody = "@ask(\"by night\") forbid(principal, action, resource) \
        when { context.now.hour < 6 };";
    let mut files = vec![PolicySource { name: "all".to_owned(), text: everybody.to_owned() }];
    for file in 0..4 {
        let text = (file..POLICIES).step_by(4).map(line).collect();
        files.push(PolicySource { name: format!("agents-{file}"), text });
    }
    PolicySet::load(&files).unwrap()
}

/// How many policies Cedar was given for what was just told; the slice is the one it was given.
fn given(set: &PolicySet, told: &Told) -> Option<usize> {
    ruled(set, told);
    let scene = told.scene();
    let facts = scene.facts();
    let (place, _) = facts.action().unwrap();
    let key = set.index.key(facts.agent.name.as_str(), place, facts.connection.name.as_str());
    let kept = set.slices.get(key, || Err("the decision did not keep its slice"));
    kept.unwrap().map(|slice| slice.policies.num_of_policies())
}

// threat 161
#[test]
fn of_ten_thousand_policies_a_decision_is_given_those_whose_head_speaks_of_it() {
    let set = many();
    assert_eq!(set.len(), POLICIES + 1);
    let told = |agent: &str, operation: &str| Told {
        agent: agent.to_owned(),
        operation: operation.to_owned(),
        ..Told::default()
    };
    // The base policy, the one for everybody, and the agent's own.
    assert_eq!(given(&set, &told("agent-7777", "GET")), Some(3));
    assert_eq!(given(&set, &told("agent-7777", "POST")), Some(2));
    assert_eq!(given(&set, &told("nobody-speaks-of", "GET")), Some(2));
    assert!(matches!(ruled(&set, &told("agent-7777", "GET")), Ruling::Forbid { .. }));
    assert_eq!(ruled(&set, &told("nobody-speaks-of", "GET")), Ruling::Pass);
}

/// The shortest of a few tries, since others use the machine as well.
fn takes(set: &PolicySet, told: &Told) -> Duration {
    let scene = told.scene();
    let once = || {
        let begun = Instant::now();
        assert_eq!(set.evaluate(&scene.facts()), Ruling::Pass);
        begun.elapsed()
    };
    std::iter::repeat_with(once).take(5).min().unwrap()
}

// threat 160: `like` is all there is. A matcher that tries every way to share the text among the
// stars takes longer for 40 letters than anybody waits; one that does not grows with the text.
#[test]
fn a_pattern_made_to_be_slow_grows_with_the_path_and_not_beyond_it() {
    let pattern = "*a".repeat(24);
    let set = set(&format!(
        "forbid(principal, action, resource) when {{ resource.path like \"{pattern}b\" }};"
    ));
    let path = |letters: usize| Told {
        resource: vec![format!("/{}", "a".repeat(letters))],
        ..Told::default()
    };
    let (short, long) = (takes(&set, &path(500)), takes(&set, &path(4_000)));
    // Eight times the text: at most its square, with room for a busy machine.
    assert!(long < short * 256, "{short:?} for 500 letters and {long:?} for 4,000");
    let hit = Told { resource: vec![format!("/{}b", "a".repeat(4_000))], ..Told::default() };
    assert!(matches!(ruled(&set, &hit), Ruling::Forbid { .. }));
}
