use std::cell::Cell;

use proptest::prelude::*;

use super::{Pattern, Segment, greedy};

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap()
}

#[test]
fn a_star_is_one_whole_segment_and_two_are_any_number() {
    for (text, resource, expected) in [
        ("acme/*", "acme/api", true),
        ("acme/*", "acme", false),
        ("acme/*", "acme/api/x", false),
        ("/v1/**", "/v1", true),
        ("/v1/**", "/v1/", true),
        ("/v1/**", "/v1/a/b", true),
        ("/v1/**", "/v10", false),
        ("/v1/keys", "/v1/keys/", true),
        ("/v1/keys/", "/v1/keys", true),
        ("/v1/*", "/v1/", false),
        ("/", "/", true),
        ("/*", "/", true),
        ("/**", "/", true),
        ("/v1/**", "/v1.evil/a", false),
        ("refs/heads/agent/**", "refs/heads/agent/x/y", true),
        ("refs/heads/agent/**", "refs/heads/main", false),
        ("**/secret/**", "a/b/secret", true),
        ("**/secret/**", "a/b/secrets", false),
        ("**/a/**/b", "x/a/y/a/b", true),
        ("/v1/Items", "/v1/items", false),
    ] {
        assert_eq!(pattern(text).matches(resource), expected, "`{text}` on `{resource}`");
    }
}

#[test]
fn a_pattern_that_could_be_misread_is_refused() {
    for bad in ["", "a b", "a//b", "a*", "a/b*/c", "a/***", "é", "a\n", "**/a/**/b/**/c/**"] {
        assert!(Pattern::parse(bad).is_err(), "`{bad}` must not parse");
    }
    assert!(Pattern::parse(&"a/".repeat(70)).is_err());
    assert!(Pattern::exactly("/v1/*").is_err());
}

#[test]
fn wildcards_next_to_each_other_have_one_spelling() {
    assert_eq!(pattern("**/*/a"), pattern("*/**/a"));
    assert_eq!(pattern("**/**"), pattern("**"));
    assert_eq!(pattern("a/**/*/**").to_string(), "a/*/**");
}

#[test]
fn an_intersection_names_all_that_both_match() {
    let both = |a: &str, b: &str| -> Vec<String> {
        pattern(a).intersect(&pattern(b)).unwrap().iter().map(ToString::to_string).collect()
    };
    assert_eq!(both("a/*", "*/b"), ["a/b"]);
    assert_eq!(both("a/**", "a/b/**"), ["a/b/**"]);
    assert_eq!(both("a/**", "**/b"), ["a/**/b"]);
    assert_eq!(both("a/**", "**/a"), ["a", "a/**/a"]);
    assert_eq!(both("a", "b"), [""; 0]);
}

// threat 116
#[test]
fn a_pattern_can_be_asked_in_any_case_and_still_by_whole_segments() {
    for (text, resource, expected) in [
        ("refs/heads/main", "refs/heads/Main", true),
        ("refs/heads/MAIN", "REFS/heads/main", true),
        ("refs/heads/main", "refs/heads/mains", false),
        ("refs/heads/*", "Refs/Heads/x", true),
        ("refs/heads/é", "refs/heads/É", false),
    ] {
        let pattern = Pattern::parse(text).map(|pattern| pattern.matches_any_case(resource));
        assert_eq!(pattern.unwrap_or(false), expected, "`{text}` on `{resource}`");
    }
    let both = pattern("refs/*/main").intersect_any_case(&pattern("Refs/Heads/Main")).unwrap();
    assert_eq!(both, [pattern("refs/Heads/main")], "spelt like the left one where it says how");
}

fn any_pattern() -> impl Strategy<Value = Pattern> {
    let segment = prop_oneof![3 => "[ab]", 1 => Just("*".to_owned()), 1 => Just("**".to_owned())];
    prop::collection::vec(segment, 1..5)
        .prop_filter_map("too many `**`", |parts| Pattern::parse(&parts.join("/")).ok())
}

fn any_resource() -> impl Strategy<Value = String> {
    prop::collection::vec("[abc]", 1..7).prop_map(|parts| parts.join("/"))
}

// The definition, word for word, to judge the fast matcher by.
fn matches_slowly(pattern: &[&str], resource: &[&str]) -> bool {
    match (pattern.split_first(), resource.split_first()) {
        (None, None) => true,
        (Some((&"**", rest)), _) => {
            (0..=resource.len()).any(|skip| matches_slowly(rest, &resource[skip..]))
        }
        (Some((one, rest)), Some((part, others))) => {
            (*one == "*" || one == part) && matches_slowly(rest, others)
        }
        _ => false,
    }
}

proptest! {
    #[test]
    fn matching_is_its_definition(pattern in any_pattern(), resource in any_resource()) {
        let text = pattern.to_string();
        let slow = matches_slowly(
            &text.split('/').collect::<Vec<_>>(),
            &resource.split('/').collect::<Vec<_>>(),
        );
        prop_assert_eq!(pattern.matches(&resource), slow);
    }

    #[test]
    fn what_is_contained_matches_nothing_more(
        wide in any_pattern(), narrow in any_pattern(), resource in any_resource(),
    ) {
        let reached = wide.contains(&narrow) && narrow.matches(&resource);
        prop_assert!(!reached || wide.matches(&resource));
    }

    #[test]
    fn an_intersection_is_exact(
        a in any_pattern(), b in any_pattern(), resource in any_resource(),
    ) {
        let both = a.intersect(&b);
        prop_assume!(both.is_ok());
        let both = both.unwrap().iter().any(|pattern| pattern.matches(&resource));
        prop_assert_eq!(both, a.matches(&resource) && b.matches(&resource));
    }

    #[test]
    fn a_pattern_parses_back(a in any_pattern()) {
        prop_assert_eq!(Pattern::parse(&a.to_string()).unwrap(), a);
    }

    #[test]
    fn parsing_never_panics(text in ".{0,80}") {
        drop(Pattern::parse(&text));
    }
}

#[test]
fn an_intersection_too_large_to_hold_is_refused_in_bounded_time() {
    let left = pattern(&format!("**/{}**/b/**", "a/".repeat(20)));
    let right = pattern(&format!("**/{}**/c/**", "a/".repeat(20)));
    let fits = |both: Vec<Pattern>| both.iter().all(|pattern| pattern.require_bounds().is_ok());
    assert!(!left.intersect(&right).is_ok_and(fits));
}

// threat 160: steps are counted, because a clock says little on a busy machine.
#[test]
fn a_pattern_made_to_be_slow_takes_at_most_segments_times_pattern() {
    let slow = pattern(&format!("**/{}**/{}**/b", "a/".repeat(20), "a/".repeat(20)));
    for parts in [12, 24, 48] {
        let resource = vec!["a"; parts];
        let steps = Cell::new(0);
        let is_match = greedy(slow.segments(), resource.iter(), |segment, part| {
            steps.set(steps.get() + 1);
            segment == Segment::Literal(part)
        });
        let most = parts * slow.segments().count();
        assert!(!is_match && steps.get() > 0, "{parts} segments");
        assert!(steps.get() <= most, "{parts} segments: {} of {most} steps", steps.get());
    }
}

// Stored facts list their lines in this order.
#[test]
fn patterns_sort_by_segments_and_wildcards_come_last() {
    let sorted = ["a/b", "a/b/c", "a/~", "a/*", "a/**", "a-b", "*", "**"].map(pattern);
    assert!(sorted.is_sorted(), "{sorted:?}");
}
