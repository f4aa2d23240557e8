use super::{apply_steps, recorded};
use crate::error::StoreError;
use crate::session::{Mode, Session};
use crate::sqlite::{self, Connection};
use crate::transaction::{self, Tx};
use crate::value::Value;

const FIRST: &str = "CREATE TABLE first (a TEXT)";
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
