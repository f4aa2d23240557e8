//! Where it happens: a git host, a plane with a run, and a shell on either side of the gateway.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use super::places::{Held, Places};
use super::process::Watched;
use super::shell::Shell;

/// The name the git host is reached by.
const HOST: &str = "git.demo.test";
const REPOSITORY: &str = "acme/web";
/// What the git host demands, and the same as `x-access-token:…` in Base64.
const TOKEN: &str = "bench-token";
const BASIC: &str = "eC1hY2Nlc3MtdG9rZW46YmVuY2gtdG9rZW4=";
/// The data directory of the plane.
const DATA: &str = "data";

/// Everything a benchmark stands on. Fields end in this order.
pub(super) struct Ground {
    /// git straight to the host.
    pub(super) direct: Shell,
    /// git in a run.
    pub(super) inside: Shell,
    server: Held,
    _host: Held,
    port: String,
    places: Places,
}

impl Ground {
    /// Lays a fresh one for that binary.
    pub(super) fn lay(binary: &Path) -> anyhow::Result<Self> {
        let places = Places::make(binary, &[("desk/token", TOKEN)])?;
        fs::create_dir(places.at("repositories"))?;
        let (host, address) = git_host(&places)?;
        let port = address.rsplit_once(':').context("the git host says no port")?.1.to_owned();
        let server = places.serve(DATA)?;
        places.told(DATA, &["claim", "--name", "alex"])?;
        places.told(DATA, &["agent", "add", "bench", "--purpose", "benchmarks"])?;
        places.told(
            DATA,
            &[
                "connection",
                "add",
                "code",
                "--git",
                "--host",
                HOST,
                "--pin",
                &address,
                "--authority",
                "authority.pem",
                "--basic",
                "x-access-token",
                "--secret-file",
                "token",
            ],
        )?;
        places.told(
            DATA,
            &[
                "grant",
                "add",
                "bench",
                "--until",
                "1d",
                "--allow",
                "code:repo.read acme/web",
                "--allow",
                "code:git.push acme/web refs/heads/agent/**",
            ],
        )?;
        let words = ["run", "--agent", "bench", "--ttl", "12h", "--", "sh"];
        let mut inside = places.marque(DATA, &words);
        inside.stderr(File::create(places.at("launcher"))?);
        let inside = Shell::open(inside)?;
        let direct = Shell::open(direct(&places, &port))?;
        Ok(Self { direct, inside, server, _host: host, port, places })
    }

    /// The process that serves the gateway.
    pub(super) fn server(&self) -> Watched {
        Watched(self.server.0.id())
    }

    /// The port the git host listens on.
    pub(super) fn port(&self) -> &str {
        &self.port
    }

    /// Where the repository is for git that dials directly.
    pub(super) fn direct_url(&self) -> String {
        format!("https://{HOST}:{}/{REPOSITORY}", self.port)
    }

    /// Where it is for git in a run.
    pub(super) fn inside_url() -> String {
        format!("https://{HOST}/{REPOSITORY}")
    }

    /// A place in the directory.
    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.places.at(name)
    }

    /// The git host's own copy.
    pub(super) fn bare(&self) -> PathBuf {
        self.at("repositories").join(format!("{REPOSITORY}.git"))
    }

    /// git with nobody's settings, not started yet.
    pub(super) fn git(&self) -> Command {
        self.places.command("git")
    }
}

fn git_host(places: &Places) -> anyhow::Result<(Held, String)> {
    let mut command = places.marque(DATA, &["demo", "git", "--repository", REPOSITORY]);
    command.args(["--authority", "authority.pem", "--log", "git.jsonl", "--root"]);
    command.arg(places.at("repositories"));
    let host = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut host = Held(host);
    writeln!(host.0.stdin.as_mut().context("no pipe to the git host")?, "{TOKEN}")?;
    let output = host.0.stdout.as_mut().context("no pipe from the git host")?;
    let mut address = String::new();
    BufReader::new(output).read_line(&mut address)?;
    ensure!(!address.is_empty(), "the git host ended at once");
    Ok((host, address.trim().to_owned()))
}

// What a run gets from the gateway, this shell has in its environment: the way there, whom to
// believe, and the credential.
fn direct(places: &Places, port: &str) -> Command {
    let mut command = places.command("sh");
    let resolve = format!("{HOST}:{port}:127.0.0.1");
    let header = format!("Authorization: Basic {BASIC}");
    command.env("GIT_SSL_CAINFO", places.at("desk/authority.pem"));
    command.env("GIT_CONFIG_COUNT", "2");
    let settings = [("http.curloptResolve", resolve), ("http.extraHeader", header)];
    for (number, (key, value)) in settings.iter().enumerate() {
        command.env(format!("GIT_CONFIG_KEY_{number}"), key);
        command.env(format!("GIT_CONFIG_VALUE_{number}"), value);
    }
    command
}
