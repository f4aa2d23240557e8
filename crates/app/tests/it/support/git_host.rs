//! The git host of the demonstration as a process: real repositories behind a token.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::plane::Marque;
use super::told::{Json, Told};

/// What it demands. It must turn up nowhere but there.
pub(crate) const GIT_TOKEN: &str = "canary-git-token-5d21c8";

/// A git host that knows nothing of Marque, and is called `git.demo.test`.
pub(crate) struct GitHost {
    pub(crate) address: SocketAddr,
    /// The certificate of its authority.
    pub(crate) authority: PathBuf,
    log: PathBuf,
    process: Child,
}

impl GitHost {
    /// Starts one in `marque`'s home with these repositories, and these further words.
    pub(crate) fn start(marque: &Marque, repositories: &[&str], words: &[&str]) -> Self {
        let [root, authority, log] =
            ["git-host", "git-authority.pem", "git.jsonl"].map(|name| marque.path(name));
        fs::create_dir(&root).unwrap();
        let mut command = marque.words(&["demo", "git"]);
        command.arg("--root").arg(&root).arg("--authority").arg(&authority);
        command.arg("--log").arg(&log).args(words);
        for name in repositories {
            command.args(["--repository", name]);
        }
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        writeln!(process.stdin.as_mut().unwrap(), "{GIT_TOKEN}").unwrap();
        let mut address = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut address).unwrap();
        let address = address.trim().parse().unwrap();
        Self { address, authority, log, process }
    }

    /// Every request so far.
    pub(crate) fn saw(&self) -> Vec<Json> {
        let log = fs::read_to_string(&self.log).unwrap();
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What pushes with the right token asked for, as `old new ref`.
    pub(crate) fn pushed(&self) -> Vec<String> {
        let text = |update: &Json, part: &str| update[part].as_str().unwrap().to_owned();
        let lines = self.saw().into_iter().filter(|line| line["is_right"] == true);
        lines
            .flat_map(|line| line["updates"].as_array().unwrap().clone())
            .map(|one| [text(&one, "old"), text(&one, "new"), text(&one, "ref")].join(" "))
            .collect()
    }

    /// What git says that dials it directly, with a token or without.
    pub(crate) fn git(&self, marque: &Marque, token: Option<&str>, words: &[&str]) -> Told {
        let (ip, port) = (self.address.ip(), self.address.port());
        let resolve = format!("http.curloptResolve=git.demo.test:{port}:{ip}");
        let header = token.map(|token| {
            let pair = STANDARD.encode(format!("x-access-token:{token}"));
            format!("http.extraHeader=Authorization: Basic {pair}")
        });
        let mut command = marque.command("git");
        command.env("GIT_SSL_CAINFO", &self.authority).env("GIT_TERMINAL_PROMPT", "0");
        command.env("GIT_CONFIG_NOSYSTEM", "1").args(["-c", &resolve]);
        for setting in header.iter().map(String::as_str).chain(["user.name=a", "user.email=a@a"]) {
            command.args(["-c", setting]);
        }
        let output = command.args(words).stdin(Stdio::null()).output().unwrap();
        Told::new(format!("git {}", words.join(" ")), &output)
    }

    /// How many processes it has started that still run.
    pub(crate) fn children(&self) -> usize {
        let id = self.process.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        children.split_whitespace().count()
    }

    /// `curl`, for a path of its, with the token.
    pub(crate) fn curl(&self, marque: &Marque, path: &str) -> Command {
        let resolve = format!("git.demo.test:{}:{}", self.address.port(), self.address.ip());
        let mut command = marque.command("curl");
        command.arg("-sSi").arg("--cacert").arg(&self.authority).args(["--resolve", &resolve]);
        command.args(["-u", &format!("x-access-token:{GIT_TOKEN}"), &self.url(path)]);
        command
    }

    /// Where a repository is, for git that dials directly.
    pub(crate) fn url(&self, repository: &str) -> String {
        format!("https://git.demo.test:{}/{repository}", self.address.port())
    }
}

impl Drop for GitHost {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
