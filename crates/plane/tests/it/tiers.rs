//! Tiers: what a captured run's secret is worth, who hands over its doors, and who asks for more.

use marque_domain::{Event, Limits, Tier};
use marque_plane::spec::{ConnectionSpec, RunSpec};
use marque_plane::{AdminKind, Ask, Presented, Settings};
use marque_testkit::{
    RunActor, Setup, TestPlane, child, code_of, connection, get, git_connection, lines, run_of,
};

fn held(tier: Tier) -> RunSpec {
    RunSpec { tier, ..run_of("bot") }
}

/// What the road says to whoever comes in through a door of the run.
async fn through_a_door(plane: &TestPlane, run: &RunActor) -> String {
    let proof = plane.plane().hand_over(&run.acting(), run.launcher()).unwrap();
    let operation = get("/v1/items").operation().clone();
    let ask = Ask { presented: Presented::Door(proof), operation, announced_bytes: 0 };
    match plane.plane().decide(ask).await {
        Ok(_) => "allowed".to_owned(),
        Err(refusal) => refusal.code.text(),
    }
}

// threat 98: whoever has come by the secret of a captured run can make no call with it.
#[tokio::test]
async fn a_captured_run_speaks_through_its_doors_and_its_secret_is_worth_nothing_on_the_road() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts(held(Tier::Captured)).await.unwrap();
    let refusal = run.calls("GET", "/v1/items").await.is_refused("refused.caller.door");
    assert!(refusal.message.contains(&run.id().to_string()), "{refusal}");
    assert!(plane.plane().meet(&run.presented()).await.is_err());
    assert_eq!(through_a_door(&plane, &run).await, "allowed");
    let actor = plane.log().last_decision().actor.clone().unwrap();
    assert_eq!((actor.run, actor.tier), (run.id(), Tier::Captured));
    // Its launcher has nothing but the secret, and ends it with that.
    assert_eq!(run.ends().await.run.state, "done");
}

#[tokio::test]
async fn every_entry_of_a_run_tells_its_tier() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts(held(Tier::Confined)).await.unwrap();
    run.calls("GET", "/v1/items").await.is_allowed();
    run.calls("POST", "/v1/items").await.is_refused("refused.mandate.nothing_allows");
    run.ends().await;
    let log = plane.log();
    let tiers = log.entries().iter().filter_map(|entry| match &entry.event {
        Event::RunOpened(opened) => Some(("opened", Some(opened.tier))),
        Event::Decided(decided) => Some(("decided", decided.actor.as_ref().map(|one| one.tier))),
        Event::Outcome { tier, .. } => Some(("outcome", *tier)),
        Event::RunClosed { tier, .. } => Some(("closed", *tier)),
        _ => None,
    });
    let told = ["opened", "decided", "outcome", "decided", "closed"];
    assert_eq!(tiers.collect::<Vec<_>>(), told.map(|event| (event, Some(Tier::Confined))));
}

#[tokio::test]
async fn the_secret_of_a_run_that_is_not_captured_serves_on_the_road() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    for tier in [Tier::Advisory, Tier::Confined] {
        let run = alice.starts(held(tier)).await.unwrap();
        run.calls("GET", "/v1/items").await.is_allowed();
        assert_eq!(plane.log().last_decision().actor.as_ref().unwrap().tier, tier);
        let refused = plane.plane().hand_over(&run.acting(), run.launcher()).err().unwrap();
        assert_eq!(refused.kind, AdminKind::Invalid, "{refused}");
    }
}

// threat 98
#[tokio::test]
async fn nobody_but_the_launcher_hands_over_doors() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts(held(Tier::Captured)).await.unwrap();
    let other = alice.starts(held(Tier::Captured)).await.unwrap();
    let front = plane.plane();
    for peer in [&run.inside(), alice.peer(), other.launcher()] {
        let refused = front.hand_over(&run.acting(), peer).err().unwrap();
        assert_eq!(refused.kind, AdminKind::Forbidden);
    }
    assert!(front.must_launch(run.launcher()).is_ok() && front.must_launch(&run.inside()).is_err());
    let acting = run.acting();
    assert!(front.hand_over(&acting, run.launcher()).is_ok());
    alice.kills(&run).await;
    let late = front.hand_over(&run.acting(), run.launcher()).err().unwrap();
    assert_eq!(late.kind, AdminKind::Conflict, "{late}");
}

#[tokio::test]
async fn a_door_proves_nothing_once_its_run_is_over() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts(held(Tier::Captured)).await.unwrap();
    let proof = plane.plane().hand_over(&run.acting(), run.launcher()).unwrap();
    alice.kills(&run).await;
    let operation = get("/v1/items").operation().clone();
    let ask = Ask { presented: Presented::Door(proof), operation, announced_bytes: 0 };
    assert_eq!(code_of(plane.plane().decide(ask).await), "refused.run.killed");
}

#[tokio::test]
async fn a_run_hands_over_only_so_many_doors() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts(held(Tier::Captured)).await.unwrap();
    let proof = || plane.plane().hand_over(&run.acting(), run.launcher()).unwrap();
    assert!(proof().make_room(64) && proof().make_room(63));
    assert!(!proof().make_room(2), "129 doors");
    assert!(proof().make_room(1) && !proof().make_room(1));
}

// threat 166: the tier is an input of the score, so no run chooses that of its children.
#[tokio::test]
async fn a_child_is_held_as_its_parent_is_and_has_doors_of_its_own() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let advisory = alice.starts(held(Tier::Advisory)).await.unwrap();
    let claimed = advisory.starts(RunSpec { tier: Tier::Captured, ..child() }).await.unwrap();
    assert_eq!(claimed.opened().run.tier, Tier::Advisory);
    let captured = alice.starts(held(Tier::Captured)).await.unwrap();
    let below = captured.starts(RunSpec { tier: Tier::Advisory, ..child() }).await.unwrap();
    assert_eq!(below.opened().run.tier, Tier::Captured);
    below.calls("GET", "/v1/items").await.is_refused("refused.caller.door");
    assert_eq!(through_a_door(&plane, &below).await, "allowed");
    assert_eq!(plane.log().last_decision().actor.as_ref().unwrap().run, below.id());
}

// What is below a run would be more than it is, if it could speak through the doors above it.
#[tokio::test]
async fn a_process_of_a_child_does_not_speak_through_a_door_of_its_parent() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let parent = alice.starts(held(Tier::Captured)).await.unwrap();
    let child = parent.starts(child()).await.unwrap();
    let front = plane.plane();
    let above = front.hand_over(&parent.acting(), parent.launcher()).unwrap();
    let below = front.hand_over(&child.acting(), child.launcher()).unwrap();
    assert!(front.speaks_through(&parent.inside(), &above));
    // The child's launcher is a process of the parent.
    assert!(front.speaks_through(child.launcher(), &above));
    assert!(!front.speaks_through(&child.inside(), &above));
    assert!(front.speaks_through(&child.inside(), &below));
}

#[tokio::test]
async fn a_run_below_the_floor_of_the_organisation_is_not_opened() {
    let settings = Settings { tier_floor: Tier::Captured, ..Settings::default() };
    let plane = TestPlane::with(Setup { settings, ..Setup::default() }).await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    for tier in [Tier::Advisory, Tier::Confined] {
        let refused = alice.starts(held(tier)).await.err().unwrap();
        assert_eq!(refused.kind, AdminKind::TierBelowFloor);
        assert!(refused.message.contains("run.tier_floor"), "{refused}");
        assert!(refused.remedy.unwrap().contains("`captured`"));
    }
    let run = alice.starts(held(Tier::Captured)).await.unwrap();
    assert_eq!(through_a_door(&plane, &run).await, "allowed");
}

#[tokio::test]
async fn a_run_below_the_floor_of_its_mandate_is_not_opened() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let spec = |tier| RunSpec { tier_floor: Some(Tier::Confined), ..held(tier) };
    let refused = alice.starts(spec(Tier::Advisory)).await.err().unwrap();
    assert_eq!(refused.kind, AdminKind::TierBelowFloor);
    let run = alice.starts(spec(Tier::Confined)).await.unwrap();
    // A child whose mandate asks for more than its parent is.
    let more = RunSpec { tier_floor: Some(Tier::Captured), ..child() };
    assert_eq!(run.starts(more).await.err().unwrap().kind, AdminKind::TierBelowFloor);
}

// A floor that is raised counts for runs that are open: on their next call, and between the road
// and the record as well.
#[tokio::test]
async fn a_grant_that_asks_for_a_firmer_tier_stops_every_run_of_the_agent_below_it() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts(held(Tier::Confined)).await.unwrap();
    run.calls("GET", "/v1/items").await.is_allowed();
    let asking = marque_plane::spec::GrantSpec {
        tier_floor: Some(Tier::Captured),
        ..alice.grant("bot", lines(&["api:GET /v1/more"]))
    };
    let given = plane.plane().add_grant(&alice.acting().await, asking).await.unwrap();
    assert_eq!(given.tier_floor, Some(Tier::Captured));
    let refusal = run.calls("GET", "/v1/items").await.is_refused("refused.run.tier");
    assert!(refusal.message.contains(&given.id.to_string()), "{refusal}");
    let log = plane.log();
    let decided = log.last_decision();
    assert_eq!(decided.actor.as_ref().unwrap().tier, Tier::Confined);
    let explained = plane.plane().explain(&alice.acting().await, &decided.id.to_string()).await;
    assert!(explained.unwrap().replayed.starts_with("not replayed"));
    assert_eq!(
        alice.starts(held(Tier::Advisory)).await.err().unwrap().kind,
        AdminKind::TierBelowFloor
    );
    alice.revokes(&given).await;
    run.calls("GET", "/v1/items").await.is_allowed();
}

// The floor of an agent above counts for the runs it opened, whoever's they are.
#[tokio::test]
async fn a_floor_of_the_agent_above_counts_for_a_child_of_another_agent() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    alice.registers("coder").await;
    alice.grants("coder", &["api:GET /**"]).await;
    let parent = alice.starts_a_run("bot").await;
    let coder = parent.starts(run_of("coder")).await.unwrap();
    let asking = marque_plane::spec::GrantSpec {
        tier_floor: Some(Tier::Captured),
        ..alice.grant("bot", lines(&["api:GET /v1/more"]))
    };
    plane.plane().add_grant(&alice.acting().await, asking).await.unwrap();
    coder.calls("GET", "/v1/items").await.is_refused("refused.run.tier");
    alice.starts_a_run("coder").await.calls("GET", "/v1/items").await.is_allowed();
}

#[tokio::test]
async fn a_launcher_is_told_the_ports_and_hosts_of_what_the_mandate_names() {
    let plane = TestPlane::new().await;
    let alice = plane.alice();
    let serving = |name: &str, host: &str| ConnectionSpec {
        hosts: vec![host.to_owned()],
        limits: Limits::default(),
        ..connection(name)
    };
    alice.connects_as(serving("web", "web.test")).await;
    alice.connects_as(serving("high", "high.test:8443")).await;
    alice.connects_as(serving("other", "other.test:9443")).await;
    let code = ConnectionSpec { hosts: vec!["git.test:3000".into()], ..git_connection("code") };
    alice.connects_as(code).await;
    alice.registers("bot").await;
    let all = ["web:GET /**", "high:GET /**", "other:GET /**", "code:repo.read acme/**"];
    alice.grants("bot", &all).await;
    let mandate = lines(&["web:GET /**", "high:GET /**", "code:repo.read acme/api"]);
    let run = alice.starts(RunSpec { mandate, ..held(Tier::Captured) }).await.unwrap();
    assert_eq!(run.opened().ports, [3_000, 8_443]);
    assert_eq!(run.opened().hosts, ["git.test", "high.test", "web.test"]);
}

// A permission is of the grant that says so, of runs that are captured, and of children only where
// the run above them has it.
#[tokio::test]
async fn a_run_may_make_user_namespaces_if_a_grant_its_opener_may_use_says_so_and_it_is_captured() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    alice.registers("coder").await;
    alice.grants("coder", &["api:GET /**"]).await;
    let may = |run: &RunActor| run.opened().run.user_namespaces;
    let before = alice.starts(held(Tier::Captured)).await.unwrap();
    let permitting = |agent: &str| marque_plane::spec::GrantSpec {
        user_namespaces: true,
        ..alice.grant(agent, lines(&["api:GET /v1/more"]))
    };
    let given = plane.plane().add_grant(&alice.acting().await, permitting("bot")).await.unwrap();
    assert!(given.user_namespaces);
    assert!(!may(&before) && !may(&before.starts(child()).await.unwrap()));
    assert!(!may(&alice.starts(held(Tier::Confined)).await.unwrap()));
    assert!(!may(&alice.starts(held(Tier::Advisory)).await.unwrap()));
    let run = alice.starts(held(Tier::Captured)).await.unwrap();
    assert!(may(&run) && may(&run.starts(child()).await.unwrap()));
    assert!(!may(&run.starts(run_of("coder")).await.unwrap()));
    plane.plane().add_grant(&alice.acting().await, permitting("coder")).await.unwrap();
    assert!(may(&run.starts(run_of("coder")).await.unwrap()));
    alice.revokes(&given).await;
    assert!(may(&run), "what its filter lets through stays");
    assert!(!may(&run.starts(child()).await.unwrap()));
    assert!(!may(&alice.starts(held(Tier::Captured)).await.unwrap()));
}
