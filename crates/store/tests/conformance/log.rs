use marque_domain::event::Change;
use marque_domain::{Answer, Code, Decision, Event, UserRef, Verb};
use marque_store::{Count, GroupBy, LogQuery, Store, StoreError};

use crate::home::{Home, read, write};
use crate::sample::{
    append, at, decided, decision, entry, id, leaf, opened, outcome, started, user,
};

pub(crate) fn entries_are_taken_in_order_and_without_gaps(home: &Home) {
    let store = home.open();
    assert_eq!(read(&store, |tx| tx.log_size()), 0);
    let gap = |given| Err(StoreError::Gap { given });
    assert_eq!(write(&store, |tx| append(tx, 1, started())), gap(1));
    write(&store, |tx| append(tx, 0, started())).unwrap();
    write(&store, |tx| append(tx, 1, started())).unwrap();
    assert_eq!(write(&store, |tx| append(tx, 1, started())), gap(1));
    assert_eq!(write(&store, |tx| append(tx, 3, started())), gap(3));
    assert_eq!(read(&store, |tx| tx.log_size()), 2);
    assert_eq!(read(&store, |tx| tx.hashes(0, 0, 256)), [leaf(0), leaf(1)]);
    assert_eq!(read(&store, |tx| tx.hashes(0, 1, 1)), [leaf(1)]);
    let stored = read(&store, |tx| tx.entry(1)).unwrap();
    assert_eq!(stored.entry(), Ok(entry(1, started())));
    assert_eq!(read(&store, |tx| tx.entries(1, 10)), [stored]);
    assert_eq!(read(&store, |tx| tx.entry(2)), None);
}

pub(crate) fn rows_of_roots_are_taken_in_order_and_without_gaps(home: &Home) {
    let store = home.open();
    write(&store, |tx| tx.append_root(8, 0, &leaf(1))).unwrap();
    write(&store, |tx| tx.append_root(8, 1, &leaf(2))).unwrap();
    write(&store, |tx| tx.append_root(16, 0, &leaf(3))).unwrap();
    let again = write(&store, |tx| tx.append_root(8, 1, &leaf(9)));
    assert_eq!(again, Err(StoreError::Gap { given: 1 }));
    let ahead = write(&store, |tx| tx.append_root(16, 2, &leaf(9)));
    assert_eq!(ahead, Err(StoreError::Gap { given: 2 }));
    assert_eq!(read(&store, |tx| tx.hashes(8, 0, 256)), [leaf(1), leaf(2)]);
    assert_eq!(read(&store, |tx| tx.hashes(8, 1, 256)), [leaf(2)]);
    assert_eq!(read(&store, |tx| tx.hashes(16, 0, 256)), [leaf(3)]);
}

pub(crate) fn a_decision_is_found_with_its_outcome(home: &Home) {
    let store = filled(home);
    let found = read(&store, |tx| tx.entry_of_decision(id(1))).unwrap();
    assert_eq!((found.decided.index, found.outcome.unwrap().index), (3, 6));
    let open = read(&store, |tx| tx.entry_of_decision(id(2))).unwrap();
    assert_eq!((open.decided.index, open.outcome), (4, None));
    assert_eq!(read(&store, |tx| tx.entry_of_decision(id(8))), None);
}

pub(crate) fn a_query_finds_by_every_column_and_in_both_orders(home: &Home) {
    let store = filled(home);
    let found = |query: &LogQuery| -> Vec<u64> {
        read(&store, |tx| tx.query(query)).iter().map(|entry| entry.index).collect()
    };
    let all = LogQuery::default();
    assert_eq!(found(&all), [0, 1, 2, 3, 4, 5, 6, 7]);
    let word = |word: &str| Some(word.to_owned());
    assert_eq!(found(&LogQuery { event: word("decided"), ..all.clone() }), [3, 4, 5]);
    assert_eq!(found(&LogQuery { run: Some(id(1)), ..all.clone() }), [1, 3, 4, 6]);
    let agent = LogQuery { agent: "triage".parse().ok(), ..all.clone() };
    assert_eq!(found(&agent), [1, 3, 4, 6]);
    assert_eq!(found(&LogQuery { answer: word("refused"), ..agent.clone() }), [4]);
    assert_eq!(found(&LogQuery { newest_first: true, ..agent.clone() }), [6, 4, 3, 1]);
    assert_eq!(found(&LogQuery { newest_first: true, from_index: Some(3), ..agent }), [3, 1]);
    assert_eq!(found(&LogQuery { task: "ticket:OPS-2".parse().ok(), ..all.clone() }), [2, 5]);
    let other = LogQuery { run: Some(id(1)), agent: "close".parse().ok(), ..all.clone() };
    assert!(found(&other).is_empty(), "run 1 is not one of close");
    assert_eq!(found(&LogQuery { user: "alice".parse().ok(), ..all.clone() }), [1, 2, 3, 4, 5, 7]);
    assert_eq!(found(&LogQuery { connection: "status".parse().ok(), ..all.clone() }), [3, 4, 5]);
    assert_eq!(found(&LogQuery { operation: word("grant.added"), ..all.clone() }), [7]);
    assert_eq!(found(&LogQuery { answer: word("unknown"), ..all.clone() }), [6]);
    assert_eq!(found(&LogQuery { decision: Some(id(1)), ..all.clone() }), [3, 6]);
    let window = LogQuery { since: Some(at(2000)), until: Some(at(4000)), ..all.clone() };
    assert_eq!(found(&window), [2, 3]);
    assert_eq!(found(&LogQuery { from_index: Some(2), limit: 2, ..all.clone() }), [2, 3]);
    let newest = LogQuery { newest_first: true, limit: 2, ..all };
    assert_eq!(found(&newest), [7, 6]);
    assert_eq!(found(&LogQuery { from_index: Some(3), ..newest }), [3, 2]);
}

pub(crate) fn a_query_never_returns_more_than_it_may(home: &Home) {
    let store = home.open();
    write(&store, |tx| (0..10_002).try_for_each(|index| append(tx, index, started()))).unwrap();
    let unbounded = LogQuery { limit: u64::MAX, ..LogQuery::default() };
    assert_eq!(read(&store, |tx| tx.query(&unbounded)).len(), 10_000);
}

pub(crate) fn counts_answer_who_did_what_how_often(home: &Home) {
    let store = filled(home);
    let by_gets = LogQuery { operation: Some("GET".to_owned()), ..LogQuery::default() };
    let count = |label: &str, entries| Count { label: Some(label.to_owned()), entries };
    let by = |query: &LogQuery, group_by| read(&store, |tx| tx.count_by(query, group_by));
    assert_eq!(by(&by_gets, GroupBy::Agent), [count("triage", 2), count("close", 1)]);
    assert_eq!(by(&by_gets, GroupBy::Resource), [count("/v1/a", 2), count("/v1/b", 1)]);
    let tasks = [count("ticket:OPS-1", 2), count("ticket:OPS-2", 1)];
    assert_eq!(by(&by_gets, GroupBy::Task), tasks);
    let triage = LogQuery { agent: "triage".parse().ok(), ..by_gets };
    assert_eq!(by(&triage, GroupBy::Operation), [count("GET", 2)]);
    let everything = by(&LogQuery::default(), GroupBy::Agent);
    let unlabelled = Count { label: None, entries: 3 };
    assert_eq!(everything, [unlabelled, count("triage", 3), count("close", 2)]);
}

pub(crate) fn an_entry_says_the_same_in_its_bytes_and_its_columns(home: &Home) {
    let store = home.open();
    write(&store, |tx| append(tx, 0, started())).unwrap();
    write(&store, |tx| append(tx, 1, decided(decision(1, 1, "triage", "/v1/a")))).unwrap();
    assert_eq!(read(&store, |tx| tx.first_misfiled(0, 100)), None);
    // Bytes of another entry under the columns of this one.
    let (filed, told) = (entry(2, outcome(2)), entry(2, outcome(3)));
    write(&store, |tx| tx.append(&filed, &leaf(2), &told.canonical_bytes().unwrap())).unwrap();
    assert_eq!(read(&store, |tx| tx.first_misfiled(0, 100)), Some(2));
}

/// Entry 0 a start; 1 and 2 the openings of run 1 of triage and run 2 of close, for different
/// tasks; 3 and 4 decisions of run 1, 5 of run 2; 6 the outcome of the first; 7 a grant.
fn filled(home: &Home) -> Store {
    let store = home.open();
    let refused = Answer::Refused { code: Code::Never, message: "never".to_owned() };
    let granted = Event::Changed(Change {
        verb: Verb::GrantAdded,
        by: UserRef::from(&user(1, "alice")),
        fact: None,
        label: "grant".to_owned(),
        details: [].into(),
    });
    write(&store, |tx| {
        let answer = refused.clone();
        append(tx, 0, started())?;
        append(tx, 1, opened(1, "triage", "ticket:OPS-1"))?;
        append(tx, 2, opened(2, "close", "ticket:OPS-2"))?;
        append(tx, 3, decided(decision(1, 1, "triage", "/v1/a")))?;
        append(tx, 4, decided(Decision { answer, ..decision(2, 1, "triage", "/v1/b") }))?;
        append(tx, 5, decided(decision(3, 2, "close", "/v1/a")))?;
        append(tx, 6, outcome(1))?;
        append(tx, 7, granted.clone())
    })
    .unwrap();
    store
}
