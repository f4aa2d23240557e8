//! Who may act: the pair of subject and presenter, and what would be enough.

use marque_wire::oauth::{Act, Actor, Authentication, Issuer};

use super::*;
use crate::{ActorProblem, ChainPolicy, StepUp};

const WRITER: &str = "spiffe://acme.example/agent/ledger-writer";

fn actor(stage: &Stage, sub: &str) -> Actor {
    Actor { sub: sub.to_owned(), iss: stage.issuer.issuer.clone(), sub_profile: None }
}

fn judged(policy: &ChainPolicy, claims: &AccessTokenClaims) -> Option<ActorProblem> {
    policy.admit(claims).err()
}

#[tokio::test]
async fn a_presenter_is_named_exactly_or_by_its_trust_domain() {
    let stage = Stage::new().await;
    let claims = stage.claims();
    let exact = |id: &str| ChainPolicy::new().presenter(id).unwrap();
    assert_eq!(judged(&exact(WRITER), &claims), None);
    for other in [
        "spiffe://acme.example/agent/ledger",
        "spiffe://acme.example/agent/ledger-writer2",
        "spiffe://acme.example.evil.example/agent/ledger-writer",
        "spiffe://acme.example/agent/Ledger-writer",
    ] {
        assert_eq!(judged(&exact(other), &claims), Some(ActorProblem::Presenter), "{other}");
    }
    let domain = |name: &str| ChainPolicy::new().trust_domain(name).unwrap();
    assert_eq!(judged(&domain("acme.example"), &claims), None);
    for other in ["acme", "example", "cme.example", "acme.example.evil.example"] {
        assert_eq!(judged(&domain(other), &claims), Some(ActorProblem::Presenter), "{other}");
    }
    for bad in ["acme.example/agent/a", "spiffe://", "spiffe://acme.example/", "spiffe://A.x/a"] {
        assert!(ChainPolicy::new().presenter(bad).is_err(), "{bad}");
    }
    for bad in ["", "Acme.example", "acme.example/agent", "spiffe://acme.example"] {
        assert!(ChainPolicy::new().trust_domain(bad).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn only_the_outermost_actor_counts_and_only_as_the_issuer_named_it() {
    let stage = Stage::new().await;
    let policy = ChainPolicy::new().presenter(WRITER).unwrap();
    let mut claims = stage.claims();
    let evil = actor(&stage, "spiffe://acme.example/agent/evil");
    claims.act = Act::new(vec![evil, actor(&stage, WRITER)]);
    assert_eq!(judged(&policy, &claims), Some(ActorProblem::Presenter));
    let foreign = Issuer::parse("https://other.example").unwrap();
    claims.act = Act::new(vec![Actor { iss: foreign, ..actor(&stage, WRITER) }]);
    assert_eq!(judged(&policy, &claims), Some(ActorProblem::Presenter));
    // An agent on its own presents its own token.
    claims.act = None;
    claims.sub = WRITER.to_owned();
    assert_eq!(judged(&policy, &claims), None);
    let delegated = policy.delegated_only();
    assert_eq!(judged(&delegated, &claims), Some(ActorProblem::NoActor));
}

#[tokio::test]
async fn threat_45_a_chain_is_as_long_as_is_accepted_here_and_no_longer() {
    let stage = Stage::new().await;
    let mut claims = stage.claims();
    claims.act = Act::new(vec![actor(&stage, WRITER), actor(&stage, "a"), actor(&stage, "b")]);
    for (depth, problem) in [(0, Some(ActorProblem::Depth)), (2, Some(ActorProblem::Depth))] {
        assert_eq!(judged(&ChainPolicy::new().depth_max(depth), &claims), problem);
    }
    assert_eq!(judged(&ChainPolicy::new().depth_max(3), &claims), None);
    assert_eq!(judged(&ChainPolicy::new(), &claims), None);
    let policy = ChainPolicy::new().subject("usr_1").subject("usr_7Q2m");
    assert_eq!(judged(&policy, &claims), None);
    claims.sub = "usr_7Q2M".to_owned();
    assert_eq!(judged(&policy, &claims), Some(ActorProblem::Subject));
}

#[tokio::test]
async fn whoever_may_not_is_told_so_and_that_more_scope_would_not_help() {
    let stage = Stage::new().await;
    let policy = ChainPolicy::new().trust_domain("other.example").unwrap();
    let verifier = stage.builder().policy(policy).build().unwrap();
    let (status, challenge) = told(stage.verify(&verifier, &stage.token()).await);
    assert_eq!(status, 403);
    assert!(challenge.contains("error=\"actor_unauthorized\""), "{challenge}");
    assert!(!challenge.contains("scope="), "{challenge}");
}

#[tokio::test]
async fn a_person_is_authenticated_well_and_lately_enough_or_asked_again() {
    let stage = Stage::new().await;
    let now = stage.issuer.date();
    let mut claims = stage.claims();
    let strong = StepUp { acr_values: Some("phr phrh".to_owned()), max_age_secs: Some(60) };
    assert!(!strong.holds(&claims, now));
    let acr = |acr: &str| {
        Some(Authentication { auth_time: now, acr: Some(acr.to_owned()), amr: Vec::new() })
    };
    claims.authentication = acr("phrh");
    assert!(strong.holds(&claims, now));
    assert!(strong.holds(&claims, now.plus_seconds(60)));
    assert!(!strong.holds(&claims, now.plus_seconds(61)));
    for other in ["ph", "phr phrh", "PHR"] {
        claims.authentication = acr(other);
        assert!(!strong.holds(&claims, now), "{other}");
    }
}
