use proptest::prelude::*;

use super::{Authority, Reach, beyond, narrow};
use crate::connection::Connection;
use crate::permission::{Access, BadPermission, Permission, Registered};
use crate::{Id, Service, Sorted, Timestamp};

fn registered(name: &str) -> Option<Registered> {
    let nth = ["demo", "other", "code"].iter().position(|known| *known == name)?;
    Some(Registered {
        name: name.parse().unwrap(),
        id: Id::new(Timestamp::from_millis(1), [u8::try_from(nth).unwrap(); 10]),
        service: if name == "code" { Service::Git } else { Service::Http },
    })
}

fn lines(text: &[&str]) -> Sorted<Permission> {
    text.iter().flat_map(|line| Permission::parse(line, registered).unwrap()).collect()
}

fn authority(allow: &[&str], ask: &[&str], never: &[&str]) -> Authority {
    Authority { allow: lines(allow), ask: lines(ask), never: lines(never) }
}

fn demo() -> Id<Connection> {
    registered("demo").unwrap().id
}

fn rule<'a>(authority: &'a Authority, operation: &str, path: &str) -> Reach<'a> {
    let resource = [path.to_owned()];
    authority.rule(&Access { connection: demo(), operation, resource: &resource })
}

#[test]
fn never_beats_ask_and_ask_beats_allow() {
    let authority = authority(
        &["demo:GET /v1/**", "demo:DELETE /v1/**"],
        &["demo:GET /v1/payroll/**"],
        &["demo:DELETE **"],
    );
    assert_eq!(rule(&authority, "GET", "/v1/items").width(), 3);
    assert_eq!(rule(&authority, "GET", "/v1/payroll/june").width(), 2);
    assert_eq!(rule(&authority, "GET", "/v2").width(), 1);
    assert_eq!(rule(&authority, "DELETE", "/v1/items").width(), 0);
}

#[test]
fn a_group_is_stored_as_its_members() {
    let read = lines(&["demo:read /v1/**"]);
    let printed: Vec<String> = read.iter().map(ToString::to_string).collect();
    assert_eq!(printed, ["demo:GET /v1/**", "demo:HEAD /v1/**", "demo:OPTIONS /v1/**"]);
}

#[test]
fn a_group_stands_for_the_members_its_line_fits() {
    let printed =
        |line| -> Vec<String> { lines(&[line]).iter().map(ToString::to_string).collect() };
    assert_eq!(printed("code:read acme/*"), ["code:repo.read acme/*"]);
    assert_eq!(printed("code:write acme/*"), ["code:lfs.lock acme/*", "code:lfs.write acme/*"]);
    assert_eq!(
        printed("code:write acme/api refs/heads/**"),
        ["code:git.push acme/api refs/heads/**"]
    );
    assert_eq!(printed("code:write acme/api ci.skip"), ["code:git.option acme/api ci.skip"]);
    assert_eq!(
        printed("code:write acme/api **"),
        ["code:git.option acme/api **", "code:git.push acme/api **"]
    );
    assert_eq!(
        printed("code:admin acme/api refs/tags/*"),
        ["code:git.delete acme/api refs/tags/*"]
    );
}

fn rule_push<'a>(authority: &'a Authority, name: &str) -> Reach<'a> {
    let resource = ["acme/api".to_owned(), name.to_owned()];
    let connection = registered("code").unwrap().id;
    authority.rule(&Access { connection, operation: "git.push", resource: &resource })
}

// threat 116: a server on a file system that ignores case takes `Main` for `main`.
#[test]
fn what_git_may_take_for_a_forbidden_ref_is_forbidden_and_only_the_written_one_is_allowed() {
    let authority = authority(
        &["code:git.push acme/api refs/heads/**", "code:git.push acme/api refs/tags/v1"],
        &["code:git.push acme/api refs/heads/release/*"],
        &["code:git.push acme/api refs/heads/main"],
    );
    for (name, width) in [
        ("refs/heads/agent/x", 3),
        ("refs/heads/main", 0),
        ("refs/heads/Main", 0),
        ("REFS/heads/MAIN", 0),
        ("refs/heads/release/1", 2),
        ("refs/heads/Release/1", 2),
        ("refs/tags/v1", 3),
        ("refs/tags/V1", 1),
        ("Refs/heads/agent/x", 1),
        ("Refs/heads/release/1", 1),
    ] {
        assert_eq!(rule_push(&authority, name).width(), width, "`{name}`");
    }
}

// threats 41, 116
#[test]
fn narrowing_keeps_a_question_about_another_spelling() {
    let granted = authority(
        &["code:git.push acme/api refs/heads/**"],
        &["code:git.push acme/api refs/heads/Main"],
        &[],
    );
    let wanted = authority(&["code:git.push acme/api refs/heads/main"], &[], &[]);
    let narrowed = narrow(&granted, &wanted).unwrap();
    assert_eq!(rule_push(&narrowed, "refs/heads/main").width(), 2);
    assert_eq!(rule_push(&narrowed, "refs/heads/Main").width(), 1);
}

#[test]
fn other_services_tell_spellings_apart() {
    let authority = authority(&["demo:GET /**"], &[], &["demo:GET /v1/Admin"]);
    assert_eq!(rule(&authority, "GET", "/v1/admin").width(), 3);
    let stored = serde_json::to_string(&authority).unwrap();
    assert!(!stored.contains("any_case"), "{stored}");
}

#[test]
fn authority_binds_to_the_id_not_to_the_name() {
    let renamed = |name: &str| {
        Some(Registered { name: name.parse().unwrap(), ..registered("demo").unwrap() })
    };
    let line = Permission::parse("shop:GET /a", renamed).unwrap();
    assert_eq!(line, Permission::parse("demo:GET /a", registered).unwrap());
}

#[test]
fn a_line_that_cannot_be_meant_is_refused() {
    let parse = |line| Permission::parse(line, registered);
    for (line, wanted) in [
        ("", "is not a permission"),
        ("demo", "is not a permission"),
        ("nobody:GET /a", "not a registered connection"),
        ("demo:get /a", "not an operation of `demo`"),
        ("demo:TRACE /a", "not an operation of `demo`"),
        ("demo:GET", "names 0 resource parts"),
        ("demo:GET /a /b", "names 2 resource parts"),
        ("demo:GET a/b", "starts with `/`"),
        ("demo:GET /a/../b", "dot segments"),
        ("demo:GET /a?b", "no query"),
        ("demo:GET /%2f", "upper-case hexadecimal"),
        ("demo:GET /a*", "stand alone"),
        ("code:git.push acme/api", "names 1 resource parts"),
        ("code:git.push acme/api main", "written in full"),
        ("code:git.push Acme/api refs/heads/main", "lower case"),
        ("code:repo.read acme/api.git", "without `.git`"),
        ("code:admin acme/api", "takes 2"),
        ("code:write acme/api a=b", "written in full"),
        ("code:GET /a", "not an operation of `code`"),
    ] {
        let error: BadPermission = parse(line).unwrap_err();
        assert!(error.to_string().contains(wanted), "`{line}` gave `{error}`");
    }
}

#[test]
fn what_lies_beyond_a_ceiling_is_named() {
    let ceiling =
        authority(&["demo:GET /v1/**"], &["demo:POST /v1/orders"], &["demo:GET /v1/x/**"]);
    let wanted = authority(&["demo:GET /v1/a", "demo:GET /v1/x/y", "demo:POST /v1/**"], &[], &[]);
    let named: Vec<String> = beyond(&wanted, &ceiling).iter().map(ToString::to_string).collect();
    assert_eq!(named, ["demo:GET /v1/x/y", "demo:POST /v1/**"]);
}

fn any_line() -> impl Strategy<Value = Permission> {
    let path = || {
        let segment =
            prop_oneof![3 => "[ab]", 1 => Just("*".to_owned()), 1 => Just("**".to_owned())];
        prop::collection::vec(segment, 1..4)
    };
    let http = (prop_oneof![Just("demo"), Just("other")], prop_oneof![Just("GET"), Just("POST")]);
    let http = (http, path())
        .prop_map(|((name, operation), path)| format!("{name}:{operation} /{}", path.join("/")));
    // Both cases, because they are one to some servers.
    let git = (path(), prop::collection::vec(any::<bool>(), 4)).prop_map(|(path, upper)| {
        let spelt = path.iter().zip(upper).map(|(segment, upper)| {
            if upper { segment.to_ascii_uppercase() } else { segment.clone() }
        });
        format!("code:git.push acme/api refs/{}", spelt.collect::<Vec<_>>().join("/"))
    });
    prop_oneof![http, git].prop_map(|line| Permission::parse(&line, registered).unwrap().remove(0))
}

fn any_authority() -> impl Strategy<Value = Authority> {
    let set = |most| prop::collection::vec(any_line(), 0..most).prop_map(Sorted::from_iter);
    (set(4), set(4), set(2)).prop_map(|(allow, ask, never)| Authority { allow, ask, never })
}

type Asked = (Id<Connection>, &'static str, Vec<String>);

fn any_access() -> impl Strategy<Value = Asked> {
    let path = || prop::collection::vec("[abc]", 0..5);
    let connection = prop_oneof![Just("demo"), Just("other")];
    let http = (connection, prop_oneof![Just("GET"), Just("POST")], path()).prop_map(
        |(name, operation, path)| {
            (registered(name).unwrap().id, operation, vec![format!("/{}", path.join("/"))])
        },
    );
    let git = prop::collection::vec("[abAB]", 1..4).prop_map(|path| {
        let resource = vec!["acme/api".to_owned(), format!("refs/{}", path.join("/"))];
        (registered("code").unwrap().id, "git.push", resource)
    });
    prop_oneof![http, git]
}

fn width(authority: &Authority, access: &Asked) -> u8 {
    let (connection, operation, resource) = access;
    authority.rule(&Access { connection: *connection, operation, resource }).width()
}

#[test]
fn narrowing_again_needs_no_more_room_than_the_first_time() {
    let asks = authority(&[], &["code:git.push acme/api refs/**/A/**"], &[]);
    let allows = authority(&["code:git.push acme/api refs/**/a/**"], &[], &[]);
    let once = narrow(&asks, &allows).unwrap();
    assert_eq!(once.len(), 2);
    assert_eq!(narrow(&once, &allows).unwrap(), once);
}

#[test]
fn a_mandate_of_all_that_is_granted_shares_its_lines() {
    let granted = authority(&["demo:read /v1/**"], &["demo:DELETE /v1/**"], &["demo:GET /v1/x"]);
    let ceiling = Authority::together([&granted]).normal();
    let mandate = narrow(&Authority { never: lines(&[]), ..ceiling.clone() }, &ceiling).unwrap();
    assert_eq!(mandate, granted);
    for (one, other) in [(&mandate.allow, &granted.allow), (&mandate.ask, &granted.ask)] {
        assert_eq!(one.as_ptr(), other.as_ptr());
    }
}

proptest! {
    #[test]
    fn narrowing_gives_exactly_the_narrower_answer(
        a in any_authority(), b in any_authority(), access in any_access(),
    ) {
        let narrowed = narrow(&a, &b).unwrap();
        prop_assert_eq!(width(&narrowed, &access), width(&a, &access).min(width(&b, &access)));
    }

    #[test]
    fn narrowing_twice_by_the_same_changes_nothing(
        a in any_authority(), b in any_authority(), access in any_access(),
    ) {
        let once = narrow(&a, &b).unwrap();
        // Overlaps of its own lines can be too many to go through; then nothing is narrowed.
        for again in [narrow(&once, &b), narrow(&once, &once)] {
            // Lines that ask can say the same in more spellings.
            let again = again.unwrap_or_else(|_| once.clone());
            prop_assert_eq!(width(&again, &access), width(&once, &access));
        }
    }

    #[test]
    fn the_order_of_narrowing_does_not_matter(
        a in any_authority(), b in any_authority(), c in any_authority(), access in any_access(),
    ) {
        prop_assert_eq!(narrow(&a, &b).unwrap(), narrow(&b, &a).unwrap());
        let left = narrow(&narrow(&a, &b).unwrap(), &c).unwrap();
        let right = narrow(&a, &narrow(&b, &c).unwrap()).unwrap();
        prop_assert_eq!(width(&left, &access), width(&right, &access));
    }

    #[test]
    fn what_is_not_beyond_keeps_its_reach(
        wanted in any_authority(), ceiling in any_authority(), access in any_access(),
    ) {
        let inside = beyond(&wanted, &ceiling).is_empty() && ceiling.never.is_empty();
        let narrowed = narrow(&wanted, &ceiling).unwrap();
        let before = width(&wanted, &access);
        prop_assert!(!inside || before < 2 || width(&narrowed, &access) >= 2);
    }

    #[test]
    fn the_normal_form_says_the_same(a in any_authority(), access in any_access()) {
        prop_assert_eq!(width(&a.normal(), &access), width(&a, &access));
    }
}
