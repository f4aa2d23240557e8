//! Git: a push is decided whole, by every ref it touches.

use marque_domain::{Body, Class};
use marque_plane::AdminKind;
use marque_plane::spec::{ConnectionSpec, Lines};
use marque_testkit::{Call, Human, RunActor, Setup, TestPlane, get, git_connection, push};

const OLD: &str = "1111111111111111111111111111111111111111";
const NEW: &str = "2222222222222222222222222222222222222222";
const OTHER: &str = "3333333333333333333333333333333333333333";
const HELD: &str = "refused.mandate.needs_approval";
const NEVER: &str = "refused.mandate.never";
const NOTHING: &str = "refused.mandate.nothing_allows";

fn lines(allow: &[&str], ask: &[&str], never: &[&str]) -> Lines {
    let owned = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
    Lines { allow: owned(allow), ask: owned(ask), never: owned(never) }
}

async fn a_run_under(plane: &TestPlane, lines: Lines) -> (Human, RunActor) {
    let alice = plane.alice_with_bot(&[]).await;
    let spec = ConnectionSpec { hosts: vec!["git.test".to_owned()], ..git_connection("code") };
    alice.connects_as(spec).await;
    alice.grants_lines("bot", lines).await;
    let run = alice.starts_a_run("bot").await;
    (alice, run)
}

fn pushes(refs: &[&str]) -> Call {
    let refs: Vec<_> = refs.iter().map(|name| (*name, OLD, NEW)).collect();
    push("acme/api", &refs).to("git.test")
}

// threat 116
#[tokio::test]
async fn a_push_of_two_refs_of_which_one_is_forbidden_is_refused_whole() {
    let plane = TestPlane::new().await;
    let given = lines(
        &["code:git.push acme/* **"],
        &[],
        &["code:git.push acme/* refs/heads/main", "code:git.delete ** **"],
    );
    let (_, run) = a_run_under(&plane, given).await;
    run.asks(pushes(&["refs/heads/agent/x"])).await.is_allowed();
    for refs in [["refs/heads/agent/x", "refs/heads/main"], ["refs/heads/main", "refs/heads/y"]] {
        let refusal = run.asks(pushes(&refs)).await.is_refused(NEVER);
        let named = "`code:git.push acme/api refs/heads/main` is part of the request";
        assert!(refusal.message.contains(named), "{refusal}");
        let asked = plane.log().last_decision().operation.clone();
        assert_eq!(
            asked.effects().collect::<Vec<_>>(),
            refs.map(|name| { format!("git.push acme/api {name}") })
        );
    }
    let deleting = pushes(&["refs/heads/agent/x"]).deleting("refs/heads/agent/y", OLD);
    run.asks(deleting).await.is_refused(NEVER);
    assert_eq!(plane.log().last_decision().operation.class, Class::Admin);
}

// threat 116
#[tokio::test]
async fn a_push_of_two_refs_of_which_one_is_not_allowed_is_refused_whole() {
    let plane = TestPlane::new().await;
    let given = lines(&["code:git.push acme/api refs/heads/agent/**"], &[], &[]);
    let (_, run) = a_run_under(&plane, given).await;
    let refs = ["refs/heads/agent/x", "refs/tags/v1"];
    let refusal = run.asks(pushes(&refs)).await.is_refused(NOTHING);
    assert!(refusal.message.contains("`code:git.push acme/api refs/tags/v1`"), "{refusal}");
    run.asks(pushes(&["refs/heads/agent/x", "refs/heads/agent/y"])).await.is_allowed();
    let line = plane.log().last_decision().line.clone();
    assert_eq!(line.as_deref(), Some("code:git.push acme/api refs/heads/agent/**"));
}

// threat 116
#[tokio::test]
async fn a_forbidden_ref_is_forbidden_in_every_case_and_an_allowed_one_in_its_own() {
    let plane = TestPlane::new().await;
    let given = lines(
        &["code:git.push acme/api refs/**"],
        &["code:git.push acme/api refs/heads/Release/*"],
        &["code:git.push acme/api refs/heads/main"],
    );
    let (alice, run) = a_run_under(&plane, given).await;
    for name in ["refs/heads/Main", "refs/heads/MAIN", "refs/HEADS/main"] {
        run.asks(pushes(&[name])).await.is_refused(NEVER);
    }
    run.asks(pushes(&["refs/heads/release/1"])).await.is_held(HELD);
    // What one grant asks for, another one does not give away in another spelling.
    alice.grants("bot", &["code:git.push acme/api **"]).await;
    let wide = alice.starts_a_run("bot").await;
    wide.asks(pushes(&["refs/heads/RELEASE/1"])).await.is_held(HELD);
    wide.asks(pushes(&["refs/heads/MAIN"])).await.is_refused(NEVER);
    run.asks(pushes(&["Refs/heads/x"])).await.is_refused(NOTHING);
}

// threats 116, 127
#[tokio::test]
async fn an_approved_push_is_bound_to_its_refs_and_objects() {
    let plane = TestPlane::new().await;
    let given =
        lines(&["code:git.push acme/api **"], &["code:git.push acme/api refs/heads/main"], &[]);
    let (alice, run) = a_run_under(&plane, given).await;
    let two = [("refs/heads/x", OLD, NEW), ("refs/heads/main", OLD, NEW)];
    let both = || push("acme/api", &two).to("git.test");
    let asked = run.asks(both()).await.is_held(HELD);
    let shown = alice.approves(asked).await.unwrap();
    assert_eq!(shown.line, "code:git.push acme/api refs/heads/x and 1 more");
    assert_eq!(shown.approval.operation, *both().operation());
    let others = [
        push("acme/api", &[two[0], ("refs/heads/main", OLD, OTHER)]),
        push("acme/api", &[two[0], ("refs/heads/main", OTHER, NEW)]),
        push("acme/web", &two),
        push("acme/api", &[two[0], two[1], ("refs/heads/y", OLD, NEW)]),
        push("acme/api", &[two[1]]),
    ];
    for other in others {
        let other = other.to("git.test");
        if other.operation().resource[0] == "acme/web" {
            run.asks(other).await.is_refused(NOTHING);
        } else {
            assert_ne!(run.asks(other).await.is_held(HELD), asked);
        }
    }
    run.asks(both()).await.is_allowed();
    assert_eq!(plane.log().last_decision().approval, Some(asked));
    run.asks(both()).await.is_held(HELD);
}

#[tokio::test]
async fn a_policy_on_one_ref_refuses_the_push_and_all_that_spoke_are_recorded() {
    let policy = r#"@id("ask-tags") @ask("moves a tag")
        forbid (principal, action in Marque::Action::"write", resource)
        when { resource.name like "refs/tags/*" };
        @id("no-main") @reason("main is merged by people")
        forbid (principal, action in Marque::Action::"git", resource)
        when { resource.name == "refs/heads/main" };"#;
    let plane = TestPlane::with(Setup { policies: vec![policy], ..Setup::default() }).await;
    let (_, run) = a_run_under(&plane, lines(&["code:git.push acme/api **"], &[], &[])).await;
    run.asks(pushes(&["refs/heads/x", "refs/tags/v1"]))
        .await
        .is_held("refused.policy.needs_approval");
    let three = ["refs/heads/x", "refs/tags/v1", "refs/heads/Main"];
    let refusal = run.asks(pushes(&three)).await.is_refused("refused.policy.forbidden");
    assert!(refusal.message.contains("`no-main` forbids `git.push acme/api refs/heads/Main`"));
    assert_eq!(plane.log().last_decision().rules, ["ask-tags", "no-main"]);
}

#[tokio::test]
async fn a_decision_on_many_refs_is_replayed_with_all_of_them() {
    let plane = TestPlane::new().await;
    let given = lines(
        &["code:git.push acme/api refs/heads/**"],
        &[],
        &["code:git.push acme/api refs/heads/main"],
    );
    let (alice, run) = a_run_under(&plane, given).await;
    for refs in [["refs/heads/x", "refs/heads/y"], ["refs/heads/x", "refs/heads/main"]] {
        drop(run.asks(pushes(&refs)).await);
        let decision = plane.log().last_decision().id.to_string();
        let told = plane.plane().explain(&alice.acting().await, &decision).await.unwrap();
        assert!(
            told.replayed.starts_with("stages 2 to 5 give the same answer"),
            "{}",
            told.replayed
        );
        assert_eq!(told.decision.operation.also.len(), 1);
    }
}

#[tokio::test]
async fn a_request_that_is_not_gits_is_told_so() {
    let plane = TestPlane::new().await;
    let (_, run) = a_run_under(&plane, lines(&["code:git.push acme/api **"], &[], &[])).await;
    let refusal = run.asks(get("/api/v3/user").to("git.test")).await.is_refused(NOTHING);
    assert_eq!(refusal.message, "`code` speaks git there, and this is no git request");
    assert!(refusal.remedy.unwrap().contains("register an `http` connection"));
    // The connection `api` there speaks http.
    let refusal = run.asks(push("acme/api", &[("refs/heads/x", OLD, NEW)])).await;
    let refusal = refusal.is_refused(NOTHING);
    assert_eq!(refusal.message, "`api` speaks http there, and this is no http request");
}

#[tokio::test]
async fn a_git_connection_speaks_git_in_its_ceiling_too() {
    let plane = TestPlane::new().await;
    let (alice, run) = a_run_under(&plane, lines(&["code:git.push acme/api **"], &[], &[])).await;
    let acting = alice.acting().await;
    let add = |ceiling: &str, spec: ConnectionSpec| {
        let ceiling = vec![ceiling.to_owned()];
        let spec = ConnectionSpec { slot: None, ceiling, ..spec };
        plane.plane().add_connection(&acting, spec, None)
    };
    for line in ["GET /v1/**", "git.push Acme/api refs/heads/**", "git.push acme/api main"] {
        let error = add(line, git_connection("mirror")).await.unwrap_err();
        assert_eq!(error.kind, AdminKind::Invalid, "`{line}`: {error}");
    }
    let shown = add("write acme/api refs/heads/**", git_connection("mirror")).await.unwrap();
    assert_eq!(shown.service, "git");
    assert_eq!(shown.ceiling, ["mirror:git.push acme/api refs/heads/**"]);
    let everything = plane.plane().connection(&acting, "code").unwrap().ceiling;
    assert!(everything.contains(&"code:git.delete ** **".to_owned()), "{everything:?}");
    assert_eq!(pushes(&["refs/heads/x"]).operation().body, Body::Bound);
    run.asks(pushes(&["refs/heads/x"])).await.is_allowed();
}
