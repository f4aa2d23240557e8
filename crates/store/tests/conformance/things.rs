//! Names, sealed bytes, intents, checkpoints, settings.

use marque_domain::{Agent, Connection, Digest, Meter};
use marque_store::{Intent, Sealed, StoreError, StoredCheckpoint};

use crate::home::{Home, read, write};
use crate::sample::{append, id, started};

// threat 182
pub(crate) fn a_name_is_given_once_and_for_ever(home: &Home) {
    let store = home.open();
    write(&store, |tx| tx.take_name("triage", id::<Agent>(1))).unwrap();
    let taken = Err(StoreError::NameTaken { kind: "agt", name: "triage".to_owned() });
    assert_eq!(write(&store, |tx| tx.take_name("triage", id::<Agent>(2))), taken);
    assert_eq!(write(&store, |tx| tx.take_name("triage", id::<Agent>(1))), taken);
    write(&store, |tx| tx.take_name("triage", id::<Connection>(3))).unwrap();
    assert_eq!(read(&store, |tx| tx.find_name::<Agent>("triage")), Some(id(1)));
    assert_eq!(read(&store, |tx| tx.find_name::<Agent>("close")), None);
}

pub(crate) fn sealed_bytes_are_kept_by_revision_and_shredded_at_once(home: &Home) {
    let store = home.open();
    let sealed = |credential, revision, bytes: &[u8]| Sealed {
        credential: id(credential),
        revision,
        bytes: bytes.to_vec(),
    };
    write(&store, |tx| {
        tx.put_sealed(&sealed(1, 1, b"one"))?;
        tx.put_sealed(&sealed(1, 2, b"two"))?;
        tx.put_sealed(&sealed(2, 1, b"other"))
    })
    .unwrap();
    let again = write(&store, |tx| tx.put_sealed(&sealed(1, 2, b"again")));
    assert!(matches!(again, Err(StoreError::Conflict { current: 2, .. })), "{again:?}");
    assert_eq!(read(&store, |tx| tx.sealed(id(1), 1)).as_deref(), Some(&b"one"[..]));
    let newest = read(&store, |tx| tx.all_sealed());
    assert!(newest == [sealed(1, 2, b"two"), sealed(2, 1, b"other")], "the newest of each");
    assert_eq!(write(&store, |tx| tx.shred_sealed(id(1))), Ok(2));
    assert_eq!(read(&store, |tx| tx.sealed(id(1), 2)), None);
    assert_eq!(read(&store, |tx| tx.all_sealed()).len(), 1);
}

pub(crate) fn an_intent_is_settled_exactly_once(home: &Home) {
    let store = home.open();
    let replica = String::new;
    let intent =
        |number, index| Intent { decision: id(number), run: id(1), index, replica: replica() };
    write(&store, |tx| tx.open_intent(&intent(2, 8))).unwrap();
    write(&store, |tx| tx.open_intent(&intent(1, 7))).unwrap();
    write(&store, |tx| tx.open_intent(&intent(1, 9))).unwrap_err();
    let unsettled = read(&store, |tx| tx.unsettled_intents(None, 10));
    assert_eq!(unsettled, [intent(1, 7), intent(2, 8)]);
    assert_eq!(read(&store, |tx| tx.unsettled_intents(None, 1)), [intent(1, 7)]);
    assert_eq!(write(&store, |tx| tx.settle_intent(id(1))), Ok(true));
    assert_eq!(write(&store, |tx| tx.settle_intent(id(1))), Ok(false));
    assert_eq!(read(&store, |tx| tx.unsettled_intents(None, 10)), [intent(2, 8)]);
}

pub(crate) fn an_outcome_too_many_is_told_so_and_the_rest_of_its_batch_is_kept(home: &Home) {
    let store = home.open();
    for number in 1..4 {
        let (decision, run, replica) = (id(number), id(1), String::new());
        let intent = Intent { decision, run, index: number.into(), replica };
        write(&store, |tx| tx.open_intent(&intent)).unwrap();
    }
    let mut told = Vec::new();
    let settled = store.writer().unwrap().batch(|batch| {
        told.clear();
        for number in [1, 2, 1, 9, 3] {
            told.push(batch.attempt(|tx| tx.settle_intent(id(number)))??);
        }
        batch.attempt(|tx| append(tx, 0, started()))?
    });
    settled.unwrap();
    assert_eq!(told, [true, true, false, false, true]);
    assert_eq!(read(&store, |tx| tx.unsettled_intents(None, 10)), []);
    assert_eq!(read(&store, |tx| tx.log_size()), 1);
}

pub(crate) fn the_checkpoint_at_or_before_a_size_is_found(home: &Home) {
    let store = home.open();
    let stored = |size, note: &str| StoredCheckpoint { size, note: note.to_owned() };
    assert_eq!(read(&store, |tx| tx.latest_checkpoint()), None);
    write(&store, |tx| {
        tx.put_checkpoint(10, "ten")?;
        tx.put_checkpoint(20, "twenty")?;
        tx.put_checkpoint(20, "twenty, cosigned")
    })
    .unwrap();
    let (ten, twenty) = (stored(10, "ten"), stored(20, "twenty, cosigned"));
    assert_eq!(read(&store, |tx| tx.latest_checkpoint()), Some(twenty.clone()));
    assert_eq!(read(&store, |tx| tx.checkpoint_at_or_before(19)), Some(ten.clone()));
    assert_eq!(read(&store, |tx| tx.checkpoint_at_or_before(9)), None);
    assert_eq!(read(&store, |tx| tx.checkpoints(0, 10)), [ten, twenty.clone()]);
    assert_eq!(read(&store, |tx| tx.checkpoints(11, 10)), [twenty]);
}

pub(crate) fn settings_policy_texts_and_factors_are_kept(home: &Home) {
    let store = home.open();
    let digest = Digest::from_bytes([3; 32]);
    write(&store, |tx| {
        tx.put_setting("trust-domain", "a.test")?;
        tx.put_setting("trust-domain", "b.test")?;
        tx.put_policy_text(&digest, "permit;")?;
        tx.put_policy_text(&digest, "permit;")?;
        tx.put_factor(id(1), "$argon2id$1")?;
        tx.put_factor(id(1), "$argon2id$2")
    })
    .unwrap();
    assert_eq!(read(&store, |tx| tx.setting("trust-domain")).as_deref(), Some("b.test"));
    assert_eq!(read(&store, |tx| tx.setting("absent")), None);
    assert_eq!(read(&store, |tx| tx.policy_text(&digest)).as_deref(), Some("permit;"));
    assert_eq!(read(&store, |tx| tx.factor(id(1))).as_deref(), Some("$argon2id$2"));
    assert_eq!(read(&store, |tx| tx.factor(id(2))), None);
}

pub(crate) fn a_meter_is_kept_as_it_was_last_written(home: &Home) {
    let meter = |calls, bytes| Meter { earned_at_micros: 7, calls, bytes, day: 20_454 };
    let store = home.open();
    assert_eq!(read(&store, |tx| tx.meters()), []);
    write(&store, |tx| {
        tx.put_meter("con_1", &meter(1, 1 << 50))?;
        tx.put_meter("agt_1", &meter(2, 0))?;
        tx.put_meter("con_1", &meter(3, 5))
    })
    .unwrap();
    let kept = [("agt_1".to_owned(), meter(2, 0)), ("con_1".to_owned(), meter(3, 5))];
    assert_eq!(read(&store, |tx| tx.meters()), kept);
}

pub(crate) fn a_meter_of_a_refused_command_is_not_kept(home: &Home) {
    let store = home.open();
    let refused = write(&store, |tx| {
        tx.put_meter("agt_1", &Meter::default())?;
        Err::<(), _>(StoreError::Corrupt("refused".to_owned()))
    });
    refused.unwrap_err();
    assert_eq!(read(&store, |tx| tx.meters()), []);
}
