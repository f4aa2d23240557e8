//! What tools find in place of a human's credentials: configuration without its secrets, and
//! placeholders for tools that do not start without a token.
//!
//! A placeholder is worth nothing: the gateway takes off whatever a request shows and sets the
//! credential of the connection, and it does that only for the run's own requests.

use std::fmt::Write as _;

use super::places::OWN;
use crate::launch::Laid;

/// Parts of settings of npm's and pip's that hold secrets or lead past the gateway.
const SECRETIVE: &[&str] =
    &["_auth", "_password", "token", "username", "email", "proxy", "cafile", "cert", "key"];

/// What tools of a run are given.
#[derive(Debug, Default)]
pub(crate) struct Stubs {
    /// Files below the run's own directory.
    pub(crate) files: Vec<Laid>,
    /// Variables that lead there, or hold a placeholder.
    pub(crate) variables: Vec<(&'static str, String)>,
}

/// The human's own configuration of tools, as it was found.
#[derive(Debug, Default)]
pub(crate) struct Theirs {
    /// `~/.npmrc`.
    pub(crate) npm: Option<String>,
    /// `pip.conf`.
    pub(crate) pip: Option<String>,
}

/// The stubs of a run that reaches these hosts. `id` tells one run's placeholders from another's.
pub(crate) fn stubs(id: &str, hosts: &[String], theirs: &Theirs) -> Stubs {
    let mut stubs = Stubs::default();
    let token = Token(id);
    let serves =
        |name: &str| hosts.iter().any(|host| host == name || host.ends_with(&format!(".{name}")));
    let mut npm = theirs.npm.as_deref().map(without_secrets).unwrap_or_default();
    let mut netrc = String::new();
    for host in hosts {
        let _ = writeln!(npm, "//{host}/:_authToken={}", token.shaped("npm_", 36));
        let _ = writeln!(netrc, "machine {host} login marque password {}", token.shaped("", 32));
    }
    stubs.lay("npmrc", "npm_config_userconfig", npm);
    stubs.lay("netrc", "NETRC", netrc);
    if let Some(pip) = theirs.pip.as_deref() {
        stubs.lay("pip.conf", "PIP_CONFIG_FILE", without_secrets(pip));
    }
    let mut holds = |name, value| stubs.variables.push((name, value));
    if serves("github.com") {
        holds("GH_TOKEN", token.shaped("ghp_", 36));
    }
    if serves("anthropic.com") {
        holds("ANTHROPIC_API_KEY", token.shaped("sk-ant-api03-", 95));
    }
    if serves("generativelanguage.googleapis.com") {
        holds("GEMINI_API_KEY", token.shaped("AIzaSy", 33));
    }
    if serves("openai.com") {
        holds("OPENAI_API_KEY", token.shaped("sk-proj-", 48));
    }
    if serves("amazonaws.com") {
        holds("AWS_ACCESS_KEY_ID", token.shaped("AKIA", 16));
        holds("AWS_SECRET_ACCESS_KEY", token.shaped("", 40));
        // Nobody answers there, and tools wait long to find that out.
        holds("AWS_EC2_METADATA_DISABLED", "true".to_owned());
    }
    stubs
}

impl Stubs {
    fn lay(&mut self, name: &'static str, variable: &'static str, text: String) {
        self.variables.push((variable, format!("{OWN}/{name}")));
        self.files.push(Laid { path: name.into(), text, mode: 0o644 });
    }
}

/// Makes placeholders out of a run's id.
struct Token<'a>(&'a str);

impl Token<'_> {
    /// One with that beginning and so many letters and digits after it.
    fn shaped(&self, begin: &str, length: usize) -> String {
        let id = self.0.trim_start_matches("run_");
        let body = "MARQUE".chars().chain(id.chars()).filter(char::is_ascii_alphanumeric);
        let body: Vec<char> = body.collect();
        begin.chars().chain(body.into_iter().cycle().take(length)).collect()
    }
}

/// The lines of such a file that hold no secret; what of a URL names a user is taken out.
fn without_secrets(text: &str) -> String {
    let is_plain = |line: &&str| {
        let setting = line.split_once('=').map_or(*line, |(name, _)| name).to_ascii_lowercase();
        !SECRETIVE.iter().any(|part| setting.contains(part))
    };
    let kept = text.lines().filter(is_plain).map(without_user);
    kept.fold(String::new(), |all, line| all + &line + "\n")
}

fn without_user(line: &str) -> String {
    let Some((before, after)) = line.split_once("://") else { return line.to_owned() };
    let end = after.find(['/', ' ', '\t', '"']).unwrap_or(after.len());
    let (authority, rest) = after.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{before}://{host}{}", without_user(rest))
}

#[cfg(test)]
mod tests {
    use super::{Theirs, stubs};

    const RUN: &str = "run_01M8P4WQ3JS96TWGG704Y0HJ5B";

    #[test]
    fn a_humans_configuration_comes_without_its_secrets() {
        let npm = "registry=https://me:hunter2@npm.corp.example/a\n\
                   //npm.corp.example/:_authToken=hunter2\n\
                   //npm.corp.example/:_password=hunter2\n\
                   @corp:registry=https://npm.corp.example/\nproxy=http://me:hunter2@p\n";
        let pip = "[global]\nindex-url = https://u:hunter2@pypi.corp.example/simple\ncert = /x\n\
                   extra-index-url = https://a/ https://u:hunter2@b/\n";
        let theirs = Theirs { npm: Some(npm.to_owned()), pip: Some(pip.to_owned()) };
        let stubs = stubs(RUN, &[], &theirs);
        let all: String = stubs.files.iter().map(|file| file.text.as_str()).collect();
        assert!(!all.contains("hunter2"), "{all}");
        for kept in [
            "registry=https://npm.corp.example/a",
            "@corp:registry=https://npm.corp.example/",
            "index-url = https://pypi.corp.example/simple",
            "extra-index-url = https://a/ https://b/",
        ] {
            assert!(all.contains(kept), "`{kept}` is missing: {all}");
        }
        assert!(!all.contains("proxy"), "{all}");
    }

    #[test]
    fn a_placeholder_has_the_shape_its_tool_wants_and_is_another_in_each_run() {
        let hosts = ["api.github.com", "registry.npm.example", "generativelanguage.googleapis.com"];
        let hosts = hosts.map(str::to_owned);
        let of = |run| {
            let stubs = stubs(run, &hosts, &Theirs::default());
            let value = |wanted| {
                let mut held = stubs.variables.iter();
                held.find(|(name, _)| *name == wanted).unwrap().1.clone()
            };
            let gemini = value("GEMINI_API_KEY");
            assert!(gemini.starts_with("AIzaSy") && gemini.len() == 39, "{gemini}");
            (value("GH_TOKEN"), stubs.files[0].text.clone())
        };
        let (token, npm) = of(RUN);
        assert!(token.starts_with("ghp_") && token.len() == 40, "{token}");
        assert!(npm.contains("//registry.npm.example/:_authToken=npm_MARQUE"), "{npm}");
        assert_ne!(token, of("run_01M8P4WQ3JS96TWGG704Y0HJ5C").0);
    }
}
