//! `marque log show`

use clap::Args;
use marque_api::exchange::{LogParameters, ReceiptView};
use marque_domain::LogEntry;

use super::query::query;
use crate::client::{Request, encode};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::clean;

/// Show one entry whole
///
/// An index shows that entry; a decision's id shows the decision and how the act went. With
/// `--receipt` prints the proof that the entry is in the log, for somebody who has only the key.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque log show 42
  marque log show dec_01JD…
  marque log show 42 --receipt > entry-42.receipt")]
pub(crate) struct Show {
    /// An index, or a decision's id
    #[arg(value_name = "INDEX|DECISION")]
    which: String,
    /// Print the entry's receipt
    #[arg(long)]
    receipt: bool,
}

impl Show {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let client = context.human().await?;
        let index = self.which.parse::<u64>().ok();
        let asked = match index {
            Some(index) => LogParameters {
                from_index: Some(index),
                limit: Some(1),
                ..LogParameters::default()
            },
            None => {
                LogParameters { decision: Some(self.which.clone()), ..LogParameters::default() }
            }
        };
        let path = format!("/v1/log{}", query(&asked));
        let mut entries: Vec<LogEntry> = client.send(&Request::get(path)).await?;
        entries.retain(|entry| index.is_none_or(|index| entry.index == index));
        let Some(first) = entries.first() else {
            let message = format!("there is no entry `{}`", self.which);
            return Err(Failure::new(Exit::Failed, message).hint("see `marque log query`").into());
        };
        if self.receipt {
            let path = format!("/v1/log/receipt/{}", encode(&first.index.to_string()));
            let receipt: ReceiptView = client.send(&Request::get(path)).await?;
            context.output.result(&receipt, |receipt| receipt.receipt.clone())?;
            return Ok(Exit::Done);
        }
        context.output.result(&entries, |entries| text(entries))?;
        Ok(Exit::Done)
    }
}

fn text(entries: &[LogEntry]) -> String {
    let shown = entries.iter().map(|entry| {
        let whole = serde_json::to_string_pretty(entry).unwrap_or_default();
        whole.lines().map(clean).collect::<Vec<_>>().join("\n")
    });
    shown.collect::<Vec<_>>().join("\n")
}
