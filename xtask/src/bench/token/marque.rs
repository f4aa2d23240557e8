//! Marque's own server: the release binary, set up through its command line as people do it.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::flow::CHAIN_MAX;
use super::prepare::{KEY_ID, Keys, RESOURCE, SCOPE};
use super::side::{Paths, Side};
use crate::bench::clock::eventually;
use crate::bench::cores::Cores;
use crate::bench::drive::Trust;
use crate::bench::http::{dial, free_port};
use crate::bench::places::Places;
use crate::bench::program::Running;

/// The data directory of the plane.
const DATA: &str = "data";
/// How long its token service may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);
const PATHS: Paths = Paths {
    token: "/oauth/token",
    introspection: "/oauth/introspect",
    revocation: "/oauth/revoke",
    keys: "/oauth/jwks",
};

/// Set up, and ready to be started.
pub(super) struct Marque<'a> {
    places: &'a Places,
    cores: Cores,
    address: SocketAddr,
    trust: Trust,
    about: String,
    /// The clients, in the order of the chain.
    clients: Vec<String>,
    /// Who looks tokens up, and its secret.
    secret: (String, String),
}

impl<'a> Marque<'a> {
    /// A plane with an agent for every place in a chain: each has a client that signs with the one
    /// key, and serves a resource, so that it may exchange what came for it.
    pub(super) fn set_up(places: &'a Places, keys: &Keys, cores: Cores) -> anyhow::Result<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        fs::DirBuilder::new().mode(0o700).create(places.at(DATA))?;
        fs::write(places.at(DATA).join("config.toml"), settings(places, address))?;
        let trust = Trust::in_pem(&fs::read_to_string(places.at("papers/authority.pem"))?)?;
        let mut jwk = keys.client.jwk.clone();
        let members = jwk.as_object_mut().context("a key")?;
        members.extend([("kid".to_owned(), json!(KEY_ID)), ("alg".to_owned(), json!("ES256"))]);
        fs::write(places.at("desk/client.jwk"), jwk.to_string())?;
        let server = places.serve(DATA)?;
        places.told(DATA, &["claim", "--name", "alex"])?;
        let agents: Vec<String> = (1..=CHAIN_MAX).map(|number| format!("h{number}")).collect();
        for agent in &agents {
            places.told(DATA, &["agent", "add", agent, "--purpose", "benchmarks"])?;
        }
        let secret = resources(places, &agents)?;
        let clients = agents.iter().map(|agent| client(places, agent));
        let clients = clients.collect::<anyhow::Result<_>>()?;
        drop(server);
        let about = places.told(DATA, &["--version"])?.trim().to_owned();
        Ok(Self { places, cores, address, trust, about, clients, secret })
    }

    /// Starts it on the server's core and waits until its token service listens.
    pub(super) fn start(&self) -> anyhow::Result<Side> {
        let held = self.cores.serving(|| self.places.serve(DATA))?;
        let listens = eventually(PATIENCE, || Ok(dial(self.address).ok()))?;
        listens.context("the token service does not listen")?;
        let first = self.clients.first().context("no client")?;
        let served = (2..).map(served);
        let hops = self.clients.iter().skip(1).cloned().zip(served).collect();
        Ok(Side {
            name: "Marque",
            about: self.about.clone(),
            running: Running { held, address: self.address },
            trust: self.trust.clone(),
            paths: PATHS,
            client: first.clone(),
            secret: self.secret.clone(),
            kept_resource: RESOURCE,
            hops,
        })
    }
}

// The resource that the agent at that place in a chain serves.
fn served(place: usize) -> String {
    format!("https://h{place}.bench.test/v1")
}

fn settings(places: &Places, address: SocketAddr) -> String {
    let [certificate, key] = ["upstream.pem", "upstream.key"]
        .map(|file| places.at("papers").join(file).display().to_string());
    format!(
        "[run]\nmax_chain_depth = {CHAIN_MAX}\n\n[oauth]\nlisten = \"{address}\"\n\
         certificate = \"{certificate}\"\nkey = \"{key}\"\n"
    )
}

// Tokens may be bound to nobody: half of what is measured is without proofs.
fn resources(places: &Places, agents: &[String]) -> anyhow::Result<(String, String)> {
    let add = ["--json", "connection", "add"];
    let kind = ["--service", "resource", "--token-bearer", "--audience"];
    for (place, agent) in (1..).zip(agents).skip(1) {
        let (name, audience) = (format!("for-{agent}"), served(place));
        let words = [&add[..], &[&name], &kind[..], &[&audience, "--served-by", agent]].concat();
        places.told(DATA, &words)?;
    }
    let words = [&add[..], &["items"], &kind[..], &[RESOURCE, "--introspect-secret"]].concat();
    let told: Value = serde_json::from_str(&places.told(DATA, &words)?)?;
    let text = |pointer: &str| {
        let found = told.pointer(pointer).and_then(Value::as_str);
        found.map(str::to_owned).with_context(|| format!("no `{pointer}` of the resource"))
    };
    Ok((text("/id")?, text("/tokens/secret")?))
}

/// Grants an agent tokens for every resource, and registers its client; the client's id.
fn client(places: &Places, agent: &str) -> anyhow::Result<String> {
    let names = (2..=CHAIN_MAX).map(|place| format!("for-h{place}")).chain(["items".to_owned()]);
    let lines = names.flat_map(|name| [format!("{name}:token"), format!("{name}:scope {SCOPE}")]);
    let lines: Vec<String> = lines.collect();
    let allow: Vec<&str> = lines.iter().flat_map(|line| ["--allow", line.as_str()]).collect();
    places.told(DATA, &[&["grant", "add", agent, "--until", "1d"], &allow[..]].concat())?;
    let add = ["--json", "client", "add", agent, "--agent", agent, "--key", "client.jwk"];
    let told: Value = serde_json::from_str(&places.told(DATA, &[&add[..], &allow[..]].concat())?)?;
    let id = told.get("id").and_then(Value::as_str);
    Ok(id.context("the client has no id")?.to_owned())
}
