//! Where it happens: an upstream in the clear and in TLS, a plane, and runs of an agent that may
//! read and write there.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use serde_json::json;

use super::peers::{self, Upstream};
use super::target::{Target, get, get_tls};
use crate::bench::clock::Clock;
use crate::bench::drive::{Line, Trust, Way, connect};
use crate::bench::http::free_port;
use crate::bench::papers::{self, DOMAIN, Key};
use crate::bench::places::{Held, Places};
use crate::bench::process::Watched;
use crate::bench::replicas::upstream::Upstream as Sink;
use crate::bench::run::Run;

/// What is asked of every upstream.
pub(super) const PATH: &str = "/v1/items/7";
/// The names of the upstream, in the clear and in TLS.
pub(super) const PLAIN_HOST: &str = "plain.bench.test";
pub(super) const TLS_HOST: &str = "api.bench.test";
/// Further names of the one in TLS, none of which was ever asked for.
pub(super) const COLD_HOSTS: usize = 30;
/// The credential that is set.
pub(super) const TOKEN: &str = "bench-token";
/// Runs that call: one keeps at most 64 connections to upstreams, and the load is of 512.
const RUNS: usize = 8;
/// The data directory of the plane.
const DATA: &str = "data";
/// How long a server rests before its memory is read.
const REST: Duration = Duration::from_secs(2);

/// All of it. Fields end in this order.
pub(in crate::bench) struct Site {
    runs: Vec<(Run, Trust)>,
    server: Held,
    door: SocketAddr,
    /// The server's memory when it had started and nobody had asked it anything.
    pub(super) rest: [u64; 2],
    pub(super) upstream: Upstream,
    /// What callers prove themselves with to those who verify it.
    pub(super) token: String,
    key: Key,
    pub(super) places: Places,
}

impl Site {
    pub(in crate::bench) fn lay(binary: &Path) -> anyhow::Result<Self> {
        let places = Places::make(binary, &[("desk/token", TOKEN)])?;
        papers::write(&places)?;
        let key = Key::make(&places, "token")?;
        let token = key.token(
            &json!({ "alg": "ES256", "typ": "JWT", "kid": "bench" }),
            &json!({ "iss": "https://bench.test", "sub": "bench", "exp": 4_102_444_800_u64 }),
        )?;
        let sink = Sink::listen(Clock::start())?;
        let upstream = peers::upstream(&places, sink.address)?;
        let door = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        fs::DirBuilder::new().mode(0o700).create(places.at(DATA))?;
        let config = format!("[server]\nproxy_listen = \"{door}\"\n");
        fs::write(places.at(DATA).join("config.toml"), config)?;
        let first = places.serve(DATA)?;
        cast(&places, &upstream)?;
        drop(first);
        let server = places.serve(DATA)?;
        sleep(REST);
        let watched = Watched(server.0.id());
        let rest = [watched.resident_kib()?, watched.proportional_kib()?];
        let runs = (0..RUNS).map(|_| {
            let mut run = Run::open(&places, DATA)?;
            let trust = Trust::in_pem(&run.trust()?)?;
            Ok((run, trust))
        });
        let runs = runs.collect::<anyhow::Result<_>>()?;
        Ok(Self { runs, server, door, rest, upstream, token, key, places })
    }

    /// The upstream in the clear, and Marque before it.
    pub(in crate::bench) fn plain(&self) -> [Target; 2] {
        let direct = get("the upstream", self.upstream.plain, PLAIN_HOST, "");
        let ways = self.runs.iter().map(|(run, _)| self.plain_way(run)).collect();
        [
            Target::there("direct", vec![direct], None),
            Target::there("Marque", ways, Some(self.server())),
        ]
    }

    /// The same in TLS.
    pub(in crate::bench) fn tls(&self) -> anyhow::Result<[Target; 2]> {
        let trust = fs::read_to_string(self.places.at("papers/authority.pem"))?;
        let trust = Trust::in_pem(&trust)?;
        let direct = get_tls("the upstream", self.upstream.tls, (TLS_HOST, &trust), "");
        let ways = self.runs.iter().map(|(run, trust)| Way {
            connect: Some(connect(&format!("{TLS_HOST}:443"), Some(&run.proof))),
            ..get_tls("Marque", self.door, (TLS_HOST, trust), "")
        });
        Ok([
            Target::there("direct", vec![direct], None),
            Target::there("Marque", ways.collect(), Some(self.server())),
        ])
    }

    fn plain_way(&self, run: &Run) -> Way {
        let proof = &run.proof;
        let request = format!(
            "GET http://{PLAIN_HOST}{PATH} HTTP/1.1\r\nHost: {PLAIN_HOST}\r\n\
             Proxy-Authorization: Basic {proof}\r\n\r\n"
        );
        Way { request: request.into_bytes(), ..get("Marque", self.door, PLAIN_HOST, "") }
    }

    /// The process that serves the gateway.
    pub(in crate::bench) fn server(&self) -> Watched {
        Watched(self.server.0.id())
    }

    /// Microseconds of one signature with P-256: what a leaf cannot do without.
    pub(super) fn micros_of_a_signature(&self) -> anyhow::Result<f64> {
        self.key.micros()
    }

    /// Where its proxy door is.
    pub(super) fn door(&self) -> SocketAddr {
        self.door
    }

    /// What a GET of the run at the upstream in the clear is answered.
    pub(in crate::bench) fn calls(&self, run: &Run) -> anyhow::Result<u16> {
        let way = self.plain_way(run);
        Ok(Line::open(&way)?.call(&way.request)?)
    }

    /// Kills it as a human does.
    pub(in crate::bench) fn kill(&self, run: &Run) -> anyhow::Result<()> {
        self.told(&["kill", &run.id]).map(drop)
    }

    /// What `marque` prints, which must work.
    pub(in crate::bench) fn told(&self, words: &[&str]) -> anyhow::Result<String> {
        self.places.told(DATA, words)
    }

    /// What the data directory holds.
    pub(in crate::bench) fn disk_bytes(&self) -> anyhow::Result<u64> {
        let mut bytes = 0;
        for entry in fs::read_dir(self.places.at(DATA))? {
            bytes += entry?.metadata()?.len();
        }
        Ok(bytes)
    }

    /// Another run, for as long as it is held.
    pub(in crate::bench) fn run(&self) -> anyhow::Result<Run> {
        Run::open(&self.places, DATA)
    }
}

/// Claims the plane; an agent may read and write at both upstreams.
fn cast(places: &Places, upstream: &Upstream) -> anyhow::Result<()> {
    places.told(DATA, &["claim", "--name", "alex"])?;
    places.told(DATA, &["agent", "add", "bench", "--purpose", "benchmarks"])?;
    let (plain, tls) = (upstream.plain.to_string(), upstream.tls.to_string());
    let plain = ["--plain-http", "--host", PLAIN_HOST, "--pin", &plain];
    let cold = (0..COLD_HOSTS).map(|number| format!("--host=c{number}.{DOMAIN}"));
    let cold: Vec<String> = cold.collect();
    let authority = places.at("papers/authority.pem").display().to_string();
    let mut words = vec!["--host", TLS_HOST, "--pin", &tls, "--authority", &authority];
    words.extend(cold.iter().map(String::as_str));
    for (name, words) in [("plain", plain.as_slice()), ("api", &words)] {
        let add = ["connection", "add", name, "--bearer", "--secret-file", "token"];
        places.told(DATA, &[add.as_slice(), words].concat())?;
    }
    let mut grant = vec!["grant", "add", "bench", "--until", "1d"];
    for line in ["plain:GET /v1/**", "plain:POST /v1/**", "api:GET /v1/**", "api:POST /v1/**"] {
        grant.extend(["--allow", line]);
    }
    places.told(DATA, &grant)?;
    Ok(())
}
