//! Stage 2 against worlds made by hand: what no verb brings about by itself yet.

use marque_domain::agent::VersionState;
use marque_domain::user::UserState;
use marque_domain::{AgentState, Timestamp, User};

use super::stand;
use crate::testing::{NOW, Scene};

fn code(scene: &Scene) -> String {
    let world = scene.world();
    stand(&world, scene.run.id, NOW).err().unwrap().code.text()
}

fn gone(user: &User) -> User {
    User { state: UserState::Gone { at: NOW }, ..user.clone() }
}

#[test]
fn a_run_whose_people_are_there_stands() {
    let scene = Scene::new();
    let standing = stand(&scene.world(), scene.run.id, NOW).ok().unwrap();
    assert_eq!(standing.accountable.fact.id, scene.owner.id);
    assert!(standing.owner_present);
}

// threat 180: when the owner is gone the sponsor answers; when both are, nobody does.
#[test]
fn without_its_owner_a_run_stands_on_its_sponsor_and_without_either_it_falls() {
    let mut scene = Scene::new();
    scene.owner = gone(&scene.owner);
    let standing = stand(&scene.world(), scene.run.id, NOW).ok().unwrap();
    assert_eq!(standing.accountable.fact.id, scene.sponsor.id);
    assert!(!standing.owner_present);
    scene.sponsor = gone(&scene.sponsor);
    assert_eq!(code(&scene), "refused.run.nobody_accountable");
}

// threat 53
#[test]
fn a_run_for_a_person_who_left_is_refused() {
    let mut scene = Scene::new();
    scene.run.chain.on_behalf_of = Some(scene.sponsor.id);
    assert!(stand(&scene.world(), scene.run.id, NOW).is_ok());
    scene.sponsor = gone(&scene.sponsor);
    assert_eq!(code(&scene), "refused.run.person_gone");
}

// threat 180: even if its runs were left open.
#[test]
fn an_agent_that_is_not_active_is_refused() {
    let mut scene = Scene::new();
    let by = scene.owner.id;
    for state in [
        AgentState::Draft,
        AgentState::Suspended { at: NOW, by: Some(by) },
        AgentState::Retired { at: NOW, by },
    ] {
        scene.agent.state = state;
        assert_eq!(code(&scene), "refused.run.agent_stopped");
    }
}

#[test]
fn a_version_no_human_stands_behind_is_refused() {
    let mut scene = Scene::new();
    scene.version.state = VersionState::Proposed;
    assert_eq!(code(&scene), "refused.run.version_not_approved");
}

#[test]
fn a_run_is_over_at_the_moment_it_expires_and_not_before() {
    let scene = Scene::new();
    let just_before = Timestamp::from_millis(scene.run.expires_at.as_millis() - 1);
    let world = scene.world();
    assert!(stand(&world, scene.run.id, just_before).is_ok());
    let over = stand(&world, scene.run.id, scene.run.expires_at).err().unwrap();
    assert_eq!(over.code.text(), "refused.run.expired");
}
