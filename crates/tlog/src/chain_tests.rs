use proptest::prelude::*;

use super::{KeyChain, Rotation, may_sign};
use crate::testing::{Log, key, name, rotation, trusted, verifier};
use crate::{Checkpoint, Error, Evidence, Fault, FaultKind, KeyName, Receipt, Report, VerifierKey};

/// A log of 30 whose key 1 was retired by entry 9, and key 2 by entry 19.
fn rotations() -> [Rotation; 2] {
    [rotation(9, 1, 2), rotation(19, 2, 3)]
}

fn chain(trusted: u8) -> KeyChain {
    KeyChain::of(&rotations(), &verifier(trusted)).unwrap()
}

/// What such a log keeps: a checkpoint of each key, and those with which they hand over.
fn notes(log: &Log) -> Vec<String> {
    vec![
        log.checkpoint_by(5, 1),
        log.handed_over(10, 1, 2),
        log.checkpoint_by(15, 2),
        log.handed_over(20, 2, 3),
        log.checkpoint_by(30, 3),
    ]
}

fn evidence(keys: KeyChain, notes: &[String]) -> Evidence {
    let mut evidence = Evidence::new(keys);
    for note in notes {
        evidence.own_checkpoint(note);
    }
    evidence
}

fn read(evidence: Evidence, log: &Log) -> Report {
    let mut verifier = evidence.verifier();
    let stored = log.stored();
    let _ = stored.iter().try_for_each(|(index, bytes, leaf)| verifier.entry(*index, bytes, leaf));
    verifier.finish()
}

proptest! {
    // threat 145
    #[test]
    fn a_key_signs_every_size_up_to_the_entry_that_retired_it_and_none_beyond(
        index in 0_u64..1_000, size in 0_u64..2_000,
    ) {
        prop_assert!(may_sign(None, size));
        prop_assert_eq!(may_sign(Some(index), size), size <= index + 1);
    }

    // threat 145
    #[test]
    fn of_any_chain_each_size_is_signed_by_the_keys_whose_time_it_was(
        gaps in prop::collection::vec(1_u64..9, 0..5), signer in 0_u8..6, size in 0_u64..50,
    ) {
        let mut index = 0;
        let mut rotations = Vec::new();
        for (old, gap) in (1_u8..).zip(&gaps) {
            index += gap;
            rotations.push(rotation(index, old, old + 1));
        }
        let keys = KeyChain::of(&rotations, &verifier(1)).unwrap();
        let signer = signer + 1;
        let root = Log::of(1).root(1);
        let head = Checkpoint { origin: name(), size, root };
        let retired = rotations.get(usize::from(signer) - 1).map(|rotation| rotation.index);
        let opened = keys.open(&head.sign(&key(signer)));
        if usize::from(signer) > rotations.len() + 1 {
            let is_strange = matches!(opened, Err(Error::NotSigned { .. }));
            prop_assert!(is_strange);
        } else if may_sign(retired, size) {
            prop_assert_eq!(opened, Ok(head));
        } else {
            let index = retired.unwrap();
            let key = verifier(signer).label();
            prop_assert_eq!(opened, Err(Error::Retired { key, size, index }));
        }
    }
}

// threat 145
#[test]
fn a_record_that_does_not_follow_makes_no_chain() {
    let other: KeyName = "other.example/log".parse().unwrap();
    let elsewhere = VerifierKey::new(other, key(2).public().clone());
    for (why, rotations) in [
        ("another key than the one in force", vec![rotation(9, 1, 2), rotation(19, 1, 3)]),
        ("one that the log had before", vec![rotation(9, 1, 1)]),
        ("one that the log had before", vec![rotation(9, 1, 2), rotation(19, 2, 1)]),
        ("before the one that it follows", vec![rotation(9, 1, 2), rotation(9, 2, 3)]),
        ("of another log", vec![Rotation { new: elsewhere, ..rotation(9, 1, 2) }]),
    ] {
        let refused = KeyChain::of(&rotations, &trusted()).unwrap_err();
        assert!(matches!(refused, Error::BadRotation { .. }), "{refused}");
        assert!(refused.to_string().contains(why), "{refused}");
    }
    let strange = KeyChain::of(&rotations(), &verifier(4)).unwrap_err();
    assert!(matches!(strange, Error::NotItsKey { .. }), "{strange}");
}

// threat 145
#[test]
fn a_log_rotated_twice_holds_for_whoever_kept_any_of_its_keys() {
    let log = Log::of(30);
    for trusted in 1..=3 {
        let mut evidence = evidence(chain(trusted), &notes(&log));
        // What outsiders kept of each segment.
        for (size, seed) in [(4, 1), (10, 1), (12, 2), (20, 2), (25, 3)] {
            evidence.checkpoint(&log.checkpoint_by(size, seed)).unwrap();
        }
        let report = read(evidence, &log);
        assert!(report.holds(), "{report}");
        assert_eq!((report.signed, report.anchored.sizes), (30, vec![4, 10, 12, 20, 25]));
    }
}

// threat 145
#[test]
fn a_retired_key_signs_no_larger_head_of_the_log_s_own() {
    let log = Log::of(30);
    let mut notes = notes(&log);
    notes.push(log.checkpoint_by(30, 2));
    let found = read(evidence(chain(3), &notes), &log).first_bad.unwrap();
    let why = Error::Retired { key: verifier(2).label(), size: 30, index: 19 };
    assert_eq!(found.kind, FaultKind::BadCheckpoint { number: 6, why });
    assert!(found.to_string().contains("which entry 19 retired"), "{found}");
}

// threat 145
#[test]
fn a_retired_key_signs_no_larger_head_for_others_and_its_entry_is_named() {
    let log = Log::of(30);
    let mut evidence = evidence(chain(3), &notes(&log));
    evidence.checkpoint(&Log { entries: vec![b"forged".to_vec(); 30] }.checkpoint(30)).unwrap();
    let found = read(evidence, &log).first_bad.unwrap();
    let kind = FaultKind::Retired { size: 30, key: trusted().label() };
    assert_eq!(found, Fault { first: 9, last: 9, kind });
}

// threat 145: the thief of key 1 rotates it to key 4 in a log of their own.
#[test]
fn a_rotation_forged_with_the_stolen_key_is_caught_by_what_others_saw() {
    let log = Log::of(30);
    let mut forged = Log::of(30);
    for entry in forged.entries.iter_mut().skip(7) {
        entry.extend_from_slice(b", as the thief tells it");
    }
    let fork = || {
        let keys = KeyChain::of(&[rotation(7, 1, 4)], &trusted()).unwrap();
        let notes = [forged.checkpoint_by(5, 1), forged.handed_over(8, 1, 4)];
        evidence(keys, &[&notes[..], &[forged.checkpoint_by(30, 4)]].concat())
    };
    assert!(read(fork(), &forged).holds(), "by itself it is consistent");

    let mut seen_before = fork();
    seen_before.checkpoint(&log.checkpoint(8)).unwrap();
    let found = read(seen_before, &forged).first_bad.unwrap();
    assert_eq!(found.kind, FaultKind::Fork { size: 8 });

    let mut seen_after = fork();
    seen_after.checkpoint(&log.checkpoint(9)).unwrap();
    let found = read(seen_after, &forged).first_bad.unwrap();
    let kind = FaultKind::Retired { size: 9, key: trusted().label() };
    assert_eq!(found, Fault { first: 7, last: 7, kind });

    let mut printed = fork();
    printed.printed(9, log.root(9));
    let found = read(printed, &forged).first_bad.unwrap();
    assert_eq!(found.kind, FaultKind::Rewritten { size: 9 });

    let mut of_the_new_key = fork();
    let refused = of_the_new_key.checkpoint(&log.checkpoint_by(12, 2)).unwrap_err();
    assert!(matches!(refused, Error::NotSigned { .. }), "{refused}");
}

// threat 145: who writes the store and holds no key cannot say which key comes next, and the thief
// of an old key cannot tell anew what was before the rotation.
#[test]
fn a_rotation_counts_only_under_the_word_of_the_key_that_is_trusted() {
    let log = Log::of(30);
    let unvouched = |keys: KeyChain, notes: &[String]| {
        let found = read(evidence(keys, notes), &log).first_bad.unwrap();
        let FaultKind::Unvouched { key } = found.kind else { unreachable!("{found}") };
        (found.first, key)
    };
    let forward = KeyChain::of(&[rotation(9, 1, 4)], &trusted()).unwrap();
    let notes = [log.checkpoint_by(5, 1), log.checkpoint_by(30, 4)];
    assert_eq!(unvouched(forward, &notes), (9, trusted().label()));

    let backward = KeyChain::of(&[rotation(9, 1, 2)], &verifier(2)).unwrap();
    let notes = [log.checkpoint_by(5, 1), log.checkpoint_by(10, 1)];
    assert_eq!(unvouched(backward.clone(), &notes), (9, verifier(2).label()));

    let too_early = [log.checkpoint_by(9, 2)];
    assert_eq!(unvouched(backward.clone(), &too_early), (9, verifier(2).label()));

    let notes = [log.checkpoint_by(10, 1), log.checkpoint_by(12, 2)];
    assert!(read(evidence(backward, &notes), &log).holds());
}

// threat 145
#[test]
fn receipts_of_every_segment_verify_and_a_retired_key_gives_none_beyond_its_own() {
    let log = Log::of(30);
    let receipt = |size: usize, seed: u8| Receipt {
        entry: b"entry 3".to_vec(),
        index: 3,
        proof: log.inclusion(3, size),
        checkpoint: log.checkpoint_by(size, seed),
    };
    for (size, seed) in [(5, 1), (10, 1), (15, 2), (30, 3)] {
        assert_eq!(receipt(size, seed).verify(&chain(3)).unwrap().size, size as u64);
    }
    assert!(receipt(5, 1).verify(&trusted().into()).is_ok(), "with its own key alone too");
    let refused = receipt(11, 1).verify(&chain(3)).unwrap_err();
    assert_eq!(refused, Error::Retired { key: trusted().label(), size: 11, index: 9 });
}

#[test]
fn a_head_signed_by_two_keys_counts_for_each_and_a_forged_line_condemns_it() {
    let log = Log::of(30);
    let note = log.handed_over(10, 1, 2);
    for seed in [1, 2] {
        assert_eq!(Checkpoint::open(&note, &verifier(seed)).unwrap().size, 10);
    }
    let forged = note.replace("\n10\n", "\n11\n");
    assert!(matches!(chain(3).open(&forged), Err(Error::BadSignature { .. })));
}
