use marque_domain::{Body, Class, Effect, Name, Service};

use super::{BASE_TEXT, PolicySet};
use crate::asked::Asked;
use crate::brief::Brief;
use crate::testing::{Told, file, ruled, set};
use crate::{PolicySource, RuleId, Ruling};

fn told(change: impl FnOnce(&mut Told)) -> Told {
    let mut told = Told::default();
    change(&mut told);
    told
}

fn ids(rules: &[RuleId]) -> Vec<&str> {
    rules.iter().map(RuleId::as_str).collect()
}

#[test]
fn what_no_policy_speaks_of_passes() {
    let none = PolicySet::load(&[]).unwrap();
    assert!(none.is_empty());
    assert_eq!(ruled(&none, &Told::default()), Ruling::Pass);
    let other = set("forbid(principal == Marque::Agent::\"other\", action, resource);");
    assert_eq!(ruled(&other, &Told::default()), Ruling::Pass);
}

#[test]
fn a_policy_that_asks_holds_with_its_words() {
    let text = r#"@ask("moves money")
        forbid(principal == Marque::Agent::"triage", action in Marque::Action::"write",
               resource in Marque::Connection::"bank");"#;
    let bank = set(text);
    let post = told(|told| told.operation = "POST".to_owned());
    let Ruling::Ask { rules, words } = ruled(&bank, &post) else { panic!("it must ask") };
    assert_eq!((ids(&rules), words.as_str()), (vec!["test.cedar#1"], "moves money"));
    assert_eq!(ruled(&bank, &Told::default()), Ruling::Pass);
}

#[test]
fn to_forbid_is_stronger_than_to_ask() {
    let both = set(r#"@id("b") @ask("look") forbid(principal, action, resource);
        @id("c") @reason("not by night") forbid(principal, action, resource)
          when { context.now.hour < 6 };
        @id("a") forbid(principal, action, resource) when { context.now.hour < 6 };"#);
    let night = told(|told| told.now = "2026-03-04T05:59:59Z".to_owned());
    let Ruling::Forbid { rules, words } = ruled(&both, &night) else { panic!("it must forbid") };
    assert_eq!(ids(&rules), ["a", "c"]);
    assert_eq!(words, "the organisation forbids it; not by night");
    assert!(matches!(ruled(&both, &Told::default()), Ruling::Ask { .. }));
}

#[test]
fn a_policy_without_an_answer_refuses_even_where_no_other_objects() {
    let broken = set(r#"@id("too-much") forbid(principal, action, resource)
          when { context.now.epoch_secs * 9223372036854775807 > 0 };
        @ask("look") forbid(principal, action, resource);"#);
    let Ruling::Error { rules, message } = ruled(&broken, &Told::default()) else {
        panic!("an overflow must refuse")
    };
    assert_eq!(ids(&rules), ["too-much"]);
    assert!(message.contains("overflow"), "{message}");
}

#[test]
fn facts_that_policies_cannot_see_rightly_are_refused() {
    let any = set("forbid(principal, action in Marque::Action::\"write\", resource);");
    let unknown = told(|told| told.operation = "BREW".to_owned());
    let Ruling::Error { message, .. } = ruled(&any, &unknown) else { panic!("unknown operation") };
    assert!(message.contains("`http:BREW`"), "{message}");

    let mut scene = told(|told| told.operation = "POST".to_owned()).scene();
    scene.operation.class = Class::Read;
    assert!(matches!(any.evaluate(&scene.facts()), Ruling::Error { .. }));

    let scene = told(|told| told.on_behalf_of = Some("bob".to_owned())).scene();
    let facts = crate::PolicyFacts { on_behalf_of: None, ..scene.facts() };
    assert!(matches!(any.evaluate(&facts), Ruling::Error { .. }));
}

// threat 116: a server on a file system that ignores case takes `Main` for `main`.
#[test]
fn a_policy_on_a_ref_speaks_of_it_in_every_case() {
    let set = set(r#"forbid(principal, action == Marque::Action::"git:git.push", resource)
        when { resource.name like "refs/heads/release/*" };"#);
    let push = |name: &str| {
        ruled(
            &set,
            &told(|told| {
                told.service = Service::Git;
                told.operation = "git.push".to_owned();
                told.resource = vec!["acme/api".to_owned(), name.to_owned()];
            }),
        )
    };
    assert!(matches!(push("refs/heads/release/1"), Ruling::Forbid { .. }));
    assert!(matches!(push("refs/heads/Release/1"), Ruling::Forbid { .. }));
    assert_eq!(push("refs/heads/main"), Ruling::Pass);
}

#[test]
fn policies_speak_of_each_effect_of_an_operation() {
    let set = set(r#"@id("no-deletes") @reason("refs stay")
        forbid(principal, action in Marque::Action::"admin", resource in Marque::Connection::"bank")
        when { resource.path == "acme/api" && resource.parts.contains("refs/heads/old") };"#);
    let push = told(|told| {
        told.service = Service::Git;
        told.operation = "git.push".to_owned();
        told.resource = vec!["acme/api".to_owned(), "refs/heads/main".to_owned()];
    });
    let mut scene = push.scene();
    scene.operation.class = Class::Admin;
    scene.operation.also = vec![Effect {
        name: "git.delete".to_owned(),
        class: Class::Admin,
        resource: vec!["acme/api".to_owned(), "refs/heads/old".to_owned()],
    }];
    let effects: Vec<_> = scene.operation.effects().collect();
    let ruled = |effect| set.evaluate(&crate::PolicyFacts { effect, ..scene.facts() });
    assert_eq!(ruled(effects[0]), Ruling::Pass);
    assert!(matches!(ruled(effects[1]), Ruling::Forbid { .. }));
}

// threat 187
#[test]
fn the_base_policy_permits_everything_and_nothing_else_may() {
    assert_eq!(super::BASE.effect(), cedar_policy::Effect::Permit);
    assert_eq!(super::BASE.principal_constraint(), cedar_policy::PrincipalConstraint::Any);
    assert_eq!(super::BASE.action_constraint(), cedar_policy::ActionConstraint::Any);
    assert_eq!(super::BASE.resource_constraint(), cedar_policy::ResourceConstraint::Any);
    assert!(!super::BASE.has_non_scope_constraint());
    let errors = PolicySet::load(&[file("permit(principal, action, resource);")]).unwrap_err();
    assert!(errors.to_string().contains("cannot widen a mandate"), "{errors}");
    assert!(PolicySet::load(&[file(BASE_TEXT)]).is_err());
}

#[test]
fn the_canonical_text_does_not_depend_on_the_order_of_files_and_keeps_them_apart() {
    let source = |name: &str, text: &str| PolicySource { name: name.into(), text: text.into() };
    let text = "forbid(principal, action, resource);";
    let canonical =
        |files: &[PolicySource]| PolicySet::load(files).unwrap().canonical_text().to_owned();
    let ab = canonical(&[source("a", text), source("b", "")]);
    assert_eq!(ab, canonical(&[source("b", ""), source("a", text)]));
    assert_ne!(ab, canonical(&[source("a", ""), source("b", text)]));
    assert_ne!(ab, canonical(&[source("ab", text)]));
}

#[test]
fn only_policies_whose_head_names_nothing_count_as_unscoped() {
    let policies = set(r#"forbid(principal, action, resource) when { context.now.hour < 6 };
        forbid(principal is Marque::Agent, action, resource) when { context.now.hour < 6 };
        forbid(principal, action in Marque::Action::"write", resource);
        forbid(principal == Marque::Agent::"triage", action, resource);
        forbid(principal, action, resource in Marque::Connection::"bank");"#);
    assert_eq!((policies.len(), policies.unscoped_count()), (5, 2));
}

#[test]
fn names_that_nobody_has_are_told_wherever_they_stand() {
    let policies = set(r#"@id("a") forbid(principal == Marque::Agent::"tirage", action, resource);
        @id("b") forbid(principal, action, resource) unless {
            resource in Marque::Connection::"bnak" || principal == Marque::Agent::"triage" };
        @id("c") forbid(principal, action, resource == Marque::Resource::"shop /v1");"#);
    let is = |wanted: &'static str| move |name: &Name| name.as_str() == wanted;
    let unknown = policies.check_names(is("triage"), is("bank"));
    let told: Vec<String> = unknown.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 3);
    assert!(told[0].contains("`a` names agent `tirage`"), "{told:?}");
    assert!(told[1].contains("`b` names connection `bnak`"), "{told:?}");
    assert!(told[2].contains("`c` names connection `shop`"), "{told:?}");
}

#[test]
fn facts_of_every_kind_fit_the_schema() {
    let delegated = told(|told| told.on_behalf_of = Some("bob@example.com".to_owned()));
    let opaque = told(|told| {
        told.service = Service::Net;
        told.operation = "connect".to_owned();
        told.resource = vec!["mirror.example.com:443".to_owned()];
    });
    let push = told(|told| {
        told.service = Service::Git;
        told.operation = "git.push".to_owned();
        told.resource = vec!["acme/api".to_owned(), "refs/heads/main".to_owned()];
        told.body = Body::Bound;
    });
    let bare = told(|told| {
        told.resource = Vec::new();
        told.query = Some("a=1".to_owned());
        told.depth = 8;
        told.trust = 0;
    });
    for told in [Told::default(), delegated, opaque, push, bare] {
        let scene = told.scene();
        let action = scene.facts().action().unwrap();
        Brief::of(&scene.facts(), action, Asked::EVERYTHING).checked().unwrap();
    }
}

#[test]
fn hours_and_weekdays_are_those_of_utc() {
    let monday = set(r"forbid(principal, action, resource)
        when { context.now.weekday == 1 && context.now.hour == 23 };");
    let at = |now: &str| ruled(&monday, &told(|told| told.now = now.to_owned()));
    assert!(matches!(at("2026-03-02T23:59:59Z"), Ruling::Forbid { .. }));
    assert_eq!(at("2026-03-03T00:00:00Z"), Ruling::Pass);
    assert_eq!(at("2026-03-02T22:59:59Z"), Ruling::Pass);
}
