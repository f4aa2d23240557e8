use super::{apply_steps, recorded};
use crate::error::StoreError;
use crate::session::{Mode, Session};
use crate::sqlite::{self, Connection};
use crate::transaction::{self, Tx};
use crate::value::Value;

const FIRST: &str = "CREATE TABLE first (a TEXT); \
                     CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL)";
const SECOND: &str = "CREATE TABLE second (a TEXT)";
/// Fails half-way.
const BROKEN: &str = "CREATE TABLE second (a TEXT); CREATE TABLE first (a TEXT)";

fn taken(session: &mut Connection) -> u64 {
    let steps = [FIRST, SECOND];
    transaction::run(session, Mode::Read, |tx| recorded(&mut Tx::new(tx), &steps)).unwrap()
}

// threat 155
#[test]
fn an_upgrade_that_breaks_off_leaves_nothing_and_goes_on_next_time() {
    let mut session = sqlite::open_memory(None).unwrap();
    apply_steps(&mut session, &[FIRST, BROKEN]).unwrap_err();
    assert_eq!(taken(&mut session), 1);
    apply_steps(&mut session, &[FIRST, SECOND]).unwrap();
    assert_eq!(taken(&mut session), 2);
    session.execute("INSERT INTO second (a) VALUES ($1)", &[Value::Text("x")]).unwrap();
}

// threat 155
#[test]
fn a_schema_newer_than_the_program_is_refused() {
    let mut session = sqlite::open_memory(None).unwrap();
    apply_steps(&mut session, &[FIRST, SECOND]).unwrap();
    let refused = apply_steps(&mut session, &[FIRST]).unwrap_err();
    assert_eq!(refused, StoreError::NewerSchema { found: 2, known: 1 });
}

// threat 155: servers of two releases on one store, while they are restarted one by one.
#[test]
fn a_newer_schema_is_served_only_where_it_says_that_an_older_program_can() {
    const ADDS: &str = "ALTER TABLE second ADD COLUMN b TEXT NOT NULL DEFAULT ''; \
                        INSERT INTO settings (name, value) VALUES ('oldest_schema', '2 for 3')";
    const IS_SILENT: &str = "CREATE TABLE fourth (a TEXT)";
    const SAYS: &str = "UPDATE settings SET value = '2 for 5' WHERE name = 'oldest_schema'";
    const BREAKS: &str = "ALTER TABLE second DROP COLUMN b; \
                          UPDATE settings SET value = '6 for 6' WHERE name = 'oldest_schema'";
    let mut session = sqlite::open_memory(None).unwrap();
    let old = &[FIRST, SECOND];
    let newer = |found| StoreError::NewerSchema { found, known: 2 };
    apply_steps(&mut session, &[FIRST, SECOND, ADDS]).unwrap();
    apply_steps(&mut session, old).unwrap();
    assert_eq!(taken(&mut session), 3, "what the newer one did stays");
    session.execute("INSERT INTO second (a) VALUES ($1)", &[Value::Text("x")]).unwrap();
    let refused = apply_steps(&mut session, &[FIRST]).unwrap_err();
    assert_eq!(refused, StoreError::NewerSchema { found: 3, known: 1 });
    let refused = apply_steps(&mut session, &[FIRST, FIRST]).unwrap_err();
    assert_eq!(refused, StoreError::EditedMigration(2));
    apply_steps(&mut session, &[FIRST, SECOND, ADDS, IS_SILENT]).unwrap();
    assert_eq!(apply_steps(&mut session, old).unwrap_err(), newer(4));
    apply_steps(&mut session, &[FIRST, SECOND, ADDS, IS_SILENT, SAYS]).unwrap();
    apply_steps(&mut session, old).unwrap();
    apply_steps(&mut session, &[FIRST, SECOND, ADDS, IS_SILENT, SAYS, BREAKS]).unwrap();
    assert_eq!(apply_steps(&mut session, old).unwrap_err(), newer(6));
}

#[test]
fn a_step_that_was_edited_after_its_release_is_refused() {
    let mut session = sqlite::open_memory(None).unwrap();
    apply_steps(&mut session, &[FIRST, SECOND]).unwrap();
    let refused = apply_steps(&mut session, &[SECOND, FIRST]).unwrap_err();
    assert_eq!(refused, StoreError::EditedMigration(1));
}

#[test]
fn applying_twice_changes_nothing() {
    let mut session = sqlite::open_memory(None).unwrap();
    apply_steps(&mut session, &[FIRST, SECOND]).unwrap();
    apply_steps(&mut session, &[FIRST, SECOND]).unwrap();
    assert_eq!(taken(&mut session), 2);
}
