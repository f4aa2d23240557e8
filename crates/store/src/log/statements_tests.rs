use super::{Lead, Statements};
use crate::migrations;
use crate::session::Session;
use crate::sqlite::{self, Connection};
use crate::value::Value;

/// What SQLite would do for a statement, step by step.
fn plan(session: &mut Connection, sql: &'static str) -> String {
    let explain: &'static str = Box::leak(format!("EXPLAIN QUERY PLAN {sql}").into());
    let mut steps = Vec::new();
    let mut keep = |row: &crate::value::Row<'_>| {
        steps.push(row.text(3)?.to_owned());
        Ok(())
    };
    session.query(explain, &[Value::Null; 15], &mut keep).unwrap();
    steps.join("; ")
}

#[test]
fn each_lead_finds_entries_by_its_own_index() {
    let mut session = sqlite::open_memory(None).unwrap();
    migrations::apply(&mut session).unwrap();
    for (lead, step) in [
        (Lead::Decision, "SEARCH log USING INDEX log_decision (decision=?"),
        (Lead::Run, "SEARCH log USING INDEX log_run (run=?"),
        (Lead::Agent, "SEARCH log USING INDEX log_run (run=?"),
        (Lead::Agent, "SEARCH log USING INDEX log_runs_of_agent (agent=?"),
        (Lead::Task, "SEARCH log USING INDEX log_run (run=?"),
        (Lead::Task, "SEARCH log USING INDEX log_runs_of_task (task=?"),
        (Lead::Order, "SEARCH log USING INTEGER PRIMARY KEY (rowid>?"),
    ] {
        let Statements { oldest_first, newest_first, counted } = lead.statements();
        for sql in [oldest_first, newest_first, counted] {
            let plan = plan(&mut session, sql);
            assert!(plan.contains(step), "want {step}, got {plan}");
        }
    }
}
