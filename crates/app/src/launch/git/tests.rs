use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use marque_plane::view::{GitView, RunView};
use serde_json::json;
use tempfile::TempDir;

use super::{WantedGit, lay, setup};

const RUN: &str = "run_01ARYZ6S410000000000000000";

/// A repository, and a run whose signing program is OpenSSH with a key beside it.
struct Desk {
    dir: TempDir,
    variables: Vec<(String, OsString)>,
}

fn view(person: Option<&str>) -> RunView {
    serde_json::from_value(json!({
        "id": RUN, "spiffe_id": "", "agent": "triage", "version": 1, "task": "ticket:1",
        "opened_by": "alice", "on_behalf_of": person, "parent": null, "actors": [],
        "budget": { "limits": {}, "calls": 0, "bytes": 0 },
        "tier": "advisory", "allow": [], "ask": [], "never": [], "calls": 0, "refusals": 0,
        "state": "open", "opened_at": 0, "expires_at": 1,
    }))
    .unwrap()
}

fn program(path: &Path, text: &str) {
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
}

impl Desk {
    fn new(person: Option<&str>) -> Self {
        let dir = tempfile::Builder::new().prefix("it's a desk").tempdir().unwrap();
        let (key, repository) = (dir.path().join("key"), dir.path().join("web"));
        let mut made = Command::new("ssh-keygen");
        made.args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(&key);
        assert!(made.status().unwrap().success());
        let public = fs::read_to_string(key.with_extension("pub")).unwrap().trim().to_owned();
        // Stands for `marque git-sign -- …`: the key git names is replaced by the one there is.
        let marque = dir.path().join("marque");
        let sign = "shift 2\ncase $2 in\n  sign) for last; do :; done\n    \
            exec ssh-keygen -q -Y sign -n git -f \"${0%/*}/key\" \"$last\" ;;\n  \
            *) exec ssh-keygen \"$@\" ;;\nesac";
        program(&marque, sign);
        let who = |name: &str, mail: &str| json!({ "name": name, "mail": mail });
        let git: GitView = serde_json::from_value(json!({
            "author": who("triage", "triage@agents.test"), "key": public,
            "committer": who("triage", "triage@agents.test"), "hosts": [],
            "allowed_signers": format!("*@agents.test namespaces=\"git\" {public}\n"),
        }))
        .unwrap();
        let (run, of_run) = (view(person), dir.path().join("run"));
        let hosts = ["git.test".to_owned(), "git.test:8443".to_owned()];
        let (marque, inherited) = (&*marque, "[gc]\n\tauto = 0\n");
        let wanted =
            WantedGit { run: &run, git: &git, hosts: &hosts[..1], dir: &of_run, marque, inherited };
        let made = setup(&wanted);
        lay(&made, &of_run).unwrap();
        let desk = Self { dir, variables: made.variables };
        fs::create_dir(&repository).unwrap();
        desk.git(&["init", "-q", "-b", "main"]);
        desk
    }

    fn repository(&self) -> PathBuf {
        self.dir.path().join("web")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut git = Command::new("git");
        git.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", self.dir.path());
        git.env("GIT_EDITOR", "true");
        git.envs(self.variables.iter().map(|(name, value)| (name, value)));
        git.args(words).current_dir(self.repository());
        git
    }

    /// What git says, both ways.
    fn told(&self, words: &[&str]) -> (bool, String) {
        let output = self.command(words).output().unwrap();
        let both = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&both).trim().to_owned())
    }

    #[track_caller]
    fn git(&self, words: &[&str]) -> String {
        let (is_done, told) = self.told(words);
        assert!(is_done, "git {words:?}: {told}");
        told
    }

    #[track_caller]
    fn commits(&self, file: &str, message: &str) {
        fs::write(self.repository().join(file), message).unwrap();
        self.git(&["add", file]);
        self.git(&["commit", "-q", "-m", message]);
    }

    /// Whether the newest commit is signed by this run's key, and its trailers.
    #[track_caller]
    fn newest(&self) -> (String, String) {
        let told = self.git(&["log", "-1", "--format=%G? %an %ce|%(trailers:separator=%x2C)"]);
        let (signed, trailers) = told.split_once('|').unwrap();
        (signed.to_owned(), trailers.to_owned())
    }

    #[track_caller]
    fn is_ours(&self) {
        let trailer = format!("Agent-Run: {RUN}");
        assert_eq!(self.newest(), ("G triage triage@agents.test".to_owned(), trailer));
    }
}

#[test]
fn every_way_to_commit_leaves_a_commit_that_is_signed_and_names_the_run_once() {
    let desk = Desk::new(None);
    desk.commits("a", "first");
    desk.is_ours();
    desk.git(&["commit", "-q", "--amend", "--no-edit"]);
    desk.is_ours();
    desk.git(&["commit", "-q", "--amend", "-m", "again\n\nAgent-Run: run_x\nagent-run: run_y"]);
    desk.is_ours();
    desk.git(&["commit", "-q", "--allow-empty", "--no-verify", "-m", "unverified\n\n---\nmore"]);
    desk.is_ours();
    desk.git(&["checkout", "-q", "-b", "side", "HEAD~1"]);
    desk.commits("b", "aside");
    desk.git(&["merge", "-q", "--no-edit", "main"]);
    assert_eq!(desk.git(&["log", "-1", "--format=%P"]).split(' ').count(), 2);
    desk.is_ours();
    desk.git(&["checkout", "-q", "-b", "rebased", "HEAD~1"]);
    desk.git(&["rebase", "-q", "main"]);
    desk.is_ours();
    desk.git(&["cherry-pick", "--allow-empty", "--keep-redundant-commits", "side~1"]);
    desk.is_ours();
    desk.git(&["revert", "--no-edit", "rebased~1"]);
    desk.is_ours();
    fs::write(desk.repository().join("message"), "from a file").unwrap();
    desk.git(&["commit", "-q", "--allow-empty", "-F", "message"]);
    desk.is_ours();
}

#[test]
fn a_message_that_is_written_in_an_editor_gets_the_trailers_and_an_empty_one_gives_up() {
    let desk = Desk::new(Some("alice"));
    desk.commits("a", "first");
    let editor = desk.dir.path().join("edit");
    program(&editor, "echo written >\"$1\"");
    let mut commit = desk.command(&["commit", "-q", "-v", "--allow-empty"]);
    assert!(commit.env("GIT_EDITOR", quoted_name(&editor)).status().unwrap().success());
    let trailers = format!("Agent-Run: {RUN},On-behalf-of: alice");
    assert_eq!(desk.newest().1, trailers);
    assert_eq!(desk.git(&["log", "-1", "--format=%s"]), "written");
    fs::write(desk.repository().join("a"), "changed").unwrap();
    let (is_done, told) = desk.told(&["commit", "-a", "-v"]);
    assert!(!is_done && told.contains("empty commit message"), "{told}");
}

fn quoted_name(path: &Path) -> String {
    super::quoted(path)
}

#[test]
fn the_repository_s_own_hooks_run_first_and_can_refuse() {
    let desk = Desk::new(None);
    let hooks = desk.repository().join("their hooks");
    fs::create_dir(&hooks).unwrap();
    desk.git(&["config", "core.hooksPath", "their hooks"]);
    program(&hooks.join("pre-commit"), "echo \"$PWD\" >>seen; test ! -e no");
    program(&hooks.join("commit-msg"), "echo \"${1##*/}\" >>seen");
    program(&hooks.join("post-commit"), "echo post >>seen");
    desk.commits("a", "first");
    desk.is_ours();
    let seen = fs::read_to_string(desk.repository().join("seen")).unwrap();
    let expected = format!("{}\nCOMMIT_EDITMSG\npost\n", desk.repository().display());
    assert_eq!(seen, expected);
    fs::write(desk.repository().join("no"), "").unwrap();
    assert!(!desk.told(&["commit", "-q", "--allow-empty", "-m", "second"]).0);
}

#[test]
fn a_plain_tag_stays_plain_and_an_annotated_one_is_signed() {
    let desk = Desk::new(None);
    desk.commits("a", "first");
    desk.git(&["tag", "plain"]);
    assert_eq!(desk.git(&["cat-file", "-t", "plain"]), "commit");
    desk.git(&["tag", "-m", "version 1", "v1"]);
    let told = desk.git(&["tag", "-v", "v1"]);
    assert!(told.contains("Good \"git\" signature"), "{told}");
}

// threat 121
#[test]
fn what_a_repository_configures_to_be_run_is_not() {
    let desk = Desk::new(None);
    desk.commits("a", "first");
    let canary = desk.dir.path().join("canary");
    let program_of = |name: &str| {
        let path = desk.dir.path().join(name);
        program(
            &path,
            &format!(
                "echo {name} >>'{}'; exit 1",
                canary.display().to_string().replace('\'', r"'\''")
            ),
        );
        super::quoted(&path)
    };
    for key in ["core.fsmonitor", "core.sshCommand", "core.askPass", "gpg.ssh.program"] {
        desk.git(&["config", key, &program_of(key)]);
    }
    desk.git(&["config", "credential.helper", &format!("!{}", program_of("helper"))]);
    desk.git(&["status"]);
    desk.commits("b", "second");
    let (_, told) = desk.told(&["ls-remote", "ssh://other@git.test/web"]);
    assert!(told.contains("a run has no SSH"), "{told}");
    let mut fill = desk.command(&["credential", "fill"]);
    let asked = fill.stdin(std::process::Stdio::null()).output().unwrap();
    assert!(!asked.status.success());
    assert!(!canary.exists(), "{}", fs::read_to_string(&canary).unwrap_or_default());
    let outside = Desk { variables: Vec::new(), ..desk };
    outside.told(&["status"]);
    outside.told(&["ls-remote", "ssh://other@git.test/web"]);
    let ran = fs::read_to_string(&canary).unwrap();
    for program in ["core.fsmonitor", "core.sshCommand"] {
        assert!(ran.contains(program), "outside of a run {program} would have run: {ran}");
    }
}

#[test]
fn addresses_of_ssh_lead_to_https() {
    let desk = Desk::new(None);
    for (spelt, expected) in [
        ("git@git.test:acme/web.git", "https://git.test/acme/web.git"),
        ("ssh://git@git.test/acme/web", "https://git.test/acme/web"),
        ("ssh://git@git.test:22/acme/web", "https://git.test/acme/web"),
        ("ssh://git.test/acme/web", "https://git.test/acme/web"),
        ("ssh://git@other.test/acme/web", "https://other.test/acme/web"),
        ("https://git.test/acme/web", "https://git.test/acme/web"),
    ] {
        assert_eq!(desk.git(&["ls-remote", "--get-url", spelt]), expected, "{spelt}");
    }
}

#[test]
fn what_a_run_configures_for_itself_is_gone_with_it() {
    let desk = Desk::new(None);
    desk.git(&["config", "--global", "pull.rebase", "true"]);
    assert_eq!(desk.git(&["config", "gc.auto"]), "0", "what is inherited is there");
    assert_eq!(desk.git(&["config", "pull.rebase"]), "true");
    assert!(!desk.dir.path().join(".gitconfig").exists());
}
