//! Floors, each asked for by one side alone.

use marque_domain::{Grant, Tier};

use super::Floor;
use crate::testing::{NOW, Scene, id};

const TIERS: [Tier; 3] = [Tier::Advisory, Tier::Confined, Tier::Captured];

#[test]
fn a_run_stands_at_its_floor_and_above_and_nowhere_below() {
    for floor in TIERS {
        for held in TIERS {
            let judged = Floor::of_organisation(floor).judge(held);
            assert_eq!(judged.is_ok(), held >= floor, "{held} of at least {floor}");
        }
    }
}

#[test]
fn the_firmest_of_all_who_ask_counts_and_is_named() {
    let mut scene = Scene::new();
    let asking = |tier| Grant {
        id: id(9),
        openers: [].into(),
        tier_floor: Some(tier),
        ..scene.grant.clone()
    };
    scene.more_grants = vec![asking(Tier::Confined)];
    let of = |organisation, mandate| {
        let floor = Floor::of_organisation(organisation);
        floor.with_grants(&scene.world(), [scene.agent.id], NOW).with_mandate(mandate)
    };
    let told = |floor: Floor| floor.judge(Tier::Advisory).unwrap_err();
    let by_grant = told(of(Tier::Advisory, None));
    assert_eq!(by_grant.code.text(), "refused.run.tier");
    assert!(by_grant.message.contains(&format!("grant `{}`", id::<Grant>(9))), "{by_grant}");
    assert!(told(of(Tier::Captured, None)).message.contains("run.tier_floor"));
    assert!(told(of(Tier::Advisory, Some(Tier::Captured))).message.contains("the mandate"));
    // What asks for less than somebody else lowers nothing.
    assert!(of(Tier::Advisory, Some(Tier::Advisory)).judge(Tier::Advisory).is_err());
}

#[test]
fn a_grant_that_is_over_asks_for_nothing() {
    let mut scene = Scene::new();
    scene.grant.tier_floor = Some(Tier::Captured);
    let floor = || Floor::of_organisation(Tier::Advisory);
    let world = scene.world();
    let late = scene.grant.until;
    assert!(floor().with_grants(&world, [scene.agent.id], NOW).judge(Tier::Advisory).is_err());
    assert!(floor().with_grants(&world, [scene.agent.id], late).judge(Tier::Advisory).is_ok());
}
