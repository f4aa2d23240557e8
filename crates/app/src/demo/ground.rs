//! The ground the demonstration stands on: a temporary directory, an environment of its own, and
//! the real binary, driven as a person would type.
//!
//! Nothing of the caller's environment goes in but `PATH`. Everything that any command printed is
//! kept, to be searched for what must not be there.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use marque_crypto::{Random, SystemRandom, random};
use tempfile::TempDir;
use tokio::process::Command;

use super::api::hex;
use crate::context::Context;

/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The plane gets a name that is easy to read.
const CONFIG: &str = "[server]\ntrust_domain = \"demo.test\"\n";
/// So that git asks nobody who commits.
const GIT_CONFIG: &str = "[user]\n\tname = triage\n\temail = triage@demo.test\n";
/// The human of the story.
pub(super) const HUMAN: &str = "alex";

/// Where everything happens.
pub(super) struct Ground {
    dir: TempDir,
    path: OsString,
    /// The API's bearer token.
    pub(super) token: String,
    /// The git host's.
    pub(super) git_token: String,
    /// Everything printed so far.
    pub(super) printed: Vec<Vec<u8>>,
}

/// What a command said.
pub(super) struct Said {
    /// The command, as typed.
    pub(super) command: String,
    /// Its exit code; none if a signal ended it.
    pub(super) code: Option<i32>,
    /// Standard output.
    pub(super) out: String,
    /// Standard error.
    pub(super) err: String,
}

impl Ground {
    /// A fresh one. Fails where a tool of the story is missing.
    pub(super) fn lay(context: &Context, prefix: &str, tools: &[&str]) -> anyhow::Result<Self> {
        let path = context.environment.os("PATH").context("`PATH` is not set")?;
        for tool in tools {
            let found = std::env::split_paths(path).any(|dir| dir.join(tool).is_file());
            if !found {
                bail!("this needs `{tool}`, and no directory of `PATH` has it: install it");
            }
        }
        let dir = tempfile::Builder::new().prefix(prefix).tempdir()?;
        let ground = Self {
            path: path.to_owned(),
            token: format!("demo-{}", secret(&SystemRandom)),
            git_token: format!("demo-git-{}", secret(&SystemRandom)),
            printed: Vec::new(),
            dir,
        };
        for folder in [
            "bin",
            "desk",
            "home",
            "data",
            "data/marque",
            "state",
            "config",
            "runtime",
            "tmp",
            "work",
            "repositories",
        ] {
            DirBuilder::new().mode(0o700).create(ground.root().join(folder))?;
        }
        symlink(std::env::current_exe()?, ground.root().join("bin/marque"))?;
        ground.private_file("passphrase", &secret(&SystemRandom))?;
        std::fs::write(ground.data().join("config.toml"), CONFIG)?;
        std::fs::write(ground.root().join("home/.gitconfig"), GIT_CONFIG)?;
        Ok(ground)
    }

    /// Its directory.
    pub(super) fn root(&self) -> &Path {
        self.dir.path()
    }

    /// A file where the human sits.
    pub(super) fn at_desk(&self, name: &str) -> PathBuf {
        self.root().join("desk").join(name)
    }

    /// Where the plane keeps everything.
    pub(super) fn data(&self) -> PathBuf {
        self.root().join("data/marque")
    }

    /// Writes a file only its owner can read, where the human sits.
    pub(super) fn private_file(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.at_desk(name))?;
        Ok(file.write_all(text.as_bytes())?)
    }

    /// The binary with these words, not started yet: in the human's folder, with pipes all round.
    pub(super) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.root().join("bin/marque"));
        let folder = |name: &str| self.root().join(name);
        let mut path = folder("bin").into_os_string();
        path.push(":");
        path.push(&self.path);
        command
            .args(words)
            .env_clear()
            .env("PATH", path)
            .env("HOME", folder("home"))
            .env("USER", HUMAN)
            .env("LANG", "C.UTF-8")
            .env("TMPDIR", folder("tmp"))
            .env("XDG_DATA_HOME", folder("data"))
            .env("XDG_STATE_HOME", folder("state"))
            .env("XDG_CONFIG_HOME", folder("config"))
            .env("XDG_RUNTIME_DIR", folder("runtime"))
            .env("MARQUE_PASSPHRASE_FILE", self.at_desk("passphrase"))
            .current_dir(folder("desk"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs `marque` with these words to its end, within bounds.
    pub(super) async fn marque(&mut self, words: &[&str]) -> anyhow::Result<Said> {
        let typed = typed(words);
        let output = tokio::time::timeout(PATIENCE, self.command(words).output()).await;
        let output = output.with_context(|| format!("`{typed}` took too long"))??;
        let said = Said {
            command: typed,
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        self.printed.extend([output.stdout, output.stderr]);
        Ok(said)
    }

    /// The same, for a command that must work.
    pub(super) async fn must(&mut self, words: &[&str]) -> anyhow::Result<Said> {
        let said = self.marque(words).await?;
        if said.code != Some(0) {
            bail!("`{}` failed: {}", said.command, one_line(&said.err));
        }
        Ok(said)
    }

    /// Removes everything; fails if something stays.
    pub(super) fn clear(self) -> anyhow::Result<PathBuf> {
        let path = self.root().to_owned();
        self.dir.close()?;
        Ok(path)
    }
}

impl Said {
    /// The first line of standard output that starts with that word, without it.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let mut lines = self.out.lines();
        lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(' ')?.trim()))
    }
}

/// What a person would type at a shell.
pub(super) fn typed(words: &[&str]) -> String {
    let plain = |word: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@+,".contains(&byte);
        !word.is_empty() && word.bytes().all(allowed)
    };
    words.iter().fold("marque".to_owned(), |mut typed, word| {
        typed.push(' ');
        if plain(word) {
            typed.push_str(word);
        } else {
            let _ = write!(typed, "'{}'", word.replace('\'', r"'\''"));
        }
        typed
    })
}

/// Lines joined to one, at most 300 characters of them.
pub(super) fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("; ").chars().take(300).collect()
}

fn secret(source: &dyn Random) -> String {
    hex(&random::bytes::<20>(source))
}
