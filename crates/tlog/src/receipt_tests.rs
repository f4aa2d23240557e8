use crate::testing::{Log, key, name, trusted};
use crate::{Checkpoint, Error, Receipt};

fn receipt() -> Receipt {
    let log = Log::of(300);
    Receipt {
        entry: b"entry 123".to_vec(),
        index: 123,
        proof: log.inclusion(123, 300),
        checkpoint: log.checkpoint(300),
    }
}

#[test]
fn a_receipt_prints_parses_back_and_proves_its_entry_offline() {
    let text = receipt().to_string();
    assert!(text.starts_with("c2sp.org/tlog-proof@v1\nextra ZW50cnkgMTIz\nindex 123\n"));
    let parsed: Receipt = text.parse().unwrap();
    assert_eq!(parsed, receipt());
    assert_eq!(parsed.verify(&trusted().into()).unwrap().size, 300);
}

#[test]
fn a_receipt_with_anything_changed_proves_nothing() {
    let entry = Receipt { entry: b"entry 124".to_vec(), ..receipt() };
    let index = Receipt { index: 124, ..receipt() };
    let older = Receipt { checkpoint: Log::of(300).checkpoint(299), ..receipt() };
    let proof = Receipt { proof: Log::of(300).inclusion(124, 300), ..receipt() };
    for changed in [entry, index, older, proof] {
        assert_eq!(changed.verify(&trusted().into()), Err(Error::NotIncluded));
    }
    let beyond = Receipt { index: 300, ..receipt() };
    assert_eq!(beyond.verify(&trusted().into()), Err(Error::OutsideLog { index: 300, size: 300 }));
}

#[test]
fn a_receipt_signed_by_a_stranger_is_refused() {
    let root = Log::of(300).root(300);
    let checkpoint = Checkpoint { origin: name(), size: 300, root }.sign(&key(2));
    let strange = Receipt { checkpoint, ..receipt() };
    assert!(matches!(strange.verify(&trusted().into()), Err(Error::NotSigned { .. })));
}

#[test]
fn receipts_that_break_the_format_are_refused() {
    let good = receipt().to_string();
    for bad in [
        String::new(),
        good.replace("@v1", "@v2"),
        good.replace("extra ZW50cnkgMTIz\n", ""),
        good.replace("ZW50", "****"),
        good.replace("index 123", "index 0123"),
        good.replace("index 123", "index"),
        good.replace("index 123\n", "index 123\nAAAA\n"),
        good.replace("index 123\n", &format!("index 123\n{}", "A".repeat(43) + "=\n").repeat(65)),
        good.lines().take(6).collect(),
        format!("{good}{}", "x".repeat(1024 * 1024)),
    ] {
        assert!(matches!(bad.parse::<Receipt>(), Err(Error::Malformed { .. })));
    }
}
