//! The database, opened by a tool that is not ours, as an insider would.

use std::path::Path;
use std::process::Command;

use super::plane::Marque;

// Prints the first cell of the last statement's answer.
const SCRIPT: &str = "
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
for statement in sys.argv[2].split(';'):
    row = database.execute(statement).fetchone()
database.commit()
print(row[0] if row else '')
";

/// Runs SQL on the plane's database; the first cell of the last answer.
#[track_caller]
pub(crate) fn sqlite(marque: &Marque, sql: &str) -> String {
    sqlite_at(&marque.database(), sql)
}

/// Runs SQL on a database file; the first cell of the last answer.
#[track_caller]
pub(crate) fn sqlite_at(database: &Path, sql: &str) -> String {
    let output = Command::new("python3").args(["-c", SCRIPT]).arg(database).arg(sql).output();
    let output = output.unwrap();
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`{sql}`: {problem}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
