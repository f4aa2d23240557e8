use std::time::Duration;

use marque_domain::Timestamp;
use proptest::prelude::{any, proptest};

use super::{KeyRing, KeyState, MAX_RETIRED};
use crate::CryptoError;

const DAY: Duration = Duration::from_secs(86_400);

fn day(number: u32) -> Timestamp {
    Timestamp::from_millis(0).plus(DAY * number)
}

fn published(ring: &KeyRing<u32>, now: Timestamp) -> Vec<u32> {
    ring.published(now).copied().collect()
}

#[test]
fn a_next_key_signs_only_once_every_verifier_knows_it() {
    let ring = KeyRing::new(1, DAY, day(0)).prepare(2, day(5)).unwrap();
    assert_eq!((*ring.signer(), published(&ring, day(5))), (1, vec![1, 2]));
    let early = ring.clone().rotate(Timestamp::from_millis(day(6).as_millis() - 1));
    assert!(matches!(early, Err(CryptoError::KeyNotReady { from }) if from == day(6)));
    let ring = ring.rotate(day(6)).unwrap();
    assert_eq!((*ring.signer(), published(&ring, day(6))), (2, vec![2, 1]));
}

#[test]
fn a_retired_key_verifies_for_one_overlap_and_is_then_gone() {
    let ring = KeyRing::new(1, DAY, day(0)).prepare(2, day(1)).unwrap().rotate(day(2)).unwrap();
    let last = Timestamp::from_millis(day(3).as_millis() - 1);
    assert_eq!(published(&ring, last), [2, 1]);
    assert_eq!(published(&ring, day(3)), [2]);
    let ring = ring.prepare(3, day(3)).unwrap().rotate(day(4)).unwrap();
    let states: Vec<_> = ring.keys().map(|(key, state)| (*key, state)).collect();
    let retired = KeyState::Retired { until: day(5) };
    assert_eq!(states, [(3, KeyState::Active { since: day(4) }), (2, retired)]);
}

#[test]
fn one_next_key_at_a_time_and_none_from_nowhere() {
    let ring = KeyRing::new(1, DAY, day(0));
    assert!(ring.clone().rotate(day(9)).is_err());
    assert!(ring.prepare(2, day(0)).unwrap().prepare(3, day(0)).is_err());
}

#[test]
fn a_ring_is_restored_as_it_was_and_only_with_exactly_one_active_key() {
    let ring = KeyRing::new(1, DAY, day(0)).prepare(2, day(0)).unwrap().rotate(day(1)).unwrap();
    let ring = ring.prepare(3, day(1)).unwrap();
    let stored: Vec<_> = ring.keys().map(|(key, state)| (*key, state)).collect();
    let restored = KeyRing::restore(stored.clone(), DAY).unwrap();
    assert_eq!(restored.keys().map(|(key, state)| (*key, state)).collect::<Vec<_>>(), stored);

    let active = KeyState::Active { since: day(0) };
    let prepared = KeyState::Prepared { from: day(0) };
    let retired = KeyState::Retired { until: day(9) };
    let crowd = (0..=MAX_RETIRED).map(|_| (9, retired)).chain([(1, active)]).collect();
    let bad: [Vec<(u32, KeyState)>; 5] = [
        vec![],
        vec![(1, prepared)],
        vec![(1, active), (2, active)],
        vec![(1, active), (2, prepared), (3, prepared)],
        crowd,
    ];
    for keys in bad {
        assert!(KeyRing::restore(keys, DAY).is_err());
    }
}

proptest! {
    #[test]
    fn yesterdays_published_set_always_holds_todays_signer(steps: Vec<(u32, bool)>) {
        let mut ring = KeyRing::new(0, DAY, day(1));
        let mut history = vec![(day(1), published(&ring, day(1)), 0)];
        let mut now = day(1);
        for (index, (millis, prepare)) in (1u32..).zip(steps) {
            now = now.plus(Duration::from_millis(u64::from(millis % 100_000_000)));
            let steps = [ring.clone().rotate(now), ring.clone().prepare(index, now)];
            let [rotated, prepared] = steps.map(|step| step.unwrap_or_else(|_| ring.clone()));
            ring = [rotated, prepared][usize::from(prepare)].clone();
            history.push((now, published(&ring, now), *ring.signer()));
        }
        for (seen, set, _) in &history {
            for (at, _, signer) in history.iter().filter(|(at, ..)| at >= seen) {
                let fresh = at.since(*seen) < DAY;
                assert!(!fresh || set.contains(signer), "seen {seen}, signed {at}: {signer}");
            }
        }
    }

    #[test]
    fn what_a_signer_signed_verifies_for_one_overlap(delay in any::<u32>()) {
        let later = day(1).plus(Duration::from_millis(u64::from(delay) % 86_400_000));
        let ring = KeyRing::new(1, DAY, day(0)).prepare(2, day(0)).unwrap().rotate(day(1)).unwrap();
        assert!(published(&ring, later).contains(&1));
    }
}
