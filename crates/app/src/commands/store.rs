//! `marque store`: where the plane is kept, looked at and moved without a server.

mod check;
mod inspect;
mod migrate;
mod relocate;
mod restored;

use clap::Subcommand;

use crate::context::Context;
use crate::exit::Exit;
use crate::output::Output;

#[derive(Subcommand)]
pub(crate) enum Store {
    Check(check::Check),
    Migrate(migrate::Migrate),
    Move(relocate::Move),
    Restored(restored::Restored),
}

impl Store {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<Exit> {
        match self {
            Self::Check(check::Check {}) => check::run(context),
            Self::Migrate(command) => command.run(context),
            Self::Move(command) => command.run(context),
            Self::Restored(command) => command.run(context),
        }
    }
}

/// How often work on many rows says how far it is.
const TOLD_EVERY: u64 = 50_000;

/// Says how far long work is; nothing of short work.
struct Progress {
    output: Output,
    verb: &'static str,
    table: &'static str,
    told: u64,
}

impl Progress {
    fn new(output: Output, verb: &'static str) -> Self {
        Self { output, verb, table: "", told: 0 }
    }

    /// So many rows of a table are done.
    fn tell(&mut self, table: &'static str, rows: u64) {
        if self.table != table {
            (self.table, self.told) = (table, 0);
        }
        if rows >= self.told + TOLD_EVERY {
            self.told = rows;
            self.output.remark(&format!("{} {table}: {rows} rows", self.verb));
        }
    }
}
