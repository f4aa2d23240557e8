//! Authority: sets that only shrink, asked as they stand at every call.

use std::time::Duration;

use marque_plane::AdminKind;
use marque_plane::spec::{GrantSpec, Lines, RunSpec};
use marque_testkit::{TestPlane, asking, connection, get, lines, run_of};

const NOTHING: &str = "refused.mandate.nothing_allows";

#[tokio::test]
async fn a_revoked_grant_stops_the_next_call() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&[]).await;
    let grant = alice.grants("bot", &["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    run.calls("GET", "/v1/items").await.is_allowed();
    alice.revokes(&grant).await;
    let refusal = run.calls("GET", "/v1/items").await.is_refused(NOTHING);
    assert!(refusal.remedy.unwrap().contains("marque grant add bot --allow 'api:GET /v1/items'"));
}

#[tokio::test]
async fn a_grant_that_ran_out_stops_the_next_call() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&[]).await;
    let until = plane.plane().clock().now().plus(Duration::from_secs(60));
    let spec = GrantSpec { until, ..alice.grant("bot", lines(&["api:GET /**"])) };
    plane.plane().add_grant(&alice.acting().await, spec).await.unwrap();
    let run = alice.starts_a_run("bot").await;
    run.calls("GET", "/v1/items").await.is_allowed();
    plane.clock().advance(Duration::from_secs(60));
    run.calls("GET", "/v1/items").await.is_refused(NOTHING);
}

#[tokio::test]
async fn every_grant_has_an_end_that_lies_ahead_and_in_sight() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&[]).await;
    let now = plane.plane().clock().now();
    for until in [now, marque_domain::Timestamp::MAX] {
        let spec = GrantSpec { until, ..alice.grant("bot", lines(&["api:GET /**"])) };
        let error = plane.plane().add_grant(&alice.acting().await, spec).await.unwrap_err();
        assert_eq!(error.kind, AdminKind::Invalid);
    }
}

#[tokio::test]
async fn a_grant_given_later_does_not_widen_a_run_that_is_open() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /v1/**"]).await;
    let run = alice.starts_a_run("bot").await;
    alice.grants("bot", &["api:POST /v1/**"]).await;
    run.calls("POST", "/v1/items").await.is_refused(NOTHING);
    alice.starts_a_run("bot").await.calls("POST", "/v1/items").await.is_allowed();
}

#[tokio::test]
async fn a_mandate_narrower_than_the_grants_holds() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:read /**", "api:write /**"]).await;
    let mandate = Lines {
        allow: vec!["api:GET /v1/**".to_owned()],
        ask: vec!["api:POST /v1/orders".to_owned()],
        never: vec!["api:GET /v1/secrets/**".to_owned()],
    };
    let run = alice.starts(RunSpec { mandate, ..run_of("bot") }).await.unwrap();
    run.calls("GET", "/v1/items").await.is_allowed();
    run.calls("POST", "/v1/orders").await.is_held("refused.mandate.needs_approval");
    run.calls("DELETE", "/v1/items").await.is_refused(NOTHING);
    run.calls("GET", "/v2/items").await.is_refused(NOTHING);
    run.calls("GET", "/v1/secrets/1").await.is_refused("refused.mandate.never");
}

#[tokio::test]
async fn a_mandate_beyond_the_grants_opens_no_run() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /v1/**"]).await;
    for beyond in ["api:GET /**", "api:POST /v1/items", "api:GET /v2/items"] {
        let spec = RunSpec { mandate: lines(&[beyond]), ..run_of("bot") };
        let error = alice.starts(spec).await.err().unwrap();
        assert_eq!(error.kind, AdminKind::Forbidden, "{beyond}");
        assert!(error.message.contains(beyond), "{error}");
    }
}

#[tokio::test]
async fn what_a_grant_asks_for_no_mandate_allows() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    alice.grants_lines("bot", asking(&["api:POST /v1/**"])).await;
    let mandate = lines(&["api:POST /v1/**"]);
    let run = alice.starts(RunSpec { mandate, ..run_of("bot") }).await.unwrap();
    run.calls("POST", "/v1/orders").await.is_held("refused.mandate.needs_approval");
}

#[tokio::test]
async fn a_file_of_the_repository_narrows_and_never_widens() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /v1/**"]).await;
    let file = lines(&["api:GET /v1/items", "api:DELETE /v1/items"]);
    let spec = RunSpec { file_mandate: Some(file), ..run_of("bot") };
    let run = alice.starts(spec).await.unwrap();
    assert_eq!(run.opened().left_out, ["api:DELETE /v1/items"]);
    run.calls("GET", "/v1/items").await.is_allowed();
    run.calls("GET", "/v1/users").await.is_refused(NOTHING);
    run.calls("DELETE", "/v1/items").await.is_refused(NOTHING);
}

#[tokio::test]
async fn an_agent_that_no_grant_covers_cannot_be_run_by_anybody() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&[]).await;
    let error = alice.starts(run_of("bot")).await.err().unwrap();
    assert_eq!(error.kind, AdminKind::Forbidden);
    assert!(error.message.contains("names `alice` as opener"), "{error}");
}

#[tokio::test]
async fn acting_for_a_person_takes_that_person() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let for_whom = |name: &str| RunSpec { on_behalf_of: name.parse().ok(), ..run_of("bot") };
    let error = alice.starts(for_whom("bob")).await.err().unwrap();
    assert_eq!(error.kind, AdminKind::Forbidden);
    let run = alice.starts(for_whom("alice")).await.unwrap();
    run.calls("GET", "/v1/items").await.is_allowed();
    let log = plane.log();
    let actor = log.last_decision().actor.as_ref().unwrap();
    assert_eq!(actor.on_behalf_of.as_ref().unwrap().as_str(), "alice");
}

#[tokio::test]
async fn the_ceiling_of_a_connection_holds_whatever_was_granted() {
    let plane = TestPlane::new().await;
    let alice = plane.alice();
    let ceiling = vec!["GET /v1/**".to_owned()];
    alice.connects_as(marque_plane::spec::ConnectionSpec { ceiling, ..connection("api") }).await;
    alice.registers("bot").await;
    alice.grants("bot", &["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    run.calls("GET", "/v1/items").await.is_allowed();
    run.calls("GET", "/v2/items").await.is_refused(NOTHING);
}

#[tokio::test]
async fn where_two_connections_would_serve_the_mandate_must_name_one() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    alice.connects("twin").await;
    alice.grants("bot", &["twin:GET /v1/**"]).await;
    let both = alice.starts_a_run("bot").await;
    both.calls("GET", "/v1/items").await.is_refused("refused.mandate.ambiguous_connection");
    both.calls("GET", "/v2/items").await.is_allowed();
    let mandate = lines(&["twin:GET /v1/**"]);
    let one = alice.starts(RunSpec { mandate, ..run_of("bot") }).await.unwrap();
    one.calls("GET", "/v1/items").await.is_allowed();
    let log = plane.log();
    assert_eq!(log.last_decision().operation.connection.as_ref().unwrap().as_str(), "twin");
}

#[tokio::test]
async fn a_host_that_no_connection_serves_is_refused_with_what_would_serve_it() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let refusal = run.asks(get("/").to("elsewhere.test")).await.is_refused(NOTHING);
    assert!(refusal.remedy.unwrap().contains("--host elsewhere.test:443"));
    run.asks(get("/").to("api.test.")).await.is_refused(NOTHING);
    run.asks(get("/").to("sub.api.test")).await.is_refused(NOTHING);
}

#[tokio::test]
async fn the_record_names_the_line_and_every_fact_by_revision() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /v1/**"]).await;
    let run = alice.starts_a_run("bot").await;
    run.calls("GET", "/v1/items").await.is_allowed();
    let log = plane.log();
    let decision = log.last_decision();
    assert_eq!(decision.line.as_deref(), Some("api:GET /v1/**"));
    let mut kinds: Vec<_> = decision.facts.iter().map(|fact| fact.id[..3].to_owned()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, ["agt", "agv", "con", "crd", "grt", "run", "usr"]);
}
