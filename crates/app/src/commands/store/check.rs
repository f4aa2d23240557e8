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
/// the log against their hashes, the hashes against the tree and its signed checkpoints, the
/// columns a query finds an entry by against the entry, and the pages of the store's file. Lists
/// the servers that share a database, and warns if they do not decide by the same policies. Exits
/// with 1 if something does not fit. To prove the log against what others saw of it, use `marque
/// log verify`.
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
    if found.policies_differ {
        context.output.warning(
            "the servers of this plane decide by different policies: what one refuses another may \
             allow; give them the same files and restart those that differ",
        );
    }
    context.output.result(&found, text)?;
    Ok(if found.ok { Exit::Done } else { Exit::Failed })
}
