//! Where it happens: one plane of one server on SQLite, one of three servers on PostgreSQL, and the
//! upstream they all call.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::database::Database;
use super::options::Options;
use super::relay;
use super::upstream::Upstream;
use crate::bench::clock::Clock;
use crate::bench::http::{self, free_port};
use crate::bench::places::{Held, Places};
use crate::bench::process::Watched;
use crate::bench::run::Run;

/// How many servers share the database.
pub(super) const SERVERS: usize = 3;
/// Runs that the load is of, all opened at the first server: another can be lost without them.
const RUNS: usize = 4;

pub(super) struct Server {
    /// Its data directory.
    pub(super) data: String,
    pub(super) door: SocketAddr,
    held: Held,
}

/// Servers that share a store. Fields end in this order.
pub(super) struct Plane {
    pub(super) runs: Vec<Run>,
    pub(super) servers: Vec<Server>,
}

/// All of it. Fields end in this order.
pub(super) struct Site {
    pub(super) clock: Clock,
    /// Calls of the load that are under way at once.
    pub(super) connections: usize,
    pub(super) sqlite: Plane,
    pub(super) postgres: Plane,
    pub(super) database: Database,
    pub(super) upstream: Upstream,
    pub(super) places: Places,
}

impl Site {
    pub(super) fn lay(binary: &Path, options: &Options) -> anyhow::Result<Self> {
        let clock = Clock::start();
        let upstream = Upstream::listen(clock)?;
        let places = Places::make(binary, &[("desk/token", "bench-token")])?;
        let sqlite = Plane::lay(&places, &upstream, &["alone"], "")?;
        let database = Database::start()?;
        let port = match options.round_trip {
            Some(micros) => relay::lay(database.port(), Duration::from_micros(micros))?,
            None => database.port(),
        };
        places.hide("url", &Database::url(port))?;
        let lines = format!("[database]\nurl_file = \"{}\"\n", places.at("url").display());
        let names = ["server-1", "server-2", "server-3"];
        let postgres = Plane::lay(&places, &upstream, &names, &lines)?;
        let connections = options.connections;
        Ok(Self { clock, connections, sqlite, postgres, database, upstream, places })
    }

    /// A run of its own, opened at that server of the shared plane.
    pub(super) fn run(&self, server: usize) -> anyhow::Result<Run> {
        Run::open(&self.places, &self.server(server)?.data)
    }

    pub(super) fn server(&self, number: usize) -> anyhow::Result<&Server> {
        self.postgres.servers.get(number).context("there are three servers")
    }

    /// Starts a server anew that has ended.
    pub(super) fn restart(&mut self, number: usize) -> anyhow::Result<()> {
        let server = self.postgres.servers.get_mut(number).context("there are three servers")?;
        server.held = self.places.serve(&server.data)?;
        Ok(())
    }

    /// Bytes of the SQLite database on disk.
    pub(super) fn sqlite_bytes(&self) -> anyhow::Result<u64> {
        Ok(fs::metadata(self.places.at("alone/marque.db"))?.blocks() * 512)
    }

    /// Fails unless the logs of both planes verify.
    pub(super) fn verify(&self) -> anyhow::Result<()> {
        for data in ["alone", "server-1"] {
            let said = self.places.told(data, &["log", "verify", "--json"])?;
            let verdict: serde_json::Value = serde_json::from_str(&said)?;
            ensure!(verdict.get("ok") == Some(&true.into()), "the log of `{data}`: {verdict}");
        }
        Ok(())
    }
}

impl Plane {
    fn lay(
        places: &Places,
        upstream: &Upstream,
        names: &[&str],
        database: &str,
    ) -> anyhow::Result<Self> {
        let mut servers: Vec<Server> = Vec::new();
        for name in names {
            fs::DirBuilder::new().mode(0o700).create(places.at(name))?;
            let door = SocketAddr::from(([127, 0, 0, 1], free_port()?));
            let replica = format!("replica = \"{name}\"\n");
            let replica = if database.is_empty() { "" } else { &replica };
            let config = format!("[server]\nproxy_listen = \"{door}\"\n{database}{replica}");
            if let Some(first) = servers.first() {
                let mut copy = places.command("cp");
                copy.arg("-a")
                    .args([first.data.as_str(), name].map(|data| places.at(data).join("keys")));
                ensure!(copy.status()?.success(), "the keys cannot be copied");
            }
            fs::write(places.at(name).join("config.toml"), config)?;
            let held = places.serve(name)?;
            let server = Server { data: (*name).to_owned(), door, held };
            if servers.is_empty() {
                cast(places, &server.data, upstream)?;
            }
            servers.push(server);
        }
        let first = servers.first().context("a plane without a server")?;
        let runs = (0..RUNS).map(|_| Run::open(places, &first.data));
        Ok(Self { runs: runs.collect::<anyhow::Result<_>>()?, servers })
    }

    pub(super) fn proofs(&self) -> Vec<String> {
        self.runs.iter().map(|run| run.proof.clone()).collect()
    }

    pub(super) fn doors(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(|server| server.door).collect()
    }

    /// The CPU seconds of all its servers.
    pub(super) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        self.servers.iter().map(|server| server.watched().cpu_seconds()).sum()
    }

    /// Resident memory of the largest of its servers.
    pub(super) fn resident_kib(&self) -> anyhow::Result<u64> {
        let each = self.servers.iter().map(|server| server.watched().resident_kib());
        Ok(each.collect::<anyhow::Result<Vec<_>>>()?.into_iter().max().unwrap_or(0))
    }

    /// Entries in the log, as its first server knows it.
    pub(super) fn entries(&self, places: &Places) -> anyhow::Result<u64> {
        let first = self.servers.first().context("a plane without a server")?;
        let status = http::admin(&places.at(&first.data).join("marque.sock"), "/v1/status")?;
        let size = status.get("log_size").and_then(serde_json::Value::as_u64);
        size.with_context(|| format!("no size of the log in {status}"))
    }
}

impl Server {
    pub(super) fn watched(&self) -> Watched {
        Watched(self.held.0.id())
    }

    pub(super) fn signal(&self, signal: rustix::process::Signal) {
        crate::bench::shell::signal(&self.held.0, signal);
    }

    /// Its exit code once it has ended; none is -1.
    pub(super) fn ended(&mut self) -> anyhow::Result<Option<i32>> {
        Ok(self.held.0.try_wait()?.map(|status| status.code().unwrap_or(-1)))
    }
}

/// Claims a plane; an agent may read and write at the upstream.
fn cast(places: &Places, data: &str, upstream: &Upstream) -> anyhow::Result<()> {
    let pin = upstream.address.to_string();
    let connection = ["connection", "add", "plain", "--plain-http", "--bearer"];
    let rest = ["--host", super::HOST, "--pin", &pin, "--secret-file", "token"];
    places.told(data, &["claim", "--name", "alex"])?;
    places.told(data, &["agent", "add", "bench", "--purpose", "benchmarks"])?;
    places.told(data, &[connection.as_slice(), &rest].concat())?;
    let lines = ["--allow", "plain:GET /v1/**", "--allow", "plain:POST /v1/**"];
    places.told(data, &[["grant", "add", "bench", "--until", "1d"].as_slice(), &lines].concat())?;
    Ok(())
}
