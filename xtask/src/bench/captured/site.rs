//! Where it happens: a plane, an upstream over plain HTTP and one over TLS, and runs of them.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, ensure};

use crate::bench::clock::Clock;
use crate::bench::places::{Held, Places};
use crate::bench::process::Watched;
use crate::bench::replicas::upstream::Upstream;
use crate::bench::shell::Shell;

/// The data directory of the plane.
pub(super) const DATA: &str = "data";
/// What both upstreams demand.
const TOKEN: &str = "bench-token";
/// What is called, but for a number at its end.
pub(super) const PLAIN: &str = "http://plain.test/v1/items/";
pub(super) const TLS: &str = "https://api.demo.test/v1/items/";

/// All of it. Fields end in this order.
pub(super) struct Site {
    server: Held,
    _api: Held,
    _plain: Upstream,
    pub(super) places: Places,
}

impl Site {
    pub(super) fn lay(binary: &Path) -> anyhow::Result<Self> {
        let places = Places::make(binary, &[("token", TOKEN)])?;
        let plain = Upstream::listen(Clock::start())?;
        let (api, address) = api(&places)?;
        let server = places.serve(DATA)?;
        places.told(DATA, &["claim", "--name", "alex"])?;
        places.told(DATA, &["agent", "add", "bench", "--purpose", "benchmarks"])?;
        let plain_at = plain.address.to_string();
        let plain_words = ["--host", "plain.test", "--pin", &plain_at, "--plain-http"];
        let tls_words =
            ["--host", "api.demo.test", "--pin", &address, "--authority", "../authority.pem"];
        for (name, words) in [("plain", plain_words.as_slice()), ("api", &tls_words)] {
            let add = ["connection", "add", name, "--bearer", "--secret-file", "../token"];
            places.told(DATA, &[add.as_slice(), words].concat())?;
        }
        let lines = ["--allow", "plain:GET /v1/**", "--allow", "api:GET /v1/**"];
        let grant = ["grant", "add", "bench", "--until", "1d"];
        places.told(DATA, &[grant.as_slice(), &lines].concat())?;
        Ok(Self { server, _api: api, _plain: plain, places })
    }

    /// A shell in a run of that tier.
    pub(super) fn run(&self, tier: &str) -> anyhow::Result<Shell> {
        let words = ["run", "--tier", tier, "--agent", "bench", "--ttl", "4h", "--", "sh"];
        let mut run = self.places.marque(DATA, &words);
        let said = File::options().create(true).append(true).open(self.places.at("launchers"))?;
        run.stderr(said);
        Shell::open(run)
    }

    /// The process that serves the gateway.
    pub(super) fn server(&self) -> Watched {
        Watched(self.server.0.id())
    }
}

// Over TLS, as `api.demo.test`.
fn api(places: &Places) -> anyhow::Result<(Held, String)> {
    let words = ["demo", "api", "--authority", "../authority.pem", "--log", "../api.jsonl"];
    let mut command = places.marque(DATA, &words);
    let mut api = Held(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
    writeln!(api.0.stdin.as_mut().context("no pipe to the upstream")?, "{TOKEN}")?;
    let output = api.0.stdout.as_mut().context("no pipe from the upstream")?;
    let mut address = String::new();
    BufReader::new(output).read_line(&mut address)?;
    ensure!(!address.is_empty(), "the upstream ended at once");
    Ok((api, address.trim().to_owned()))
}
