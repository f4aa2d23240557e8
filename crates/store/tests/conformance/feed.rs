//! What servers that share a store tell each other, as every engine keeps it.

use marque_store::{Faults, Intent, Since, StoreError, Told, Tx};

use crate::home::{Home, read, write};
use crate::sample::{at, id};

fn told(told: &[(u64, &str)]) -> Vec<(u64, String)> {
    told.iter().map(|(seq, body)| (*seq, (*body).to_owned())).collect()
}

fn since(tx: &mut Tx<'_>, seq: u64, limit: u64) -> Result<Vec<(u64, String)>, StoreError> {
    let since = tx.told_since(seq, limit)?;
    Ok(since.told.into_iter().map(|told| (told.seq, told.body)).collect())
}

fn kept(kept: &[(&str, &str)]) -> Vec<(String, String)> {
    kept.iter().map(|(key, body)| ((*key).to_owned(), (*body).to_owned())).collect()
}

pub(crate) fn what_was_told_is_read_in_order_from_any_number_on(home: &Home) {
    let store = home.open();
    assert_eq!(read(&store, |tx| tx.last_told()), 0);
    write(&store, |tx| {
        assert_eq!(tx.last_told(), Ok(0));
        (1..=3).try_for_each(|seq| tx.tell(seq, at(seq), &format!("{{\"é\":{seq}}}")))?;
        assert_eq!(tx.last_told(), Ok(3));
        Ok(())
    })
    .unwrap();
    assert_eq!(read(&store, |tx| tx.last_told()), 3);
    let all = told(&[(1, "{\"é\":1}"), (2, "{\"é\":2}"), (3, "{\"é\":3}")]);
    assert_eq!(read(&store, |tx| since(tx, 0, 10)), all);
    assert_eq!(read(&store, |tx| since(tx, 1, 1)), told(&[(2, "{\"é\":2}")]));
    assert_eq!(read(&store, |tx| since(tx, 3, 10)), []);
}

// Whoever reads on knows by it whether this is still the feed they read before.
pub(crate) fn what_is_read_on_says_when_the_last_known_was_told(home: &Home) {
    let store = home.open();
    write(&store, |tx| (1..=3).try_for_each(|seq| tx.tell(seq, at(seq * 10), "x"))).unwrap();
    let third = Told { seq: 3, at: at(30), body: "x".to_owned() };
    let told = |at, told: &[&Told]| Since { at, told: told.iter().map(|t| (*t).clone()).collect() };
    assert_eq!(read(&store, |tx| tx.told_since(2, 10)), told(Some(at(20)), &[&third]));
    assert_eq!(read(&store, |tx| tx.told_since(3, 10)), told(Some(at(30)), &[]));
    assert_eq!(read(&store, |tx| tx.told_since(4, 10)), told(None, &[]));
    assert_eq!(write(&store, |tx| tx.forget_told(3, at(1_000))), Ok(2));
    assert_eq!(read(&store, |tx| tx.told_since(2, 10)), told(None, &[&third]));
}

pub(crate) fn a_number_is_told_once(home: &Home) {
    let store = home.open();
    write(&store, |tx| tx.tell(1, at(1), "one")).unwrap();
    write(&store, |tx| tx.tell(1, at(2), "another")).unwrap_err();
    assert_eq!(read(&store, |tx| since(tx, 0, 10)), told(&[(1, "one")]));
}

// Otherwise the numbers would start anew, and what is told next would pass for old.
pub(crate) fn what_is_old_is_forgotten_but_never_the_last(home: &Home) {
    let store = home.open();
    write(&store, |tx| (1..=4).try_for_each(|seq| tx.tell(seq, at(seq * 10), "x"))).unwrap();
    assert_eq!(write(&store, |tx| tx.forget_told(3, at(20))), Ok(1), "only what is old");
    assert_eq!(write(&store, |tx| tx.forget_told(3, at(1_000))), Ok(1), "only what is below");
    assert_eq!(read(&store, |tx| since(tx, 0, 10)), told(&[(3, "x"), (4, "x")]));
    assert_eq!(write(&store, |tx| tx.forget_told(1_000, at(1_000))), Ok(1));
    assert_eq!(read(&store, |tx| tx.last_told()), 4);
}

pub(crate) fn what_is_kept_is_replaced_and_dropped(home: &Home) {
    let store = home.open();
    write(&store, |tx| {
        tx.put_kept("b", "1")?;
        tx.put_kept("a", "2")?;
        tx.put_kept("b", "3")?;
        tx.drop_kept("absent")
    })
    .unwrap();
    assert_eq!(read(&store, |tx| tx.all_kept()), kept(&[("a", "2"), ("b", "3")]));
    write(&store, |tx| {
        tx.drop_kept("b")?;
        assert_eq!(tx.all_kept(), Ok(kept(&[("a", "2")])), "a transaction sees its own drops");
        Ok(())
    })
    .unwrap();
    assert_eq!(read(&store, |tx| tx.all_kept()), kept(&[("a", "2")]));
}

pub(crate) fn what_a_refused_command_told_kept_and_dropped_is_undone(home: &Home) {
    let store = home.open();
    write(&store, |tx| tx.put_kept("old", "1")).unwrap();
    let mut writer = store.writer().unwrap();
    let batch = writer.batch(|batch| {
        batch.attempt(|tx| tx.tell(1, at(1), "kept"))??;
        let refused = batch.attempt(|tx| {
            tx.tell(2, at(1), "refused")?;
            tx.put_kept("new", "1")?;
            tx.drop_kept("old")?;
            Err::<(), _>(StoreError::Full)
        })?;
        assert_eq!(refused, Err(StoreError::Full));
        batch.attempt(|tx| tx.tell(2, at(1), "after"))?
    });
    assert_eq!(batch, Ok(()));
    assert_eq!(read(&store, |tx| since(tx, 0, 10)), told(&[(1, "kept"), (2, "after")]));
    assert_eq!(read(&store, |tx| tx.all_kept()), kept(&[("old", "1")]));
}

pub(crate) fn an_intent_is_found_by_the_server_that_acts(home: &Home) {
    let store = home.open();
    let intent = |number, replica: &str| Intent {
        decision: id(number),
        run: id(1),
        index: u64::from(number),
        replica: replica.to_owned(),
    };
    let all = [intent(1, "a"), intent(2, "b"), intent(3, ""), intent(4, "a")];
    write(&store, |tx| all.iter().try_for_each(|intent| tx.open_intent(intent))).unwrap();
    assert_eq!(read(&store, |tx| tx.unsettled_intents(None, 10)), all);
    let of = |replica, limit| read(&store, |tx| tx.unsettled_intents(Some(replica), limit));
    assert_eq!(of("a", 10), [intent(1, "a"), intent(4, "a")]);
    assert_eq!(of("a", 1), [intent(1, "a")]);
    assert_eq!(of("", 10), [intent(3, "")]);
    assert_eq!(of("c", 10), []);
}

pub(crate) fn a_batch_has_a_turn_where_the_store_is_shared(home: &Home) {
    let store = home.open_failing(Faults { repeat_commit: Some(2), ..Faults::default() });
    write(&store, |tx| tx.tell(1, at(1), "x")).unwrap();
    let mut turns = Vec::new();
    let turned = store.writer().unwrap().batch(|batch| {
        turns.push(batch.turn().map(|turn| turn.seq));
        batch.attempt(|tx| tx.tell(2, at(1), "y"))?
    });
    assert_eq!(turned, Ok(()));
    let expected = store.is_shared().then_some(1);
    assert_eq!(turns, [expected, expected], "a batch that is repeated undid what it told");
    assert_eq!(store.listener().unwrap().is_some(), store.is_shared());
    assert_eq!(store.replica().is_empty(), !store.is_shared());
}
