use marque_domain::{FactRef, User};
use marque_store::StoreError;

use crate::home::{Home, read, write};
use crate::sample::{id, user};

pub(crate) fn a_fact_keeps_every_revision(home: &Home) {
    let store = home.open();
    assert_eq!(write(&store, |tx| tx.put(&user(1, "alice"), 0)), Ok(1));
    assert_eq!(write(&store, |tx| tx.put(&user(1, "alice-2"), 1)), Ok(2));
    let newest = read(&store, |tx| tx.get::<User>(id(1))).unwrap();
    assert_eq!((newest.revision, newest.fact), (2, user(1, "alice-2")));
    let first = read(&store, |tx| tx.get_revision::<User>(id(1), 1)).unwrap();
    assert_eq!((first.revision, first.fact), (1, user(1, "alice")));
    assert_eq!(read(&store, |tx| tx.get_revision::<User>(id(1), 3)), None);
    assert_eq!(read(&store, |tx| tx.get::<User>(id(2))), None);
}

pub(crate) fn a_change_of_a_stale_revision_is_refused(home: &Home) {
    let store = home.open();
    let conflict = |expected, current| {
        Err(StoreError::Conflict { id: id::<User>(1).to_string(), expected, current })
    };
    assert_eq!(write(&store, |tx| tx.put(&user(1, "mallory"), 1)), conflict(1, 0));
    write(&store, |tx| tx.put(&user(1, "alice"), 0)).unwrap();
    assert_eq!(write(&store, |tx| tx.put(&user(1, "mallory"), 0)), conflict(0, 1));
    write(&store, |tx| tx.put(&user(1, "alice-2"), 1)).unwrap();
    assert_eq!(write(&store, |tx| tx.put(&user(1, "mallory"), 1)), conflict(1, 2));
    assert_eq!(write(&store, |tx| tx.put(&user(1, "mallory"), 5)), conflict(5, 2));
    assert_eq!(read(&store, |tx| tx.get::<User>(id(1))).unwrap().fact, user(1, "alice-2"));
}

pub(crate) fn a_final_fact_takes_no_further_revision(home: &Home) {
    let store = home.open();
    write(&store, |tx| tx.put(&user(1, "alice"), 0)).unwrap();
    write(&store, |tx| tx.put_final(&user(1, "gone"), 1)).unwrap();
    let again = write(&store, |tx| tx.put(&user(1, "back"), 2));
    assert!(matches!(again, Err(StoreError::Conflict { current: 2, .. })), "{again:?}");
    assert_eq!(read(&store, |tx| tx.get::<User>(id(1))).unwrap().fact, user(1, "gone"));
    assert_eq!(read(&store, |tx| tx.all::<User>()), []);
}

pub(crate) fn facts_of_a_kind_are_found_by_id_and_by_age(home: &Home) {
    let store = home.open();
    write(&store, |tx| {
        tx.put(&user(2, "bob"), 0)?;
        tx.put(&user(1, "alice"), 0)?;
        tx.put_final(&user(3, "carol"), 0)?;
        tx.put(&user(1, "alice-2"), 1)
    })
    .unwrap();
    let names = |found: Vec<marque_domain::Revised<User>>| -> Vec<String> {
        found.into_iter().map(|user| user.fact.name.to_string()).collect()
    };
    assert_eq!(names(read(&store, |tx| tx.all())), ["alice-2", "bob"]);
    assert_eq!(names(read(&store, |tx| tx.recent(None, 10))), ["carol", "bob", "alice-2"]);
    assert_eq!(names(read(&store, |tx| tx.recent(Some(id(3)), 1))), ["bob"]);
    assert_eq!(read(&store, |tx| tx.all::<marque_domain::Agent>()), []);
}

pub(crate) fn any_revision_can_be_read_as_json(home: &Home) {
    let store = home.open();
    write(&store, |tx| tx.put(&user(1, "alice"), 0)).unwrap();
    let first = FactRef { id: id::<User>(1).to_string(), revision: 1 };
    let json = read(&store, |tx| tx.fact_json(&first)).unwrap();
    assert!(json.contains(r#""name":"alice""#), "{json}");
    let second = FactRef { revision: 2, ..first };
    assert_eq!(read(&store, |tx| tx.fact_json(&second)), None);
}
