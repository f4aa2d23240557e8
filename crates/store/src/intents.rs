//! Intents: allowed acts whose outcome is still to come.

use marque_domain::{Decision, Id, Run};

use crate::error::StoreError;
use crate::transaction::Tx;
use crate::value::{Row, Value};

/// An allowed act without an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// What allowed it.
    pub decision: Id<Decision>,
    /// The run that acts.
    pub run: Id<Run>,
    /// The index of the decision's entry.
    pub index: u64,
    /// The server that acts; empty where the store is not shared.
    pub replica: String,
}

impl Tx<'_> {
    /// Remembers that an act may be under way. Fails with [`StoreError::Conflict`] if it is known.
    pub fn open_intent(&mut self, intent: &Intent) -> Result<(), StoreError> {
        let decision = intent.decision.to_string();
        let sql = "INSERT INTO intents (decision, run, idx, replica) VALUES ($1, $2, $3, $4) \
                   ON CONFLICT (decision) DO NOTHING";
        let run = intent.run.to_string();
        let values = [
            decision.as_str().into(),
            run.as_str().into(),
            Value::whole(intent.index),
            intent.replica.as_str().into(),
        ];
        let conflict = StoreError::Conflict { id: decision.clone(), expected: 0, current: 1 };
        self.change_one(sql, &values, conflict)
    }

    /// Forgets an intent whose outcome is being recorded. `false` if it was settled before: then
    /// no second outcome may be recorded.
    ///
    /// It is hardly ever `false`, and on a database in the network the answer would cost a round
    /// trip for each outcome of a batch. So the first run of a batch takes `true` for granted; if
    /// it was not so, nothing of that run is kept, and the second asks.
    pub fn settle_intent(&mut self, decision: Id<Decision>) -> Result<bool, StoreError> {
        let sql = "DELETE FROM intents WHERE decision = $1";
        let decision = decision.to_string();
        if self.may_assume {
            let other = StoreError::Busy(format!("`{decision}` was settled before"));
            self.change_one(sql, &[decision.as_str().into()], other)?;
            return Ok(true);
        }
        Ok(self.execute(sql, &[decision.as_str().into()])? > 0)
    }

    /// At most `limit` intents that no outcome settled, oldest first: those of a replica, or all.
    pub fn unsettled_intents(
        &mut self,
        replica: Option<&str>,
        limit: u64,
    ) -> Result<Vec<Intent>, StoreError> {
        let all = "SELECT decision, run, idx, replica FROM intents ORDER BY idx LIMIT $1";
        let of_one = "SELECT decision, run, idx, replica FROM intents \
                      WHERE replica = $2 ORDER BY idx LIMIT $1";
        let limit = Value::whole(limit);
        match replica {
            Some(replica) => self.rows(of_one, &[limit, replica.into()], intent),
            None => self.rows(all, &[limit], intent),
        }
    }
}

fn intent(row: &Row<'_>) -> Result<Intent, StoreError> {
    Ok(Intent {
        decision: row.parsed(0)?,
        run: row.parsed(1)?,
        index: row.whole(2)?,
        replica: row.text(3)?.to_owned(),
    })
}
