//! `marque store check`

use clap::Args;

use super::Progress;
use super::inspect::{inspect, text};
use crate::context::Context;
use crate::database::Database;
use crate::exit::Exit;

/// Check that what the store holds fits together
///
/// Reads everything, beside a running server or without one, and changes nothing: the entries of
/// the log against their hashes, the hashes against the tree and its signed checkpoints, and the
/// columns a query finds an entry by against the entry. Exits with 1 if something does not fit. To
/// prove the log against what others saw of it, use `marque log verify`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque store check
  marque store check --json")]
pub(crate) struct Check {}

pub(super) fn run(context: &Context) -> anyhow::Result<Exit> {
    context.must_have_a_plane()?;
    let database = Database::find(context)?;
    let store = database.open_read_only()?;
    let mut progress = Progress::new(context.output, "checked");
    let found = inspect(&store, database.place(), &context.data, &mut progress)?;
    context.output.result(&found, text)?;
    Ok(if found.ok { Exit::Done } else { Exit::Failed })
}
