//! The npm package `oidc-provider`, pinned in `oidc-provider/` and served by the script beside it.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::prepare::{KEY_ID, Keys, SCOPE};
use super::side::{Paths, Side};
use crate::bench::clock::eventually;
use crate::bench::cores::Cores;
use crate::bench::drive::Trust;
use crate::bench::http::free_port;
use crate::bench::places::Places;
use crate::bench::program;

/// Where the script and the pins are.
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bench/token/oidc-provider");
const FILES: [&str; 4] = ["package.json", "package-lock.json", "server.mjs", "memory.mjs"];
/// How long it may take to say its version.
const PATIENCE: Duration = Duration::from_secs(5);
/// The folder of its settings, and of what it says.
const FOLDER: &str = "oidc-provider";
/// What it keeps tokens for instead of signing them: it looks up and revokes no other.
const KEPT: &str = "https://kept.bench.test/v1";
const PATHS: Paths = Paths {
    token: "/oauth/token",
    introspection: "/oauth/introspect",
    revocation: "/oauth/revoke",
    keys: "/oauth/jwks",
};
/// The client that signs, and the one that has a secret.
const SIGNER: &str = "signer";
const HOLDER: &str = "holder";
/// Of the client that has no key: 256 bits, as a machine's secret is.
const SECRET: &str = "Zk3q8vTn1xHsW5bYc7LdRf0aJg2mUe9oPi6KtQzXyBs";

/// Installed, and ready to be started.
pub(super) struct OidcProvider<'a> {
    places: &'a Places,
    cores: Cores,
    installed: PathBuf,
    trust: Trust,
    /// The public key of the client that signs.
    jwk: Value,
}

impl<'a> OidcProvider<'a> {
    /// Installs what is not there yet, which takes npm and its registry.
    pub(super) fn install(places: &'a Places, keys: &Keys, cores: Cores) -> anyhow::Result<Self> {
        fs::create_dir(places.at(FOLDER))?;
        let trust = Trust::in_pem(&fs::read_to_string(places.at("papers/authority.pem"))?)?;
        let jwk = keys.client.jwk.clone();
        Ok(Self { places, cores, installed: installed()?, trust, jwk })
    }

    /// Starts it on the server's core and waits until it listens.
    pub(super) fn start(&self) -> anyhow::Result<Side> {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let file = self.places.at(FOLDER).join("settings.json");
        fs::write(&file, self.settings(address).to_string())?;
        let mut command = self.places.command("node");
        command.arg(self.installed.join("server.mjs")).arg(file);
        let start = || program::start(self.places, command, (FOLDER, address));
        let running = self.cores.serving(start)?;
        Ok(Side {
            name: "oidc-provider",
            about: self.about()?,
            running,
            trust: self.trust.clone(),
            paths: PATHS,
            client: SIGNER.to_owned(),
            secret: (HOLDER.to_owned(), SECRET.to_owned()),
            kept_resource: KEPT,
            hops: Vec::new(),
        })
    }

    fn settings(&self, address: SocketAddr) -> Value {
        json!({
            "port": address.port(),
            "issuer": format!("https://{address}"),
            "certificate_file": self.places.at("papers/upstream.pem"),
            "key_file": self.places.at("papers/upstream.key"),
            "scope": SCOPE,
            "kept_resource": KEPT,
            "signer": { "id": SIGNER, "kid": KEY_ID, "jwk": self.jwk },
            "holder": { "id": HOLDER, "secret": SECRET },
            "routes": {
                "token": PATHS.token, "introspection": PATHS.introspection,
                "revocation": PATHS.revocation, "jwks": PATHS.keys,
            },
        })
    }

    /// Its version and that of Node, as it says itself a moment after it listens.
    fn about(&self) -> anyhow::Result<String> {
        let file = self.places.at(FOLDER).join("said");
        let told = eventually(PATIENCE, || {
            let said = fs::read_to_string(&file)?;
            let mut lines = said.lines().rev();
            Ok(lines.find_map(|line| serde_json::from_str::<Value>(line).ok()))
        })?;
        let told = told.context("it says no version")?;
        let word = |name| told.get(name).and_then(Value::as_str).unwrap_or("?");
        let [version, node] = ["version", "node"].map(word);
        Ok(format!("oidc-provider {version}, Node {node}"))
    }
}

/// The folder it is installed in, below that of this program. Node looks for packages from where
/// the script lies, so that lies there too.
fn installed() -> anyhow::Result<PathBuf> {
    let itself = std::env::current_exe().context("the path of this program")?;
    let below = itself.parent().and_then(Path::parent).context("a folder for peers")?;
    let folder = below.join("bench-peers").join(FOLDER);
    let pins = fs::read_to_string(Path::new(SOURCE).join("package-lock.json"))?;
    let mark = folder.join("installed");
    let is_there = fs::read_to_string(&mark).is_ok_and(|installed| installed == pins);
    fs::create_dir_all(&folder)?;
    for file in FILES {
        fs::copy(Path::new(SOURCE).join(file), folder.join(file))?;
    }
    if !is_there {
        npm(&folder)?;
        fs::write(mark, pins)?;
    }
    Ok(folder)
}

fn npm(folder: &Path) -> anyhow::Result<()> {
    let said = folder.join("said");
    let out = File::create(&said)?;
    let mut npm = Command::new("timeout");
    npm.args(["180", "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    npm.current_dir(folder).stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
    let status = npm.status().context("`timeout` and `npm` are needed")?;
    ensure!(status.success(), "`npm ci` failed: {}", fs::read_to_string(&said)?);
    Ok(())
}
