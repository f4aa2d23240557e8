//! The log: questions, checkpoints, receipts.

use axum::Json;
use axum::extract::{Path, State};
use marque_domain::{Id, LogEntry, Run};
use marque_plane::view::CheckpointView;
use marque_plane::{GroupBy, LogQuery, Plane};
use serde::Deserialize;

use crate::exchange::{Count, LogParameters, ReceiptView};
use crate::extract::{Asked, Human};
use crate::problem::Problem;

/// Entries in one answer unless it is said otherwise.
const DEFAULT_LIMIT: u32 = 1_000;

pub(crate) async fn query(
    State(plane): State<Plane>,
    Human(who): Human,
    Asked(parameters): Asked<LogParameters>,
) -> Result<Json<Vec<LogEntry>>, Problem> {
    Ok(Json(plane.log_query(&who, wanted(parameters)?).await?))
}

pub(crate) async fn count(
    State(plane): State<Plane>,
    Human(who): Human,
    Asked(parameters): Asked<LogParameters>,
) -> Result<Json<Vec<Count>>, Problem> {
    let by = match parameters.by.as_deref() {
        Some("agent") => GroupBy::Agent,
        Some("task") => GroupBy::Task,
        Some("operation") => GroupBy::Operation,
        Some("resource") => GroupBy::Resource,
        _ => {
            let message = "`by` is one of `agent`, `task`, `operation` and `resource`";
            return Err(Problem::unreadable(message));
        }
    };
    let counts = plane.log_count(&who, wanted(parameters)?, by).await?;
    let count = |(label, entries): (Option<String>, u64)| Count {
        value: label.unwrap_or_default(),
        entries,
    };
    Ok(Json(counts.into_iter().map(|found| count((found.label, found.entries))).collect()))
}

/// Whose leaves to name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Whose {
    run: Option<Id<Run>>,
}

pub(crate) async fn checkpoint(
    State(plane): State<Plane>,
    Human(_who): Human,
    Asked(whose): Asked<Whose>,
) -> Result<Json<CheckpointView>, Problem> {
    Ok(Json(plane.checkpoint(whose.run).await?))
}

pub(crate) async fn receipt(
    State(plane): State<Plane>,
    Human(who): Human,
    Path(index): Path<String>,
) -> Result<Json<ReceiptView>, Problem> {
    let index = index.parse().map_err(|_| Problem::unreadable("an index is a whole number"))?;
    Ok(Json(ReceiptView { index, receipt: plane.receipt(&who, index).await? }))
}

fn wanted(asked: LogParameters) -> Result<LogQuery, Problem> {
    Ok(LogQuery {
        event: asked.event,
        run: asked.run,
        agent: read(asked.agent)?,
        task: read(asked.task)?,
        user: read(asked.user)?,
        connection: read(asked.connection)?,
        operation: asked.operation,
        answer: asked.answer,
        decision: read(asked.decision)?,
        since: asked.since,
        until: asked.until,
        from_index: asked.from_index,
        newest_first: asked.newest_first,
        limit: asked.limit.unwrap_or(DEFAULT_LIMIT).into(),
    })
}

fn read<T>(text: Option<String>) -> Result<Option<T>, Problem>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    let read = text.map(|text| text.parse::<T>()).transpose();
    read.map_err(|error| Problem::unreadable(error.to_string()))
}
