//! Git from inside a run: plain git, without a word about Marque.
//!
//! The journal of the git host is the judge of what arrived; the log, of what was decided.

mod approval;
mod bytes;
mod cut;
mod dumb;
mod elsewhere;
mod fetch;
mod identity;
mod large;
mod lfs;
mod push;
mod refused;

use std::fs;
use std::io::Write as _;
use std::ops::Deref;
use std::path::PathBuf;
use std::process::Stdio;

use super::support::{CREDENTIAL, GIT_TOKEN, GitHost, Marque, Run, Typed, Upstream};

const NOTHING: &str = "refused.mandate.nothing_allows";
const NEVER: &str = "refused.mandate.never";
const WEB: &str = "https://git.demo.test/acme/web";
const MAIN: &str = "refs/heads/main";
/// So that git asks nobody who commits.
const CONFIG: &str = "[user]\n\tname = bot\n\temail = bot@stories.test\n[gc]\n\tauto = 0\n";

/// A git host behind the connection `code`.
struct GitWorld {
    host: GitHost,
    marque: Marque,
}

impl GitWorld {
    fn new(repositories: &[&str]) -> Self {
        let marque = Marque::start();
        marque.write(".gitconfig", CONFIG);
        let host = GitHost::start(&marque, repositories, &[]);
        let token = marque.write("token", GIT_TOKEN);
        let (pin, authority) = (host.address.to_string(), host.authority.to_str().unwrap());
        let add = ["connection", "add", "code", "--git", "--host", "git.demo.test"];
        let how = ["--pin", &pin, "--authority", authority, "--basic", "x-access-token"];
        let secret = ["--secret-file", token.to_str().unwrap()];
        marque.cli(&[&add[..], &how, &secret].concat()).ok();
        Self { host, marque }
    }

    /// Registers a new agent with these lines, each with the list it stands in, and opens a run.
    fn agent(&self, name: &str, lines: &[(&str, &str)]) -> Run {
        self.cli(&["agent", "add", name, "--purpose", "stories"]).ok();
        let lists: Vec<String> = lines.iter().map(|(list, _)| format!("--{list}")).collect();
        let lines = lines.iter().zip(&lists).flat_map(|((_, line), list)| [list.as_str(), line]);
        let lines: Vec<&str> = lines.collect();
        self.cli(&[&["grant", "add", name, "--until", "1d"], &lines[..]].concat()).ok();
        Run::open(self, &["--agent", name])
    }

    /// Starts an upstream as `NAME.test`, behind a connection of that name.
    fn upstream(&self, name: &str, words: &[&str]) -> Upstream {
        let host = format!("{name}.test");
        let upstream = Upstream::private(&host);
        let pem = upstream.authority.as_deref().unwrap();
        let authority = self.write(&format!("{name}.pem"), pem);
        let secret = self.write("secret", CREDENTIAL);
        let (pin, authority) = (upstream.address.to_string(), authority.to_str().unwrap());
        let add = ["connection", "add", name, "--host", &host, "--pin", &pin];
        let how = ["--authority", authority, "--secret-file", secret.to_str().unwrap()];
        self.cli(&[&add[..], &how, words].concat()).ok();
        upstream
    }

    /// Where the git host keeps a repository.
    fn repository(&self, name: &str) -> PathBuf {
        self.path("git-host").join(format!("{name}.git"))
    }

    /// What git says at the git host.
    #[track_caller]
    fn at_host(&self, repository: &str, words: &[&str]) -> String {
        let folder = self.repository(repository);
        let told = self.tool("git", &[&["-C", folder.to_str().unwrap()], words].concat());
        told.ok().trim().to_owned()
    }

    /// Every ref of a repository at the git host, and what it names.
    fn refs(&self, repository: &str) -> String {
        self.at_host(repository, &["for-each-ref", "--format=%(refname) %(objectname)"])
    }

    fn main(&self, repository: &str) -> String {
        self.at_host(repository, &["rev-parse", MAIN])
    }

    /// Feeds `git fast-import` at the git host.
    fn imports(&self, repository: &str, stream: &[u8]) {
        let mut git = self.command("git");
        git.arg("-C").arg(self.repository(repository)).args(["fast-import", "--quiet"]);
        let mut git = git.stdin(Stdio::piped()).spawn().unwrap();
        git.stdin.take().unwrap().write_all(stream).unwrap();
        assert!(git.wait().unwrap().success());
    }

    /// Every decision on a run, as `effects: answer`.
    fn decided(&self, run: &Run) -> Vec<String> {
        let query = ["log", "query", "--event", "decided", "--limit", "1000", "--run", &run.id];
        let told = self.cli(&query);
        let one = |line: &str| {
            let (_, what) = line.split_once("@v1 ").unwrap();
            let (effects, answer) = what.split_once(" was ").unwrap();
            let answer = answer.split([' ', ',']).next().unwrap();
            format!("{effects}: {answer}")
        };
        told.ok().lines().map(one).collect()
    }

    /// How many requests to `git-receive-pack` reached the git host.
    fn pushes(&self) -> usize {
        let saw = self.host.saw();
        let is_push = |path: &str| path.ends_with("/git-receive-pack");
        saw.iter().filter(|line| is_push(line["path"].as_str().unwrap())).count()
    }

    /// Posts these bytes to `git-receive-pack` of `acme/web`; the status and what came back.
    fn posts(&self, run: &mut Run, words: &str, body: &[u8]) -> (u16, String) {
        fs::write(self.path("work/body"), body).unwrap();
        run.curl(&format!("--data-binary @body {RAW} {words} {WEB}/git-receive-pack"))
    }
}

/// What `git-receive-pack` wants of a client that is not git.
const RAW: &str = "--http1.1 -X POST -H 'Content-Type: application/x-git-receive-pack-request'";

impl Deref for GitWorld {
    type Target = Marque;

    fn deref(&self) -> &Marque {
        &self.marque
    }
}

/// Types a command that must work; what it printed.
#[track_caller]
fn ok(run: &mut Run, command: &str) -> String {
    let typed = run.types(command);
    assert_eq!(typed.code, 0, "`{command}`: {}", typed.out);
    typed.out
}

/// Commits a change in a clone; the new commit.
#[track_caller]
fn commit(run: &mut Run, clone: &str, text: &str) -> String {
    let change = format!("echo '{text}' >> README.md && git commit -qam '{text}'");
    ok(run, &format!("(cd {clone} && {change} && git rev-parse HEAD)"))
}

/// Asserts that git itself told of refs that were not updated, and why.
#[track_caller]
fn is_rejected(typed: &Typed, refs: usize, words: &str) {
    assert_ne!(typed.code, 0, "{}", typed.out);
    assert_eq!(typed.out.matches("[remote rejected]").count(), refs, "{}", typed.out);
    assert!(typed.out.contains(words), "`{words}` is missing: {}", typed.out);
}

/// One packet.
fn pkt(data: &str) -> String {
    format!("{:04x}{data}", data.len() + 4)
}

/// The first command of a push, with what its client can do.
fn first(command: &str) -> String {
    pkt(&format!("{command}\0report-status side-band-64k object-format=sha1"))
}

/// The id of no object.
fn zero() -> String {
    "0".repeat(40)
}
