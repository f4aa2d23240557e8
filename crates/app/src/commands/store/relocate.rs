//! `marque store move`

use std::path::PathBuf;

use clap::Args;
use marque_domain::Digest;
use marque_store::{DatabaseUrl, Store, StoreError};
use serde::Serialize;

use super::Progress;
use super::inspect::{Found, inspect};
use crate::context::Context;
use crate::database::{Database, options};
use crate::exit::{Exit, Failure};
use crate::output::Fields;

/// Move the plane from the data directory into a PostgreSQL database
///
/// Needs the server stopped and the database empty. Copies everything, reads both back, compares
/// every row, and verifies the log where it is now. The store in the data directory stays as it is,
/// but no server takes it any more. What breaks off leaves a database that no server takes.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque store move --to-url-file /etc/marque/database-url
  marque store move --take-back")]
pub(crate) struct Move {
    /// A private file (0600) with the URL of the database
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "take_back",
        conflicts_with = "take_back"
    )]
    to_url_file: Option<PathBuf>,
    /// Serve the data directory again, without what happened in the database since
    #[arg(long)]
    take_back: bool,
}

#[derive(Serialize)]
struct Moved {
    from: String,
    to: String,
    rows: u64,
    log_size: u64,
    root: Digest,
    signed: u64,
    url_file: PathBuf,
}

#[derive(Serialize)]
struct TakenBack {
    store: String,
    /// The database that must not be served any more; none if the store was never moved.
    given_up: Option<String>,
}

impl Move {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let files = context.data.database();
        if !files.exists() {
            let message = format!("there is no plane in `{}`", files.display());
            return Err(Failure::new(Exit::Failed, message).into());
        }
        let Some(file) = self.to_url_file else { return take_back(context) };
        let file = std::path::absolute(file)?;
        let database = Database::in_file(&file)?;
        let Database::Server(url) = &database else {
            return Err(Failure::new(Exit::Usage, "the file names no database").into());
        };
        let moved = relocate(context, url)?;
        context.output.result(&Moved { url_file: file, ..moved }, text)?;
        Ok(Exit::Done)
    }
}

fn relocate(context: &Context, url: &DatabaseUrl) -> anyhow::Result<Moved> {
    let (files, config) = (context.data.database(), context.config()?);
    // Held to the end, and with it the data directory's lock.
    let source = Store::open_with(&files, options(&config))?;
    must_be_known(&source)?;
    let look = |store: &Store, place: String, verb| {
        inspect(store, place, &context.data, &mut Progress::new(context.output, verb))
    };
    let before = look(&source, files.display().to_string(), "checked")?;
    must_be_sound(&before, "nothing was moved; `marque log verify` says more")?;
    let target = Store::open_postgres_to_fill(url, options(&config))?;
    let mut progress = Progress::new(context.output, "copied");
    target.fill_from(&source, &mut |table, rows| progress.tell(table, rows))?;
    let mut progress = Progress::new(context.output, "compared");
    let difference = source.first_difference(&target, &mut |table, rows| {
        progress.tell(table, rows);
    })?;
    if let Some(table) = difference {
        let message = format!("the copy of `{table}` is not what was copied");
        return Err(Failure::new(Exit::Failed, message).hint(AGAIN).into());
    }
    let after = look(&target, url.place(), "verified")?;
    must_be_sound(&after, AGAIN)?;
    let [was, is] = [&before, &after].map(|found| (found.log_size, found.root, found.signed));
    if was != is {
        let message = "the log that was copied has another root";
        return Err(Failure::new(Exit::Failed, message).hint(AGAIN).into());
    }
    // ORDER: never both of them servable. Between the two neither is, and `--take-back` helps.
    source.mark_moved(&url.place())?;
    target.finish_filling(&source)?;
    Ok(Moved {
        from: before.store,
        to: after.store,
        rows: after.rows.values().sum(),
        log_size: after.log_size,
        root: after.root,
        signed: after.signed,
        url_file: PathBuf::new(),
    })
}

/// A store of a later release holds what a copy by this one would leave behind.
#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "the method by itself is not general over the transaction's lifetime"
)]
fn must_be_known(source: &Store) -> Result<(), StoreError> {
    let found = source.read("store.schema", |tx| tx.schema())?;
    let known = marque_store::known_schema();
    if found == known { Ok(()) } else { Err(StoreError::NewerSchema { found, known }) }
}

const AGAIN: &str = "drop the database's schema, create it anew, and move again; the plane in the \
                     data directory is as it was";

fn must_be_sound(found: &Found, hint: &str) -> Result<(), Failure> {
    let Some(problem) = found.problems.first() else { return Ok(()) };
    let message = format!("the store at `{}` does not fit together: {problem}", found.store);
    Err(Failure::new(Exit::Failed, message).hint(hint))
}

fn take_back(context: &Context) -> anyhow::Result<Exit> {
    let files = context.data.database();
    let given_up = Store::take_back(&files)?;
    if let Some(place) = &given_up {
        context.output.warning(&format!(
            "what was recorded in the database at `{place}` since the move is not here: drop it, \
             and remove `database.url_file` from the configuration"
        ));
    }
    let taken = TakenBack { store: files.display().to_string(), given_up };
    context.output.result(&taken, |taken| match &taken.given_up {
        Some(place) => format!(
            "{} is served again, and {place} is given up. If it was served there meanwhile, take \
             what is here now with `marque store restored`",
            taken.store
        ),
        None => format!("{} was not moved", taken.store),
    })?;
    Ok(Exit::Done)
}

fn text(moved: &Moved) -> String {
    let fields = Fields::default()
        .with("from", &moved.from)
        .with("to", &moved.to)
        .with("rows", format!("{}, every one compared", moved.rows))
        .with("log", format!("{} entries, {} of them signed", moved.log_size, moved.signed))
        .with("root", moved.root);
    format!(
        "{}\nTo serve it from there, write into the configuration and start the server:\n\n\
         [database]\nurl_file = \"{}\"\n",
        fields.text(),
        moved.url_file.display()
    )
}
