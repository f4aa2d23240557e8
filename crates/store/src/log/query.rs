//! Finding entries as an incident reviewer asks: by agent, run, task, person, operation, time.

use marque_domain::{Decision, Id, Name, Run, TaskRef, Timestamp, UserName};

use super::statements::Lead;
use super::{StoredEntry, stored};
use crate::error::StoreError;
use crate::transaction::Tx;
use crate::value::Value;

/// The most entries or counts one query returns.
const MAX_LIMIT: u64 = 10_000;

/// What to look for; `None` and the default of a field match everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    /// The event's word, such as `decided`.
    pub event: Option<String>,
    /// The run it belongs to.
    pub run: Option<Id<Run>>,
    /// The agent whose run it belongs to, by its name.
    pub agent: Option<Name>,
    /// The task whose run it belongs to.
    pub task: Option<TaskRef>,
    /// The human behind it: whom it was done for, else who opened the run; who made a change.
    pub user: Option<UserName>,
    /// The connection.
    pub connection: Option<Name>,
    /// The operation's name; for a change its verb, such as `grant.added`.
    pub operation: Option<String>,
    /// `allowed`, `held` or `refused`; for an outcome how it went, such as `unknown`.
    pub answer: Option<String>,
    /// The decision, and the outcome of what it allowed.
    pub decision: Option<Id<Decision>>,
    /// Not before this moment.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
    /// Where to start: the lowest index, or with `newest_first` the highest.
    pub from_index: Option<u64>,
    /// Highest index first.
    pub newest_first: bool,
    /// How many at most: 1 to 10,000.
    pub limit: u64,
}

impl Default for LogQuery {
    fn default() -> Self {
        Self {
            event: None,
            run: None,
            agent: None,
            task: None,
            user: None,
            connection: None,
            operation: None,
            answer: None,
            decision: None,
            since: None,
            until: None,
            from_index: None,
            newest_first: false,
            limit: MAX_LIMIT,
        }
    }
}

/// What to count by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupBy {
    /// The agent's name.
    Agent,
    /// The task.
    Task,
    /// The operation's name.
    Operation,
    /// The resource, its parts joined by spaces.
    Resource,
}

/// How many entries share a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The agent, task, operation or resource; `None` for entries without one.
    pub label: Option<String>,
    /// How many.
    pub entries: u64,
}

impl Tx<'_> {
    /// The entries a query asks for, by index. Without decision, run, agent or task it reads the
    /// log in order until it has enough.
    pub fn query(&mut self, query: &LogQuery) -> Result<Vec<StoredEntry>, StoreError> {
        let statements = query.lead().statements();
        let sql =
            if query.newest_first { statements.newest_first } else { statements.oldest_first };
        let texts = query.texts();
        self.rows(sql, &query.values(&texts), stored)
    }

    /// How many entries a query asks for, by what they share, largest first. The query's order
    /// and start are ignored, and its limit bounds the labels. Only the opening of a run and its
    /// decisions have labels; of the rest, changes have an operation and a resource.
    pub fn count_by(
        &mut self,
        query: &LogQuery,
        group_by: GroupBy,
    ) -> Result<Vec<Count>, StoreError> {
        let query = LogQuery { from_index: None, ..query.clone() };
        let texts = query.texts();
        let mut values = query.values(&texts).to_vec();
        values.push(group_by.column().into());
        self.rows(query.lead().statements().counted, &values, |row| {
            Ok(Count { label: row.maybe_text(0)?.map(str::to_owned), entries: row.whole(1)? })
        })
    }
}

impl GroupBy {
    fn column(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Task => "task",
            Self::Operation => "operation",
            Self::Resource => "resource",
        }
    }
}

/// The ids of a query as the columns spell them.
struct Texts {
    run: Option<String>,
    decision: Option<String>,
}

impl LogQuery {
    fn lead(&self) -> Lead {
        if self.decision.is_some() {
            Lead::Decision
        } else if self.run.is_some() {
            Lead::Run
        } else if self.agent.is_some() {
            Lead::Agent
        } else if self.task.is_some() {
            Lead::Task
        } else {
            Lead::Order
        }
    }

    fn texts(&self) -> Texts {
        let decision = self.decision.map(|decision| decision.to_string());
        Texts { run: self.run.map(|run| run.to_string()), decision }
    }

    /// In the order the statements number them.
    fn values<'a>(&'a self, texts: &'a Texts) -> [Value<'a>; 14] {
        let from = self.from_index.map(Value::whole);
        let (lowest, highest) = match (from, self.newest_first) {
            (Some(from), true) => (Value::whole(0), from),
            (Some(from), false) => (from, Value::whole(u64::MAX)),
            (None, _) => (Value::whole(0), Value::whole(u64::MAX)),
        };
        [
            self.event.as_deref().into(),
            texts.run.as_deref().into(),
            self.agent.as_ref().map(Name::as_str).into(),
            self.task.as_ref().map(TaskRef::as_str).into(),
            self.user.as_ref().map(UserName::as_str).into(),
            self.connection.as_ref().map(Name::as_str).into(),
            self.operation.as_deref().into(),
            self.answer.as_deref().into(),
            texts.decision.as_deref().into(),
            Value::whole(self.since.map_or(0, Timestamp::as_millis)),
            Value::whole(self.until.map_or(u64::MAX, Timestamp::as_millis)),
            lowest,
            highest,
            Value::whole(self.limit.clamp(1, MAX_LIMIT)),
        ]
    }
}
