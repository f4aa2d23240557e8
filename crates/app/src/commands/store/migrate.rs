//! `marque store migrate`

use clap::Args;
use marque_store::{Store, StoreError};
use serde::Serialize;

use crate::cli::Rehearsal;
use crate::context::Context;
use crate::database::Database;
use crate::exit::Exit;
use crate::output::Fields;

/// Bring the store's schema up to date, without serving
///
/// A server does the same when it starts. A marque of the release before goes on reading it where
/// the new schema says so, no other older one does: back the store up before.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque store migrate --dry-run
  marque store migrate")]
pub(crate) struct Migrate {
    #[command(flatten)]
    rehearsal: Rehearsal,
}

#[derive(Serialize)]
struct Migrated {
    store: String,
    /// The schema that was found; none where nothing was kept yet.
    from: Option<u64>,
    /// The schema there is now, or would be.
    to: u64,
    dry_run: bool,
}

impl Migrate {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Exit> {
        context.must_have_a_plane()?;
        let config = context.config()?;
        let database = Database::find(context)?;
        let (from, to) = match database.open_read_only() {
            Ok(store) => {
                // It may be of a later release that this one can still serve.
                let found = schema(&store)?;
                (Some(found), found)
            }
            Err(StoreError::OlderSchema { found, known }) => (Some(found), known),
            Err(StoreError::Absent(_)) if matches!(database, Database::Server(_)) => {
                (None, marque_store::known_schema())
            }
            Err(error) => return Err(error.into()),
        };
        let dry_run = self.rehearsal.dry_run;
        if !dry_run && from != Some(to) {
            database.open_alone(&config)?;
        }
        let migrated = Migrated { store: database.place(), from, to, dry_run };
        context.output.result(&migrated, text)?;
        Ok(Exit::Done)
    }
}

#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "the method by itself is not general over the transaction's lifetime"
)]
fn schema(store: &Store) -> Result<u64, StoreError> {
    store.read("store.schema", |tx| tx.schema())
}

fn text(migrated: &Migrated) -> String {
    let schema = match (migrated.from, migrated.dry_run) {
        (Some(from), _) if from == migrated.to => format!("{from}, which is up to date"),
        (Some(from), true) => format!("{from}, would become {}", migrated.to),
        (Some(from), false) => format!("{}, was {from}", migrated.to),
        (None, true) => format!("none yet, would become {}", migrated.to),
        (None, false) => format!("{}, made anew", migrated.to),
    };
    Fields::default().with("store", &migrated.store).with("schema", schema).text()
}
