//! The git identity of a run: what lies in a directory of the run, and the variables that lead git
//! there.
//!
//! [`setup`] is pure; [`lay`] writes what it says. Nothing here holds a key: the signing program is
//! a stub that asks the run's server. What a repository says outside of a run is left alone.

mod hooks;
mod inherited;

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use marque_plane::view::{GitView, RunView};

pub(crate) use inherited::inherited;

use super::Laid;
use crate::exit::{Exit, Failure};

/// What a run's git is made of.
pub(crate) struct WantedGit<'a> {
    /// The run.
    pub(crate) run: &'a RunView,
    /// What it commits as.
    pub(crate) git: &'a GitView,
    /// The hosts whose SSH addresses are served over HTTPS, with a port where it is not 443.
    pub(crate) hosts: &'a [String],
    /// The directory, as the run sees it: of this run alone. The file `config` in it is the run's
    /// to write, all else may be read-only.
    pub(crate) dir: &'a Path,
    /// This program, as the run sees it.
    pub(crate) marque: &'a Path,
    /// What comes along of the human's own settings: what [`inherited`] gave.
    pub(crate) inherited: &'a str,
}

/// What must lie there, and which variables lead to it.
pub(crate) struct GitSetup {
    /// Below the directory.
    pub(crate) files: Vec<Laid>,
    /// To be set for the run's command, whatever else sets them.
    pub(crate) variables: Vec<(String, OsString)>,
}

const NO_SSH: &str = "a run has no SSH: use the `https://` address of the repository";
const NO_ASKING: &str = "a run has no password to give: the gateway sets the credential of a \
                         connection, and there is none for this address";

/// The git identity of a run.
pub(crate) fn setup(wanted: &WantedGit<'_>) -> GitSetup {
    let script = |text: &str| format!("#!/bin/sh\n{text}\n");
    let file = |path: &str, mode: u32, text: String| Laid { path: path.into(), mode, text };
    let sign = format!("exec {} git-sign -- \"$@\"", quoted(wanted.marque));
    let refuse = |what: &str| script(&format!("echo 'marque: {what}' >&2\nexit 1"));
    let mut files = vec![
        file("config", 0o600, wanted.inherited.to_owned()),
        file("allowed_signers", 0o600, wanted.git.allowed_signers.clone()),
        file("sign", 0o700, script(&sign)),
        file("no-ssh", 0o700, refuse(NO_SSH)),
        file("no-asking", 0o700, refuse(NO_ASKING)),
        file("hook", 0o600, hooks::common(wanted)),
    ];
    let below = hooks::NAMES.iter();
    files.extend(below.map(|name| {
        let text = script(&format!("hook={name}\n. {}", quoted(&wanted.dir.join("hook"))));
        file(&format!("hooks/{name}"), 0o700, text)
    }));
    GitSetup { files, variables: variables(wanted) }
}

/// Writes the files below `dir`, which must not be there yet.
pub(crate) fn lay(setup: &GitSetup, dir: &Path) -> Result<(), Failure> {
    let written = (|| -> io::Result<()> {
        fs::DirBuilder::new().mode(0o700).create(dir)?;
        fs::DirBuilder::new().mode(0o700).create(dir.join("hooks"))?;
        for laid in &setup.files {
            let mut options = OpenOptions::new();
            let options = options.write(true).create_new(true).mode(laid.mode);
            options.open(dir.join(&laid.path))?.write_all(laid.text.as_bytes())?;
        }
        Ok(())
    })();
    written.map_err(|error| {
        let message =
            format!("cannot write the run's git identity in `{}`: {error}", dir.display());
        Failure::new(Exit::Failed, message)
    })
}

fn variables(wanted: &WantedGit<'_>) -> Vec<(String, OsString)> {
    let (author, committer) = (&wanted.git.author, &wanted.git.committer);
    let own = |name: &str| wanted.dir.join(name).into_os_string();
    let named = [
        ("GIT_AUTHOR_NAME", OsString::from(&author.name)),
        ("GIT_AUTHOR_EMAIL", OsString::from(&author.mail)),
        ("GIT_COMMITTER_NAME", OsString::from(&committer.name)),
        ("GIT_COMMITTER_EMAIL", OsString::from(&committer.mail)),
        ("GIT_CONFIG_GLOBAL", own("config")),
        // Before all that a configuration names.
        ("GIT_SSH_COMMAND", quoted(&wanted.dir.join("no-ssh")).into()),
        ("GIT_ASKPASS", own("no-asking")),
        ("GIT_TERMINAL_PROMPT", "0".into()),
    ];
    let mut variables: Vec<_> =
        named.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let settings = settings(wanted);
    variables.push(("GIT_CONFIG_COUNT".to_owned(), settings.len().to_string().into()));
    for (place, (key, value)) in settings.into_iter().enumerate() {
        variables.push((format!("GIT_CONFIG_KEY_{place}"), key.into()));
        variables.push((format!("GIT_CONFIG_VALUE_{place}"), value));
    }
    variables
}

// What these say comes before what any file says, a repository's own included (threat 121).
fn settings(wanted: &WantedGit<'_>) -> Vec<(String, OsString)> {
    let own = |name: &str| wanted.dir.join(name).into_os_string();
    let committer = &wanted.git.committer;
    let fixed = [
        ("user.name", OsString::from(&committer.name)),
        ("user.email", OsString::from(&committer.mail)),
        ("user.signingKey", format!("key::{}", wanted.git.key).into()),
        ("commit.gpgSign", "true".into()),
        // Not `tag.gpgSign`, which makes an annotated tag of every plain one and asks for its text.
        ("tag.gpgSign", "false".into()),
        ("tag.forceSignAnnotated", "true".into()),
        ("push.gpgSign", "false".into()),
        ("gpg.format", "ssh".into()),
        ("gpg.ssh.program", own("sign")),
        ("gpg.ssh.allowedSignersFile", own("allowed_signers")),
        ("core.hooksPath", own("hooks")),
        ("core.fsmonitor", "false".into()),
        ("core.sshCommand", quoted(&wanted.dir.join("no-ssh")).into()),
        ("ssh.variant", "ssh".into()),
        ("core.askPass", own("no-asking")),
        // An empty one forgets all that were named before.
        ("credential.helper", OsString::new()),
    ];
    let fixed = fixed.into_iter().map(|(key, value)| (key.to_owned(), value));
    let hosts = wanted.hosts.iter().flat_map(|host| {
        let key = format!("url.https://{host}/.insteadOf");
        // SSH has a port of its own.
        let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        let port = host.rsplit_once(':').filter(|(_, port)| is_port(port));
        let host = port.map_or(host.as_str(), |(host, _)| host);
        let spelt = [
            format!("git@{host}:"),
            format!("ssh://git@{host}/"),
            format!("ssh://git@{host}:22/"),
            format!("ssh://{host}/"),
        ];
        spelt.map(|spelt| (key.clone(), OsString::from(spelt)))
    });
    // The longest match wins, so this one is for the hosts that are not named.
    let any = ("url.https://.insteadOf".to_owned(), "ssh://git@".into());
    fixed.chain(hosts).chain([any]).collect()
}

/// One word for a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests;
