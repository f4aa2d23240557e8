use std::time::Duration;

use marque_domain::{Id, Run, Timestamp};
use tokio::time::timeout;

use super::{BODIES_MAX, Places, RUN_BODIES_MAX, lock};
use crate::GatewaySettings;

const SOON: Duration = Duration::from_millis(20);

fn places() -> Places {
    let few = GatewaySettings {
        connections_max: 4,
        run_connections_max: 2,
        strangers_max: 2,
        ..GatewaySettings::default()
    };
    Places::new(&few)
}

fn run(number: u8) -> Id<Run> {
    Id::new(Timestamp::from_millis(1), [number; 10])
}

// threat 93
#[test]
fn a_run_that_takes_all_it_can_leaves_room_for_others() {
    let places = places();
    let greedy = [places.of_tree(run(1)).unwrap(), places.of_tree(run(1)).unwrap()];
    assert!(places.of_tree(run(1)).is_err(), "a third place is more than its share");
    let other = places.of_tree(run(2)).unwrap();
    drop(greedy);
    assert!(places.of_tree(run(1)).is_ok(), "a place given back can be taken again");
    drop(other);
    assert!(places.of_tree(run(3)).is_ok());
    assert!(lock(&places.shares).len() <= 2, "shares nobody holds are forgotten");
}

#[test]
fn all_runs_together_stay_within_the_bound() {
    let places = places();
    let held: Vec<_> = [1, 1, 2, 2].map(run).map(|run| places.of_tree(run).unwrap()).into();
    assert!(places.of_tree(run(3)).is_err());
    drop(held);
    assert!(places.of_tree(run(3)).is_ok());
}

// threat 93
#[tokio::test]
async fn a_run_that_reads_as_many_bodies_as_it_can_leaves_room_for_others() {
    const { assert!(RUN_BODIES_MAX < BODIES_MAX) };
    let places = places();
    let greedy = places.of_tree(run(1)).unwrap();
    let mut held = Vec::new();
    for _ in 0..RUN_BODIES_MAX {
        held.push(greedy.of_body().await.unwrap());
    }
    assert!(timeout(SOON, greedy.of_body()).await.is_err(), "one more waits");
    let other = places.of_tree(run(2)).unwrap();
    assert!(timeout(SOON, other.of_body()).await.is_ok(), "another run does not");
    held.pop();
    assert!(timeout(SOON, greedy.of_body()).await.is_ok());
}

// threat 93
#[test]
fn the_oldest_stranger_makes_room_for_a_newcomer() {
    let places = places();
    let strangers = [places.of_stranger(), places.of_stranger(), places.of_stranger()];
    let lost = strangers.each_ref().map(|stranger| stranger.lost().is_cancelled());
    assert_eq!(lost, [true, false, false]);
    drop(strangers);
    assert!(lock(&places.strangers).lost.is_empty());
}
