//! The engines alone: one row in each transaction, from one client, through the same drivers and
//! with the same settings as the store has.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use rusqlite::Connection;
use serde_json::json;
use tokio::net::UnixStream;
use tokio_postgres::{Client, Config, NoTls, Statement};

use crate::clock::moment;
use crate::figures::{Sorted, real};
use crate::lines::tell;

/// As `sqlite/dialect.rs` of the store sets them.
const SETTINGS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;
    PRAGMA mmap_size = 0;
    PRAGMA foreign_keys = ON;
    PRAGMA secure_delete = ON;
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -8192;
    CREATE TABLE raw (idx INTEGER PRIMARY KEY, body BLOB NOT NULL);
";
/// Rows that share a transaction.
const BATCH: usize = 512;
/// How long a record is.
const BODY: [u8; 1_400] = [7; 1_400];

/// An engine with an empty table.
pub(super) enum Raw {
    Sqlite(Connection),
    Postgres { client: Client, insert: Statement },
}

impl Raw {
    pub(super) fn sqlite(path: &Path) -> anyhow::Result<Self> {
        let driver = Connection::open(path)?;
        driver.execute_batch(SETTINGS)?;
        Ok(Self::Sqlite(driver))
    }

    pub(super) async fn postgres(url: &str) -> anyhow::Result<Self> {
        let config: Config = url.parse()?;
        let host = config.get_hosts().first().context("the URL names a host")?;
        let tokio_postgres::config::Host::Unix(directory) = host else {
            anyhow::bail!("the benchmark's database listens on a Unix socket");
        };
        let port = config.get_ports().first().context("the URL names a port")?;
        let socket = UnixStream::connect(directory.join(format!(".s.PGSQL.{port}"))).await?;
        let (client, connection) = config.connect_raw(socket, NoTls).await?;
        // Ends with the client.
        let _driver = tokio_util::task::TaskTracker::new().spawn(connection);
        client
            .batch_execute("CREATE TABLE raw (idx BIGSERIAL PRIMARY KEY, body BYTEA NOT NULL)")
            .await?;
        let insert = client.prepare("INSERT INTO raw (body) VALUES ($1)").await?;
        Ok(Self::Postgres { client, insert })
    }

    /// One line for each durability class it has.
    pub(super) async fn measure(
        &mut self,
        engine: &str,
        round: usize,
        span: Duration,
    ) -> anyhow::Result<()> {
        let told = |class: &str, spans: Vec<Duration>, took: Duration| {
            let rate = real(spans.len()) / took.as_secs_f64();
            let spans = Sorted::of(spans);
            tell(&json!({
                "what": "raw", "engine": engine, "round": round, "class": class,
                "per_second": rate, "p50_us": spans.permille(500), "p99_us": spans.permille(990),
            }))
        };
        match self {
            Self::Sqlite(driver) => {
                for (class, setting) in [("read", "NORMAL"), ("disk", "FULL")] {
                    driver.execute_batch(&format!("PRAGMA synchronous = {setting}"))?;
                    let (spans, took) = commits(driver, 1, span)?;
                    told(class, spans, took)?;
                }
                let (spans, took) = commits(driver, BATCH, span)?;
                let rate = real(spans.len() * BATCH) / took.as_secs_f64();
                tell(&json!({
                    "what": "raw_batches", "engine": engine, "round": round, "class": "disk",
                    "batch": BATCH, "per_second": rate,
                }))?;
            }
            Self::Postgres { client, insert } => {
                let (begun, mut spans) = (moment(), Vec::new());
                while moment().saturating_sub(begun) < span {
                    let at = moment();
                    client.execute(&*insert, &[&BODY.as_slice()]).await?;
                    spans.push(moment().saturating_sub(at));
                }
                told("disk", spans, moment().saturating_sub(begun))?;
            }
        }
        Ok(())
    }
}

fn commits(
    driver: &Connection,
    batch: usize,
    span: Duration,
) -> anyhow::Result<(Vec<Duration>, Duration)> {
    let mut insert = driver.prepare_cached("INSERT INTO raw (body) VALUES (?1)")?;
    let (begun, mut spans) = (moment(), Vec::new());
    while moment().saturating_sub(begun) < span {
        let at = moment();
        driver.execute_batch("BEGIN IMMEDIATE")?;
        for _ in 0..batch {
            insert.execute([BODY.as_slice()])?;
        }
        driver.execute_batch("COMMIT")?;
        spans.push(moment().saturating_sub(at));
    }
    Ok((spans, moment().saturating_sub(begun)))
}
