//! Stage 3 against worlds made by hand: grants of several humans, agents and connections.

use marque_domain::{Authority, Grant, Id, Permission, Refusal, Sorted};

use super::{Mandated, rule};
use crate::run::stand;
use crate::testing::{NOW, Scene, id};

fn asked(scene: &Scene) -> Result<Mandated, Refusal> {
    let world = scene.world();
    let standing = stand(&world, scene.run.id, NOW).ok().unwrap();
    rule(&world, &standing, &scene.operation(), NOW).map_err(|uncovered| uncovered.refusal)
}

fn line(scene: &Scene, text: &str) -> Sorted<Permission> {
    let registered = scene.connection.registered();
    Permission::parse(text, |_| Some(registered.clone())).unwrap().into_iter().collect()
}

fn grant_of(scene: &Scene, number: u8, authority: Authority) -> Grant {
    let openers = Sorted::from([scene.sponsor.id]);
    Grant { id: id(number), openers, authority, ..scene.grant.clone() }
}

#[test]
fn the_scene_is_allowed_as_it_stands() {
    assert_eq!(asked(&Scene::new()).ok().unwrap().line, "api:GET /**");
}

// threat 180: authority lent to one human's runs is not lent to another's.
#[test]
fn a_grant_that_does_not_name_who_opened_the_run_gives_it_nothing() {
    let mut scene = Scene::new();
    scene.grant.openers = Sorted::from([scene.sponsor.id]);
    assert_eq!(asked(&scene).err().unwrap().code.text(), "refused.mandate.nothing_allows");
}

#[test]
fn a_grant_that_does_not_name_who_opened_the_run_still_takes_away() {
    let mut scene = Scene::new();
    let never = Authority { never: line(&scene, "api:GET /v1/**"), ..Authority::default() };
    scene.more_grants = vec![grant_of(&scene, 91, never)];
    assert_eq!(asked(&scene).err().unwrap().code.text(), "refused.mandate.never");
    let ask = Authority { ask: line(&scene, "api:GET /v1/**"), ..Authority::default() };
    scene.more_grants = vec![grant_of(&scene, 91, ask)];
    let held = asked(&scene).ok().unwrap().hold.unwrap();
    assert_eq!(held.code.text(), "refused.mandate.needs_approval");
}

// threat 46
#[test]
fn a_chain_reaches_no_further_than_any_of_its_agents() {
    let mut scene = Scene::new();
    let origin = marque_domain::Actor { agent: Id::new(NOW, [77; 10]), run: id(78) };
    scene.run.chain.actors.insert(0, origin);
    let refusal = asked(&scene).err().unwrap();
    assert_eq!(refusal.code.text(), "refused.mandate.nothing_allows");
}

// threat 161: what is looked at is counted, not how long it takes.
#[test]
fn of_ten_thousand_agents_and_grants_a_decision_looks_at_those_of_its_chain() {
    let mut scene = Scene::new();
    let everything = scene.grant.authority.clone();
    for number in 0..10_000_u32 {
        let [a, b, c, d] = number.to_be_bytes();
        let bytes = [200, a, b, c, d, 0, 0, 0, 0, 0];
        let others = Grant { agent: Id::new(NOW, bytes), ..scene.grant.clone() };
        scene.more_grants.push(Grant { id: Id::new(NOW, bytes), ..others });
    }
    scene.more_grants.push(grant_of(&scene, 91, everything));
    let world = scene.world();
    assert!(world.grants.len() > 10_000);
    assert_eq!(world.live_grants(scene.agent.id, NOW).count(), 2, "found by their agent");
    let used = asked(&scene).ok().unwrap().grants;
    assert!(used.iter().all(|grant| grant.fact.agent == scene.agent.id), "{}", used.len());
}
