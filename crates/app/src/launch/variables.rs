//! The environment of a run: little is passed on, and what leads through the gateway is set.
//!
//! An allow-list, because nobody can list every name a secret hides under. Tools read proxy and
//! trust settings from many names; each name here was seen to matter to some tool.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use marque_plane::view::OpenedRunView;

use crate::environment::Environment;
use crate::exit::{Exit, Failure};

/// Passed on as they are.
const PASSED: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "PWD",
    "TZ",
    "LANG",
    "LANGUAGE",
    "TERM",
    "COLORTERM",
    "TERM_PROGRAM",
    "TERMINFO",
    "LINES",
    "COLUMNS",
    "NO_COLOR",
    "CI",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "LESS",
    "MANPATH",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_DIRS",
    "XDG_DATA_DIRS",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "GOPATH",
    "GOROOT",
    "JAVA_HOME",
    "NVM_DIR",
    "PYENV_ROOT",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
];

/// Hold the proxy's address with the run's secret.
const PROXY: &[&str] = &[
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "GRPC_PROXY",
    "grpc_proxy",
    "npm_config_proxy",
    "npm_config_https_proxy",
    "YARN_HTTP_PROXY",
    "YARN_HTTPS_PROXY",
    "GLOBAL_AGENT_HTTP_PROXY",
    "GLOBAL_AGENT_HTTPS_PROXY",
    "DOCKER_HTTP_PROXY",
    "DOCKER_HTTPS_PROXY",
    "CARGO_HTTP_PROXY",
];

/// Hold the path of the bundle.
const BUNDLE: &[&str] = &[
    "SSL_CERT_FILE",
    "NIX_SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "AWS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "npm_config_cafile",
    "YARN_HTTPS_CA_FILE_PATH",
    "DENO_CERT",
    "CARGO_HTTP_CAINFO",
    "CODEX_CA_CERTIFICATE",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "BUNDLE_SSL_CA_CERT",
    "PERL_LWP_SSL_CA_FILE",
    "HEX_CACERTS_PATH",
    "CONAN_CACERT_PATH",
    "PGSSLROOTCERT",
];

/// Make tools use the proxy.
const TO_PROXY: &[(&str, &str)] = &[
    ("NO_PROXY", "localhost,127.0.0.1,::1"),
    ("no_proxy", "localhost,127.0.0.1,::1"),
    ("NODE_USE_ENV_PROXY", "1"),
    ("ELECTRON_GET_USE_PROXY", "1"),
    // Saves git the round trip in which the proxy asks for what the address already holds.
    ("GIT_HTTP_PROXY_AUTHMETHOD", "basic"),
];

/// Make tools use the bundle, and ask nobody for a password.
const FIXED: &[(&str, &str)] = &[
    ("NODE_USE_SYSTEM_CA", "1"),
    ("DENO_TLS_CA_STORE", "system"),
    ("UV_SYSTEM_CERTS", "true"),
    ("GIT_TERMINAL_PROMPT", "0"),
];

/// Parts of names that secrets go by.
const SECRETIVE: &[&str] = &[
    "TOKEN",
    "SECRET",
    "PASS",
    "PWD",
    "KEY",
    "CRED",
    "AUTH",
    "COOKIE",
    "SESSION",
    "PRIVATE",
    "DSN",
    "DATABASE_URL",
    "CONNECTION_STRING",
    "SOCK",
];

/// Passed on where the command sees the same files as its launcher.
const PASSED_OUTSIDE: &[&str] = &["TMPDIR"];

/// How a run reaches the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// By variables that hold the proxy's address with the run's secret.
    Proxy,
    /// By everything it dials; nothing in its environment proves anything.
    Doors,
}

/// What a run's environment is made of.
pub(crate) struct Wanted<'a> {
    /// The run.
    pub(crate) opened: &'a OpenedRunView,
    /// How it reaches the gateway.
    pub(crate) reach: Reach,
    /// The certificates its tools trust.
    pub(crate) bundle: &'a Path,
    /// The socket on which a run reaches itself.
    pub(crate) socket: &'a Path,
    /// The private key by which it asks the token service for its own tokens, if it has one.
    pub(crate) token_key: Option<&'a Path>,
    /// Further variables to pass on.
    pub(crate) also: &'a [String],
}

/// What of an environment a run may have.
pub(crate) fn passed(
    parent: &Environment,
    is_outside: bool,
    also: &[String],
) -> Result<BTreeMap<OsString, OsString>, Failure> {
    let is_passed = |name: &OsStr| {
        name.to_str().is_some_and(|name| {
            let is_listed = PASSED.contains(&name) || name.starts_with("LC_");
            is_listed || (is_outside && PASSED_OUTSIDE.contains(&name))
        })
    };
    let passed = parent.iter().filter(|(name, _)| is_passed(name));
    let mut variables: BTreeMap<OsString, OsString> =
        passed.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    for name in also {
        may_be_passed(name)?;
        if let Some(value) = parent.os(name) {
            variables.insert(name.into(), value.to_owned());
        }
    }
    Ok(variables)
}

/// The environment of a run's command.
pub(crate) fn of_run(
    parent: &Environment,
    wanted: &Wanted<'_>,
) -> Result<BTreeMap<OsString, OsString>, Failure> {
    let is_outside = wanted.reach == Reach::Proxy;
    let mut variables = passed(parent, is_outside, wanted.also)?;
    let run = wanted.opened.run.id;
    let (secret, proxy) = (&wanted.opened.secret, &wanted.opened.proxy);
    let mut set = |name: &str, value: &OsStr| {
        variables.insert(name.into(), value.to_owned());
    };
    let trusting = BUNDLE.iter().map(|name| (*name, wanted.bundle.as_os_str()));
    let fixed = FIXED.iter().map(|(name, value)| (*name, OsStr::new(*value)));
    for (name, value) in trusting.chain(fixed) {
        set(name, value);
    }
    if is_outside {
        let address = OsString::from(format!("http://{run}:{secret}@{proxy}"));
        let through = PROXY.iter().map(|name| (*name, address.as_os_str()));
        let to_proxy = TO_PROXY.iter().map(|(name, value)| (*name, OsStr::new(*value)));
        for (name, value) in through.chain(to_proxy) {
            set(name, value);
        }
        set("MARQUE_RUN_SECRET", secret.as_ref());
    }
    set("MARQUE_RUN", run.to_string().as_ref());
    set("MARQUE_SOCKET", wanted.socket.as_os_str());
    if let Some(issuer) = &wanted.opened.issuer {
        set("MARQUE_ISSUER", issuer.as_ref());
    }
    if let Some(key) = wanted.token_key {
        set("MARQUE_CLIENT_ID", run.to_string().as_ref());
        set("MARQUE_KEY_FILE", key.as_os_str());
    }
    Ok(variables)
}

/// Refuses a name that Marque sets itself, and one that a secret goes by.
fn may_be_passed(name: &str) -> Result<(), Failure> {
    let upper = name.to_ascii_uppercase();
    let is_ours = PROXY.contains(&name)
        || BUNDLE.contains(&name)
        || FIXED.iter().chain(TO_PROXY).any(|(fixed, _)| *fixed == name)
        || upper.starts_with("MARQUE_");
    if is_ours {
        let message = format!("`--env {name}` cannot be passed on: a run has its own");
        return Err(Failure::new(Exit::Usage, message));
    }
    let known = SECRETIVE.iter().find(|part| upper.contains(**part));
    known.map_or(Ok(()), |part| {
        let message =
            format!("`--env {name}` looks like a secret (`{part}`), and a run holds none");
        Err(Failure::new(Exit::Usage, message).hint(
            "register the upstream with `marque connection add`, and the gateway sets the \
             credential; if it is no secret, give it another name: `env OTHER=… marque run …`",
        ))
    })
}

#[cfg(test)]
#[path = "variables_tests.rs"]
mod tests;
