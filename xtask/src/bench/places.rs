//! A temporary directory with data directories of planes in it, and commands that see nothing else.
//!
//! Only the release binary and installed tools are used, with nothing of the caller's environment
//! but `PATH`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use super::clock::eventually;
use super::shell::end;

const PASSPHRASE: &str = "correct horse battery staple\n";
/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A process that ends with its owner.
pub(super) struct Held(pub(super) Child);

impl Drop for Held {
    fn drop(&mut self) {
        end(&mut self.0);
    }
}

/// The directory, and commands in it.
pub(super) struct Places {
    dir: TempDir,
    binary: PathBuf,
    path: OsString,
}

impl Places {
    /// A new one, with a passphrase in it and what else is a secret, by name.
    pub(super) fn make(binary: &Path, secrets: &[(&str, &str)]) -> anyhow::Result<Self> {
        let places = Self {
            dir: tempfile::Builder::new().prefix("marque-bench-").tempdir()?,
            binary: binary.to_owned(),
            path: path().context("`PATH` is not set")?,
        };
        for folder in ["home", "tmp", "desk"] {
            fs::create_dir(places.at(folder))?;
        }
        places.hide("passphrase", PASSPHRASE)?;
        secrets.iter().try_for_each(|(name, text)| places.hide(name, text))?;
        Ok(places)
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file that only its owner can read.
    pub(super) fn hide(&self, name: &str, text: &str) -> anyhow::Result<()> {
        fs::write(self.at(name), text)?;
        Ok(fs::set_permissions(self.at(name), fs::Permissions::from_mode(0o600))?)
    }

    pub(super) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
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

    /// `marque` with these words, for the plane in that data directory.
    pub(super) fn marque(&self, data: &str, words: &[&str]) -> Command {
        let mut command = self.command(&self.binary);
        command.args(words).env("MARQUE_DATA", self.at(data));
        command.env("MARQUE_PASSPHRASE_FILE", self.at("passphrase"));
        command
    }

    /// What `marque` prints, which must work.
    pub(super) fn told(&self, data: &str, words: &[&str]) -> anyhow::Result<String> {
        let output = self.marque(data, words).output()?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`marque {}` failed: {error}", words.join(" "));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Starts a server and waits until it listens. What it says is in `DATA.said`.
    pub(super) fn serve(&self, data: &str) -> anyhow::Result<Held> {
        let mut command = self.marque(data, &["up"]);
        let said = self.at(&format!("{data}.said"));
        let out = File::options().create(true).append(true).open(&said)?;
        command.env_remove("MARQUE_PASSPHRASE_FILE").stdout(out.try_clone()?).stderr(out);
        let socket = self.at(data).join("marque.sock");
        // One that was killed leaves it behind.
        let _ = fs::remove_file(&socket);
        let mut server = Held(command.spawn()?);
        let listens = eventually(PATIENCE, || {
            let is_over = server.0.try_wait()?.is_some();
            let why =
                || format!("the server ended: {}", fs::read_to_string(&said).unwrap_or_default());
            ensure!(!is_over, why());
            Ok(socket.exists().then_some(()))
        })?;
        listens.context("the server does not listen")?;
        Ok(server)
    }
}

#[expect(clippy::disallowed_methods, reason = "to find tools, as whoever measures finds them")]
fn path() -> Option<OsString> {
    std::env::var_os("PATH")
}
