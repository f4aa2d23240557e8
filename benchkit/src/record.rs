//! Records: what goes into the log in a second and how long an answer waits, on SQLite and on
//! PostgreSQL, beside what engines and disk do alone; and how a log behaves that is large.

mod batches;
mod book;
mod disk;
mod large;
mod raw;
mod writers;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use marque_policy::PolicySet;
use marque_store::{DatabaseUrl, OpenOptions, Store};
use marque_testkit::PostgresServer;
use serde_json::json;
use tempfile::TempDir;

use crate::ground;
use crate::lines::{Words, tell};

pub use large::large;

/// Entries that share a transaction in `batches`.
const BATCHES: [usize; 4] = [1, 8, 64, 512];
/// Who decide at once in `writers`.
const WRITERS: [usize; 4] = [1, 16, 64, 256];

/// `record --rounds N --millis N`: lines for each engine in each round.
pub async fn record(words: &Words) -> anyhow::Result<()> {
    let (rounds, millis) = (words.number("--rounds", 5)?, words.number("--millis", 1_000)?);
    let span = Duration::from_millis(millis as u64);
    let directory = tempfile::Builder::new().prefix("marque-bench-").tempdir()?;
    let postgres = PostgresServer::start();
    let no_policies = ground::no_policies()?;
    let mut sites = vec![Site::sqlite(&directory, &no_policies).await?];
    if let Some(server) = &postgres {
        let version = server.sql("SHOW server_version");
        tell(&json!({ "what": "postgres", "version": version }))?;
        sites.push(Site::postgres(server, &no_policies).await?);
    }
    for round in 0..rounds {
        disk::measure(round, directory.path())?;
        if round % 2 == 1 {
            sites.reverse();
        }
        for site in &mut sites {
            site.measure(round, span, directory.path()).await?;
        }
        if round % 2 == 1 {
            sites.reverse();
        }
    }
    for site in sites {
        site.writers.stop().await;
    }
    Ok(())
}

/// One engine with what is measured on it.
struct Site {
    engine: &'static str,
    writers: writers::Writers,
    book: book::Book,
    raw: raw::Raw,
}

impl Site {
    async fn sqlite(directory: &TempDir, policies: &Arc<PolicySet>) -> anyhow::Result<Self> {
        let at = |name: &str| directory.path().join(name);
        Ok(Self {
            engine: "sqlite",
            writers: writers::Writers::start(Store::open(&at("plane.db"))?, policies).await?,
            book: book::Book::open(Store::open(&at("book.db"))?)?,
            raw: raw::Raw::sqlite(&at("raw.db"))?,
        })
    }

    async fn postgres(server: &PostgresServer, policies: &Arc<PolicySet>) -> anyhow::Result<Self> {
        let open = || -> anyhow::Result<Store> {
            let url = DatabaseUrl::parse(&server.url())?;
            Ok(Store::open_postgres(&url, OpenOptions::default())?)
        };
        Ok(Self {
            engine: "postgres",
            writers: writers::Writers::start(open()?, policies).await?,
            book: book::Book::open(open()?)?,
            raw: raw::Raw::postgres(&server.url()).await?,
        })
    }

    async fn measure(
        &mut self,
        round: usize,
        span: Duration,
        directory: &Path,
    ) -> anyhow::Result<()> {
        self.writers.alone((self.engine, round), &mut disk::Pages::make(directory)?).await?;
        self.raw.measure(self.engine, round, span / 2).await?;
        for writers in WRITERS {
            for class in writers::CLASSES {
                self.writers.measure((self.engine, round), class, writers, span).await?;
            }
        }
        for batch in BATCHES {
            batches::measure(&mut self.book, (self.engine, round), batch, span / 2)?;
        }
        Ok(())
    }
}
