use marque_domain::Digest;

use crate::testing::{Log, key, name, trusted};
use crate::{
    Anchor, AnchoredLeaf, Checkpoint, EMPTY_ROOT, Error, Evidence, Fault, FaultKind, Report,
};

/// Evidence of an honest past: the log's own checkpoints at these sizes.
fn signed(log: &Log, sizes: &[usize]) -> Evidence {
    let mut evidence = Evidence::new(trusted());
    for size in sizes {
        evidence.own_checkpoint(&log.checkpoint(*size));
    }
    evidence
}

/// A record of an anchors file: what a run saw at this size, and its own entries.
fn anchor(log: &Log, size: usize, leaves: &[usize]) -> String {
    let seen = |index: &usize| AnchoredLeaf { index: *index as u64, leaf: log.leaf(*index) };
    let leaves = leaves.iter().map(seen).collect();
    Anchor::new(&log.checkpoint(size), leaves, &trusted().into()).unwrap().to_string()
}

fn read(evidence: Evidence, stored: &[(u64, Vec<u8>, Digest)]) -> Report {
    let mut verifier = evidence.verifier();
    let _ = stored.iter().try_for_each(|(index, bytes, leaf)| verifier.entry(*index, bytes, leaf));
    verifier.finish()
}

fn fault(first: u64, last: u64, kind: FaultKind) -> Fault {
    Fault { first, last, kind }
}

/// A log of 30 whose entry 12 was rewritten by somebody who holds the real key: every hash and
/// every checkpoint of its own is made anew.
fn rewritten() -> (Log, Evidence) {
    let mut log = Log::of(30);
    *log.entries.get_mut(12).unwrap() = b"entry 12 never happened".to_vec();
    let evidence = signed(&log, &[5, 10, 15, 20, 30]);
    (log, evidence)
}

#[test]
fn an_honest_log_holds_and_says_how_far_others_saw_it() {
    let log = Log::of(30);
    let mut evidence = signed(&log, &[0, 10, 20, 30]);
    evidence.anchors(&format!("{}{}", anchor(&log, 10, &[2, 9]), anchor(&log, 25, &[]))).unwrap();
    evidence.checkpoint(&log.checkpoint(20)).unwrap();
    evidence.printed(10, log.root(10));
    let report = read(evidence, &log.stored());
    assert!(report.holds());
    assert_eq!((report.size, report.root, report.signed), (30, log.root(30), 30));
    assert_eq!(report.anchored.sizes, [10, 20, 25]);
    assert_eq!(
        report.to_string(),
        format!(
            "30 entries, root {}: consistent with itself; anchored up to size 25, \
             the 5 entries after that not",
            log.root(30)
        )
    );
}

#[test]
fn without_evidence_from_elsewhere_the_report_says_so() {
    let log = Log::of(3);
    let report = read(signed(&log, &[2]), &log.stored());
    assert_eq!(
        report.to_string(),
        format!(
            "3 entries, root {}: consistent with itself; not anchored\n\
             1 entry at its end under no checkpoint of its own",
            log.root(3)
        )
    );
}

#[test]
fn an_anchor_of_the_empty_log_anchors_nothing() {
    let log = Log::of(3);
    let mut evidence = signed(&log, &[0, 3]);
    evidence.printed(0, EMPTY_ROOT);
    let report = read(evidence, &log.stored());
    assert!(report.holds());
    assert!(report.anchored.sizes.is_empty());
}

#[test]
fn an_edited_byte_is_named_by_its_index() {
    // threat 136
    let log = Log::of(30);
    let mut stored = log.stored();
    *stored.get_mut(12).unwrap().1.last_mut().unwrap() ^= 1;
    let report = read(signed(&log, &[10, 20, 30]), &stored);
    assert_eq!(report.first_bad, Some(fault(12, 12, FaultKind::Edited)));
    assert_eq!((report.size, report.root), (12, log.root(12)));
}

#[test]
fn an_edited_byte_with_its_hash_made_anew_is_bounded_by_the_log_s_own_checkpoints() {
    // threat 136
    let (forged, _) = rewritten();
    let report = read(signed(&Log::of(30), &[5, 10, 20, 30]), &forged.stored());
    assert_eq!(report.first_bad, Some(fault(10, 19, FaultKind::Unlike { size: 20 })));
    assert_eq!(report.signed, 10);
}

#[test]
fn entries_removed_from_the_end_are_named() {
    // threat 136
    let log = Log::of(30);
    let mut stored = log.stored();
    stored.truncate(27);
    let report = read(signed(&log, &[10, 30]), &stored);
    assert_eq!(report.first_bad, Some(fault(27, 29, FaultKind::Truncated { size: 30 })));
}

#[test]
fn a_log_cut_back_to_an_older_checkpoint_of_its_own_is_caught_by_an_anchor() {
    // threat 138
    let log = Log::of(30);
    let mut stored = log.stored();
    stored.truncate(10);
    assert!(read(signed(&log, &[5, 10]), &stored).holds());

    let mut evidence = signed(&log, &[5, 10]);
    evidence.anchors(&anchor(&log, 30, &[28])).unwrap();
    let report = read(evidence, &stored);
    assert_eq!(report.first_bad, Some(fault(10, 29, FaultKind::Truncated { size: 30 })));

    let mut evidence = signed(&log, &[5, 10]);
    evidence.printed(30, log.root(30));
    let report = read(evidence, &stored);
    assert_eq!(report.first_bad, Some(fault(10, 29, FaultKind::Truncated { size: 30 })));
}

#[test]
fn an_older_checkpoint_recorded_after_a_newer_one_is_a_fault() {
    // threat 138
    let log = Log::of(30);
    let report = read(signed(&log, &[10, 30, 20]), &log.stored());
    assert_eq!(report.first_bad, Some(fault(20, 29, FaultKind::Replayed { size: 20, after: 30 })));
}

#[test]
fn entries_removed_from_the_middle_are_named() {
    // threat 136
    let log = Log::of(30);
    let mut stored = log.stored();
    stored.drain(12..14);
    let report = read(signed(&log, &[10, 30]), &stored);
    assert_eq!(report.first_bad, Some(fault(12, 13, FaultKind::Missing)));
    assert!(
        report.to_string().starts_with("entries 12 to 13: missing\n12 entries read; not anchored")
    );
}

#[test]
fn entries_removed_and_closed_up_are_bounded_and_with_leaves_named() {
    // threat 136
    let log = Log::of(30);
    let mut forged = Log::of(30);
    forged.entries.remove(12);
    let report = read(signed(&log, &[10, 20, 29]), &forged.stored());
    assert_eq!(report.first_bad, Some(fault(10, 19, FaultKind::Unlike { size: 20 })));

    let mut evidence = signed(&forged, &[10, 20, 29]);
    evidence.anchors(&anchor(&log, 20, &[11, 12, 13])).unwrap();
    let report = read(evidence, &forged.stored());
    assert_eq!(report.first_bad, Some(fault(12, 12, FaultKind::Replaced)));
}

#[test]
fn two_entries_swapped_in_the_file_are_out_of_order() {
    // threat 136
    let log = Log::of(30);
    let mut stored = log.stored();
    stored.swap(12, 17);
    let report = read(signed(&log, &[10, 30]), &stored);
    assert_eq!(report.first_bad, Some(fault(12, 12, FaultKind::OutOfOrder { found: 17 })));
}

#[test]
fn two_entries_swapped_with_their_indexes_are_bounded_and_with_leaves_named() {
    // threat 136
    let log = Log::of(30);
    let mut forged = Log::of(30);
    forged.entries.swap(12, 17);
    let report = read(signed(&log, &[10, 15, 20]), &forged.stored());
    assert_eq!(report.first_bad, Some(fault(10, 14, FaultKind::Unlike { size: 15 })));

    let mut evidence = signed(&forged, &[10, 15, 20]);
    evidence.anchors(&anchor(&log, 20, &[12, 17])).unwrap();
    let report = read(evidence, &forged.stored());
    assert_eq!(report.first_bad, Some(fault(12, 12, FaultKind::Replaced)));
}

#[test]
fn an_entry_stored_twice_is_named() {
    let log = Log::of(30);
    let mut stored = log.stored();
    let again = stored.get(12).unwrap().clone();
    stored.insert(13, again);
    let report = read(signed(&log, &[30]), &stored);
    assert_eq!(report.first_bad, Some(fault(12, 12, FaultKind::Repeated)));
}

#[test]
fn a_log_rewritten_with_the_real_key_is_consistent_with_itself_until_anchored() {
    // threat 136
    let (forged, evidence) = rewritten();
    let report = read(evidence, &forged.stored());
    assert!(report.holds());
    assert!(report.to_string().ends_with("consistent with itself; not anchored"));
}

#[test]
fn a_log_rewritten_with_the_real_key_is_bounded_by_the_anchors_around_it() {
    // threat 136
    let log = Log::of(30);
    let (forged, mut evidence) = rewritten();
    evidence.anchors(&format!("{}{}", anchor(&log, 11, &[]), anchor(&log, 18, &[]))).unwrap();
    let report = read(evidence, &forged.stored());
    assert_eq!(report.first_bad, Some(fault(11, 17, FaultKind::Rewritten { size: 18 })));
    assert_eq!(report.anchored.sizes, [11]);
    assert_eq!(
        report.to_string(),
        "entries 11 to 17: rewritten; the root differs from a checkpoint of size 18 seen \
         elsewhere\n\
         18 entries read; anchored up to size 11"
    );
}

#[test]
fn a_log_rewritten_with_the_real_key_is_caught_by_the_size_and_root_a_run_printed() {
    // threat 136
    let (forged, mut evidence) = rewritten();
    evidence.printed(18, Log::of(30).root(18));
    let report = read(evidence, &forged.stored());
    assert_eq!(report.first_bad, Some(fault(0, 17, FaultKind::Rewritten { size: 18 })));
}

#[test]
fn a_log_rewritten_with_the_real_key_is_named_exactly_where_an_anchor_holds_the_leaf() {
    // threat 136
    let log = Log::of(30);
    let (forged, mut evidence) = rewritten();
    evidence.anchors(&anchor(&log, 18, &[3, 12, 17])).unwrap();
    let report = read(evidence, &forged.stored());
    assert_eq!(report.first_bad, Some(fault(12, 12, FaultKind::Replaced)));
}

#[test]
fn leaves_an_anchor_confirms_narrow_where_the_fault_can_be() {
    let log = Log::of(30);
    let (forged, mut evidence) = rewritten();
    evidence.anchors(&format!("{}{}", anchor(&log, 10, &[]), anchor(&log, 18, &[10, 11]))).unwrap();
    let report = read(evidence, &forged.stored());
    assert_eq!(report.first_bad, Some(fault(12, 17, FaultKind::Rewritten { size: 18 })));
}

#[test]
fn two_roots_signed_for_one_size_are_a_fork() {
    // threat 137
    let log = Log::of(30);
    let (forged, mut evidence) = rewritten();
    evidence.anchors(&anchor(&log, 15, &[])).unwrap();
    let report = read(evidence, &forged.stored());
    assert_eq!(report.first_bad, Some(fault(0, 14, FaultKind::Fork { size: 15 })));

    let (forged, mut evidence) = (rewritten().0, signed(&log, &[]));
    evidence.checkpoint(&log.checkpoint(15)).unwrap();
    evidence.checkpoint(&forged.checkpoint(15)).unwrap();
    let report = read(evidence, &log.stored());
    assert_eq!(report.first_bad, Some(fault(0, 14, FaultKind::Fork { size: 15 })));
}

#[test]
fn another_log_in_the_place_of_this_one_is_caught() {
    // threat 136
    let log = Log::of(30);
    let other = Log { entries: vec![b"another past".to_vec(); 30] };
    let mut evidence = signed(&other, &[10, 30]);
    evidence.anchors(&anchor(&log, 10, &[0])).unwrap();
    let report = read(evidence, &other.stored());
    assert_eq!(report.first_bad, Some(fault(0, 0, FaultKind::Replaced)));

    let report = read(signed(&log, &[10, 30]), &other.stored());
    assert_eq!(report.first_bad, Some(fault(0, 9, FaultKind::Unlike { size: 10 })));

    let report = read(signed(&log, &[10, 30]), &[]);
    assert_eq!(report.first_bad, Some(fault(0, 29, FaultKind::Truncated { size: 30 })));
}

#[test]
fn a_checkpoint_of_the_log_s_own_that_the_key_did_not_sign_is_a_fault() {
    let log = Log::of(30);
    let mut evidence = signed(&log, &[10]);
    let strange = Checkpoint { origin: name(), size: 20, root: log.root(20) }.sign(&key(2));
    evidence.own_checkpoint(&strange);
    let report = read(evidence, &log.stored());
    let Some(Fault { first: 10, last: 29, kind: FaultKind::BadCheckpoint { number, why } }) =
        report.first_bad
    else {
        unreachable!("the checkpoint was believed")
    };
    assert_eq!(number, 2);
    assert!(matches!(why, Error::NotSigned { .. }));

    let mut evidence = signed(&log, &[10]);
    evidence.own_checkpoint(&log.checkpoint(20).replace("\n20\n", "\n21\n"));
    let report = read(evidence, &log.stored());
    let kind = report.first_bad.unwrap().kind;
    assert!(matches!(kind, FaultKind::BadCheckpoint { why: Error::BadSignature { .. }, .. }));
}

#[test]
fn evidence_signed_by_an_unknown_key_is_refused_not_passed_over() {
    let log = Log::of(30);
    let strange = Checkpoint { origin: name(), size: 20, root: log.root(20) }.sign(&key(2));
    let mut evidence = signed(&log, &[]);
    assert!(matches!(evidence.checkpoint(&strange), Err(Error::NotSigned { .. })));
    let refused = evidence.anchors(&format!("{}{strange}\n", anchor(&log, 10, &[])));
    assert!(matches!(refused, Err(Error::AnchorLine { line: 7, .. })));
    assert!(read(evidence, &log.stored()).anchored.sizes.is_empty());
}

#[test]
fn of_two_anchors_that_disagree_on_a_leaf_one_is_told() {
    let log = Log::of(30);
    let (forged, _) = rewritten();
    let mut evidence = signed(&log, &[30]);
    evidence.anchors(&anchor(&log, 20, &[12])).unwrap();
    evidence.anchors(&anchor(&forged, 25, &[12])).unwrap();
    let report = read(evidence, &log.stored());
    assert_eq!(report.first_bad, Some(fault(12, 12, FaultKind::Replaced)));
}

#[test]
fn reading_stops_at_the_first_fault() {
    let log = Log::of(3);
    let mut verifier = signed(&log, &[]).verifier();
    assert!(verifier.entry(0, b"edited", &log.leaf(0)).is_break());
    assert!(verifier.entry(1, b"entry 1", &log.leaf(1)).is_break());
    assert_eq!(verifier.finish().first_bad, Some(fault(0, 0, FaultKind::Edited)));
}
