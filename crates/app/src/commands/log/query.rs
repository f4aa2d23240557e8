//! `marque log query`

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use marque_api::exchange::{Count, LogParameters};
use marque_domain::{Id, LogEntry, Run, Timestamp};
use marque_plane::Clock as _;

use super::sentence;
use crate::client::{Request, encode};
use crate::clock::SystemClock;
use crate::config::Span;
use crate::context::Context;
use crate::exit::Exit;
use crate::output::{Table, clean};

/// Find entries, or count them
///
/// Prints one sentence for each entry, the oldest first; the newest 100 unless `--limit` says
/// otherwise. With `--count-by` prints how many there are instead.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque log query --agent triage --since 2d
  marque log query --answer refused --since 2026-11-21T00:00:00Z
  marque log query --agent invoice-reconciler --operation GET --since 1d --count-by resource
  marque log query --run run_01JD… --json")]
pub(crate) struct Query {
    /// Only this kind of event
    #[arg(long, value_enum)]
    event: Option<EventWord>,
    /// Only by this agent
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// Only in this run
    #[arg(long, value_name = "RUN")]
    run: Option<Id<Run>>,
    /// Only for this task
    #[arg(long, value_name = "TASK")]
    task: Option<String>,
    /// Only by or for this human
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Only through this connection
    #[arg(long, value_name = "NAME")]
    connection: Option<String>,
    /// Only this operation, such as `GET`, or this change, such as `grant.added`
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,
    /// Only these answers
    #[arg(long, value_enum)]
    answer: Option<AnswerWord>,
    /// Not before: a moment, or a span ago such as `2d`
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<Timestamp>,
    /// Before: a moment, or a span ago
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    until: Option<Timestamp>,
    /// At most so many, the newest ones
    #[arg(
        long,
        value_name = "N",
        default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..=10_000)
    )]
    limit: u32,
    /// Count instead, by what entries have in common
    #[arg(long, value_enum)]
    count_by: Option<By>,
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum EventWord {
    Claimed,
    LogKeyRotated,
    Started,
    Restored,
    Changed,
    RunOpened,
    RunClosed,
    GitSigned,
    GitRefused,
    GitKeyRotated,
    TokenRevoked,
    TokenKeyMoved,
    IssuerKeysChanged,
    Decided,
    Outcome,
}

#[derive(Clone, Copy, ValueEnum)]
enum AnswerWord {
    Allowed,
    Held,
    Refused,
}

#[derive(Clone, Copy, ValueEnum)]
enum By {
    Agent,
    Task,
    Operation,
    Resource,
}

impl Query {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let client = context.human().await?;
        let query = query(&self.parameters());
        if self.count_by.is_some() {
            let path = format!("/v1/log/count{query}");
            let counts: Vec<Count> = client.send(&Request::get(path)).await?;
            context.output.result(&counts, |counts| counted(counts))?;
            return Ok(Exit::Done);
        }
        let mut entries: Vec<LogEntry> =
            client.send(&Request::get(format!("/v1/log{query}"))).await?;
        entries.reverse();
        context.output.result(&entries, |entries| told(entries))?;
        Ok(Exit::Done)
    }

    fn parameters(&self) -> LogParameters {
        LogParameters {
            event: self.event.map(word),
            agent: self.agent.clone(),
            run: self.run,
            task: self.task.clone(),
            user: self.user.clone(),
            connection: self.connection.clone(),
            operation: self.operation.clone(),
            answer: self.answer.map(word),
            decision: None,
            since: self.since,
            until: self.until,
            from_index: None,
            newest_first: true,
            limit: Some(self.limit),
            by: self.count_by.map(word),
        }
    }
}

fn word(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// Parameters as the query of a path.
pub(super) fn query(parameters: &LogParameters) -> String {
    let members = match serde_json::to_value(parameters) {
        Ok(serde_json::Value::Object(members)) => members,
        _ => serde_json::Map::new(),
    };
    let pairs = members.into_iter().map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("{name}={}", encode(&value))
    });
    // Members come in the order of the type or of the alphabet, as serde_json was built.
    let pairs: std::collections::BTreeSet<String> = pairs.collect();
    format!("?{}", pairs.into_iter().collect::<Vec<_>>().join("&"))
}

fn told(entries: &[LogEntry]) -> String {
    if entries.is_empty() {
        return "nothing in the log answers that".to_owned();
    }
    let width = entries.iter().map(|entry| entry.index.to_string().len()).max().unwrap_or(0);
    entries.iter().fold(String::new(), |mut text, entry| {
        let sentence = clean(&sentence::of(entry));
        let _ = writeln!(text, "{:>width$}  {}  {sentence}", entry.index, entry.at);
        text
    })
}

fn counted(counts: &[Count]) -> String {
    let mut table = Table::new(["entries", "value"]);
    for count in counts {
        let value = if count.value.is_empty() { "(none)" } else { &count.value };
        table.row([&count.entries.to_string(), value]);
    }
    table.text("nothing in the log answers that")
}

/// A moment, or a span before now.
fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(Span(span)) = text.parse() {
        let now = SystemClock::start().now().as_millis();
        let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        return Ok(Timestamp::from_millis(now.saturating_sub(span)));
    }
    text.parse::<Timestamp>().map_err(|error| format!("{error}, or a span ago such as `2d`"))
}

#[cfg(test)]
mod tests {
    use super::{LogParameters, query};

    #[test]
    fn what_is_not_asked_for_is_not_sent() {
        let parameters = LogParameters {
            task: Some("ticket:OPS 12&x".to_owned()),
            newest_first: true,
            limit: Some(3),
            ..LogParameters::default()
        };
        assert_eq!(query(&parameters), "?limit=3&newest_first=true&task=ticket%3AOPS%2012%26x");
    }
}
