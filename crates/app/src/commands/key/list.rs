//! `marque key list`

use clap::Args;
use marque_plane::view::KeyView;

use crate::client::Request;
use crate::context::Context;
use crate::exit::Exit;
use crate::output::Table;

/// List the plane's keys, and those it had before
///
/// Shows what each is for, its public half or its id, after which entry of the log it came into
/// force, and which entry retired it. Keys of tokens go by time: since when one signs, from when
/// the next one may, until when a retired one is published. Never anything of a private half.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque key list
  marque key list --json | jq -r '.[] | select(.purpose == \"log\") | .id'")]
pub(crate) struct List {}

impl List {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let keys: Vec<KeyView> = context.human().await?.send(&Request::get("/v1/keys")).await?;
        context.output.result(&keys, |keys| text(keys))?;
        Ok(Exit::Done)
    }
}

/// Each key in a row.
pub(super) fn text(keys: &[KeyView]) -> String {
    let mut table = Table::new(["purpose", "state", "since", "until", "key"]);
    for key in keys {
        let entry = |index: Option<u64>, none: &str| {
            index.map_or_else(|| none.to_owned(), |index| format!("entry {index}"))
        };
        let (since, until) = match (key.at, key.state.as_str()) {
            (Some(at), "retired") => ("-".to_owned(), at.to_string()),
            (Some(at), "prepared") => (format!("may sign from {at}"), "-".to_owned()),
            (Some(at), _) => (at.to_string(), "-".to_owned()),
            (None, _) => (entry(key.since, "first start"), entry(key.until, "-")),
        };
        let id = key.id.as_deref().unwrap_or("-");
        table.row([&key.purpose, &key.state, &since, &until, id]);
    }
    table.text("no keys")
}
