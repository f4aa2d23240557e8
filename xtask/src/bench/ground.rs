//! Where it happens: a temporary directory, a git host, a plane with a run, and a shell on either
//! side of the gateway.
//!
//! Only the release binary and git are used, with nothing of the caller's environment but `PATH`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use super::clock::eventually;
use super::process::Watched;
use super::shell::{Shell, end};

/// The name the git host is reached by.
const HOST: &str = "git.demo.test";
const REPOSITORY: &str = "acme/web";
/// What the git host demands, and the same as `x-access-token:…` in Base64.
const TOKEN: &str = "bench-token";
const BASIC: &str = "eC1hY2Nlc3MtdG9rZW46YmVuY2gtdG9rZW4=";
const PASSPHRASE: &str = "correct horse battery staple\n";
/// How long the server may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A process that ends with its owner.
struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        end(&mut self.0);
    }
}

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

/// The directory, and commands in it.
struct Places {
    dir: TempDir,
    binary: PathBuf,
    path: OsString,
}

impl Ground {
    /// Lays a fresh one for that binary.
    pub(super) fn lay(binary: &Path) -> anyhow::Result<Self> {
        let places = Places::make(binary)?;
        let (host, address) = places.git_host()?;
        let port = address.rsplit_once(':').context("the git host says no port")?.1.to_owned();
        let server = places.server()?;
        places.told(&["claim", "--name", "alex"])?;
        places.told(&["agent", "add", "bench", "--purpose", "benchmarks"])?;
        places.told(&[
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
        ])?;
        places.told(&[
            "grant",
            "add",
            "bench",
            "--until",
            "1d",
            "--allow",
            "code:repo.read acme/web",
            "--allow",
            "code:git.push acme/web refs/heads/agent/**",
        ])?;
        let words = ["run", "--agent", "bench", "--ttl", "12h", "--", "sh"];
        let mut inside = places.marque(&words);
        inside.stderr(File::create(places.at("launcher"))?);
        let inside = Shell::open(inside)?;
        let direct = Shell::open(places.direct(&port))?;
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

impl Places {
    fn make(binary: &Path) -> anyhow::Result<Self> {
        let places = Self {
            dir: tempfile::Builder::new().prefix("marque-bench-").tempdir()?,
            binary: binary.canonicalize().context("the binary to measure")?,
            path: path().context("`PATH` is not set")?,
        };
        for folder in ["home", "tmp", "desk", "repositories"] {
            fs::create_dir(places.at(folder))?;
        }
        for (name, text) in [("passphrase", PASSPHRASE), ("desk/token", TOKEN)] {
            fs::write(places.at(name), text)?;
            fs::set_permissions(places.at(name), fs::Permissions::from_mode(0o600))?;
        }
        Ok(places)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", &self.path)
            .env("HOME", self.at("home"))
            .env("USER", "alex")
            .env("LANG", "C.UTF-8")
            .env("TMPDIR", self.at("tmp"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .current_dir(self.at("desk"))
            .stdin(Stdio::null());
        command
    }

    fn marque(&self, words: &[&str]) -> Command {
        let mut command = self.command(&self.binary);
        command.args(words).env("MARQUE_DATA", self.at("data"));
        command.env("MARQUE_PASSPHRASE_FILE", self.at("passphrase"));
        command
    }

    fn told(&self, words: &[&str]) -> anyhow::Result<()> {
        let output = self.marque(words).output()?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`marque {}` failed: {error}", words.join(" "));
        Ok(())
    }

    fn git_host(&self) -> anyhow::Result<(Held, String)> {
        let mut command = self.marque(&["demo", "git", "--repository", REPOSITORY]);
        command.args(["--authority", "authority.pem", "--log", "git.jsonl", "--root"]);
        command.arg(self.at("repositories"));
        let host = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut host = Held(host);
        writeln!(host.0.stdin.as_mut().context("no pipe to the git host")?, "{TOKEN}")?;
        let output = host.0.stdout.as_mut().context("no pipe from the git host")?;
        let mut address = String::new();
        BufReader::new(output).read_line(&mut address)?;
        ensure!(!address.is_empty(), "the git host ended at once");
        Ok((host, address.trim().to_owned()))
    }

    fn server(&self) -> anyhow::Result<Held> {
        let mut command = self.marque(&["up"]);
        let trace = File::create(self.at("trace"))?;
        command.env_remove("MARQUE_PASSPHRASE_FILE").stdout(trace.try_clone()?).stderr(trace);
        let mut server = Held(command.spawn()?);
        let socket = self.at("data/marque.sock");
        let listens = eventually(PATIENCE, || {
            ensure!(server.0.try_wait()?.is_none(), "the server ended at once");
            Ok(socket.exists().then_some(()))
        })?;
        listens.context("the server does not listen")?;
        Ok(server)
    }

    // What a run gets from the gateway, this shell has in its environment: the way there, whom to
    // believe, and the credential.
    fn direct(&self, port: &str) -> Command {
        let mut command = self.command("sh");
        let resolve = format!("{HOST}:{port}:127.0.0.1");
        let header = format!("Authorization: Basic {BASIC}");
        command.env("GIT_SSL_CAINFO", self.at("desk/authority.pem"));
        command.env("GIT_CONFIG_COUNT", "2");
        let settings = [("http.curloptResolve", resolve), ("http.extraHeader", header)];
        for (number, (key, value)) in settings.iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{number}"), key);
            command.env(format!("GIT_CONFIG_VALUE_{number}"), value);
        }
        command
    }
}

#[expect(clippy::disallowed_methods, reason = "to find git, as whoever measures finds it")]
fn path() -> Option<OsString> {
    std::env::var_os("PATH")
}
