//! The configuration: one typed file, everything in it optional, unknown keys refused.
//!
//! Holds no secret and no authority: those live in the plane, where they are recorded.

mod nearest;
mod oauth;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use marque_domain::chain::{DEFAULT_DEPTH, MAX_DEPTH};
use marque_domain::time::parse_span;
use marque_domain::{GitAuthor, Tier};
use serde::{Deserialize, Serialize};
use toml::de::{DeTable, DeValue};

use crate::exit::{Exit, Failure};

/// Longest name of a server among those of its plane.
pub(crate) const REPLICA_MAX: usize = 63;
/// The longest a server stays that is told to end.
const LINGER_MAX: Duration = Duration::from_secs(600);
/// Most bytes a configuration file may have.
const MAX_BYTES: u64 = 256 * 1024;

/// Everything that can be configured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// The server and its doors.
    pub(crate) server: Server,
    /// Runs, unless they say otherwise themselves.
    pub(crate) run: Runs,
    /// What runs commit as.
    pub(crate) git: Git,
    /// Approvals.
    pub(crate) approval: Approvals,
    /// Organisation policies.
    pub(crate) policy: Policies,
    /// The database, if the plane is in one.
    pub(crate) database: Databases,
    /// The token service, and the gateway's reverse door.
    pub(crate) oauth: OAuth,
}

/// The server and its doors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Server {
    /// The name of this plane in SPIFFE ids and checkpoints; drawn at the first start if absent,
    /// and never changed after it.
    pub(crate) trust_domain: Option<String>,
    /// Where the proxy door listens; loopback only. Port 0 takes a free one.
    pub(crate) proxy_listen: SocketAddr,
    /// Where runs are told that the proxy door is, if something stands before it, such as a
    /// balancer over several servers; loopback only. Where it listens, if absent.
    pub(crate) proxy_address: Option<SocketAddr>,
    /// Where metrics and health can be scraped without the socket. Off if absent.
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// How long a server in the background stays once nothing needs it.
    pub(crate) idle_exit: Span,
    /// How long a server that is told to end goes on serving while it says that it is not ready, so
    /// that a balancer takes it out; at most 10 minutes. It ends at once if absent.
    pub(crate) linger: Option<Span>,
}

/// Runs, unless they say otherwise themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Runs {
    /// How long a run lasts if it does not say.
    pub(crate) default_ttl: Span,
    /// How long a run may last.
    pub(crate) max_ttl: Span,
    /// How many actors a chain may have, at most 8.
    pub(crate) max_chain_depth: usize,
    /// The score below which every run is refused, 0 to 100.
    pub(crate) trust_floor: u8,
    /// How firmly every run must at least be held.
    pub(crate) tier_floor: Tier,
}

/// What runs commit as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Git {
    /// Whether runs have a git identity of their own, and signatures for it.
    pub(crate) identity: bool,
    /// Whom a commit of a run may name as its author: `agent`, `person` or `any`.
    pub(crate) author: GitAuthor,
}

/// Approvals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Approvals {
    /// How long an approval can be given and used.
    pub(crate) ttl: Span,
}

/// Organisation policies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Policies {
    /// Where the `*.cedar` files lie; `policies` in the data directory if absent.
    pub(crate) directory: Option<PathBuf>,
}

/// The database, if the plane is in one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Databases {
    /// A file of its owner alone (0600) with the URL of a PostgreSQL database, password included.
    pub(crate) url_file: Option<PathBuf>,
    /// What this server is called among those of the plane; this machine's name if absent.
    pub(crate) replica: Option<String>,
}

/// The token service, and the gateway's reverse door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OAuth {
    /// Where the token service listens. Off if absent.
    pub(crate) listen: Option<SocketAddr>,
    /// Who issues tokens: the base of the addresses of its endpoints. That of `listen` if absent.
    pub(crate) issuer: Option<String>,
    /// A PEM file with the certificate of both listeners, and those that vouch for it. One of an
    /// authority of the server's own if absent.
    pub(crate) certificate: Option<PathBuf>,
    /// A file of its owner alone (0600) with its key, in PEM.
    pub(crate) key: Option<PathBuf>,
    /// Whether the token service speaks no TLS, because a proxy before it does; loopback only.
    pub(crate) plain: bool,
    /// Where the gateway serves connections to whoever has a token. Off if absent.
    pub(crate) gateway_listen: Option<SocketAddr>,
    /// The base of their addresses. That of `gateway_listen` if absent.
    pub(crate) gateway_url: Option<String>,
    /// How long a token is good, at most 15 minutes.
    pub(crate) token_ttl: Span,
    /// How long a key signs tokens before the next one does, at least an hour.
    pub(crate) rotate_after: Span,
    /// How many runs one client may have open at once, of jobs or people.
    pub(crate) runs_per_client: usize,
}

/// A span of time, written like `90s`, `60m`, `12h` or `30d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Span(pub(crate) Duration);

impl Default for Server {
    fn default() -> Self {
        Self {
            trust_domain: None,
            proxy_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            proxy_address: None,
            metrics_listen: None,
            idle_exit: Span(Duration::from_secs(60)),
            linger: None,
        }
    }
}

impl Default for Runs {
    fn default() -> Self {
        Self {
            default_ttl: Span(Duration::from_secs(60 * 60)),
            max_ttl: Span(Duration::from_secs(24 * 60 * 60)),
            max_chain_depth: DEFAULT_DEPTH,
            trust_floor: 0,
            tier_floor: Tier::Advisory,
        }
    }
}

impl Default for Git {
    fn default() -> Self {
        Self { identity: true, author: GitAuthor::Agent }
    }
}

impl Default for Approvals {
    fn default() -> Self {
        Self { ttl: Span(Duration::from_secs(15 * 60)) }
    }
}

impl Default for OAuth {
    fn default() -> Self {
        Self {
            listen: None,
            issuer: None,
            certificate: None,
            key: None,
            plain: false,
            gateway_listen: None,
            gateway_url: None,
            token_ttl: Span(Duration::from_secs(5 * 60)),
            rotate_after: Span(Duration::from_secs(30 * 24 * 60 * 60)),
            runs_per_client: 10_000,
        }
    }
}

impl TryFrom<String> for Span {
    type Error = marque_domain::time::BadTime;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        parse_span(&text).map(Self)
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        marque_domain::time::print_span(span.0)
    }
}

impl std::str::FromStr for Span {
    type Err = marque_domain::time::BadTime;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_span(text).map(Self)
    }
}

impl Config {
    /// The configuration in `file`. A file nobody named may be absent: then all is default.
    pub(crate) fn load(file: &Path, was_named: bool) -> Result<Self, Failure> {
        let found = match std::fs::metadata(file) {
            Ok(found) => found,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !was_named => {
                return Ok(Self::default());
            }
            Err(error) => return Err(unreadable(file, &error.to_string())),
        };
        if found.len() > MAX_BYTES {
            return Err(unreadable(file, "it is longer than 256 KiB"));
        }
        let text =
            std::fs::read_to_string(file).map_err(|error| unreadable(file, &error.to_string()))?;
        Self::parse(&text).map_err(|wrong| wrong.in_file(file, &text))
    }

    fn parse(text: &str) -> Result<Self, Wrong> {
        let table = DeTable::parse(text).map_err(Wrong::from)?;
        known_keys(table.get_ref(), &Self::default().as_table())?;
        let config: Self = toml::from_str(text).map_err(Wrong::from)?;
        config.check()
    }

    fn check(self) -> Result<Self, Wrong> {
        let wrong = |message: &str, hint: &str| {
            Err(Wrong { at: None, message: message.to_owned(), hint: Some(hint.to_owned()) })
        };
        // threat 98: a run's secret is good for whoever can reach the door with it.
        let address = self.server.proxy_address;
        for (name, address) in
            [("proxy_listen", Some(self.server.proxy_listen)), ("proxy_address", address)]
        {
            if address.is_some_and(|address| !address.ip().is_loopback()) {
                return wrong(
                    &format!("`server.{name}` is not a loopback address"),
                    "write `127.0.0.1:PORT`; a run's secret must not cross a network in the clear",
                );
            }
        }
        if self.server.linger.is_some_and(|linger| linger.0 > LINGER_MAX) {
            return wrong(
                "`server.linger` is above 10 minutes",
                "as long as your balancer needs to notice, such as `5s`",
            );
        }
        if !(1..=MAX_DEPTH).contains(&self.run.max_chain_depth) {
            return wrong("`run.max_chain_depth` is not within 1 and 8", "the default is 4");
        }
        if self.run.trust_floor > 100 {
            return wrong("`run.trust_floor` is above 100", "a score is 0 to 100");
        }
        if self.run.default_ttl.0 > self.run.max_ttl.0 {
            return wrong(
                "`run.default_ttl` is above `run.max_ttl`",
                "raise one or lower the other",
            );
        }
        if self.server.trust_domain.as_deref().is_some_and(|name| !is_trust_domain(name)) {
            return wrong(
                "`server.trust_domain` is not a SPIFFE trust domain",
                "use `a`-`z`, `0`-`9`, `.`, `-` and `_`, such as `marque.example.com`",
            );
        }
        if self.database.url_file.as_deref().is_some_and(Path::is_relative) {
            return wrong(
                "`database.url_file` is not an absolute path",
                "a server may start in another directory: write the whole path",
            );
        }
        if self.database.replica.as_deref().is_some_and(|name| !is_replica(name)) {
            return wrong(
                "`database.replica` is not a name of a server",
                "use up to 63 letters, digits, `.` and `-`, such as `marque-1`",
            );
        }
        self.oauth.check()?;
        Ok(self)
    }

    /// Every key there is, present or not.
    fn as_table(&self) -> toml::Table {
        let every = Self {
            server: Server {
                trust_domain: Some("marque.example".to_owned()),
                proxy_address: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
                metrics_listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
                linger: Some(Span(LINGER_MAX)),
                ..self.server.clone()
            },
            policy: Policies { directory: Some(PathBuf::new()) },
            database: Databases {
                url_file: Some(PathBuf::from("/")),
                replica: Some("marque-1".to_owned()),
            },
            oauth: self.oauth.with_every_key(),
            ..self.clone()
        };
        toml::Table::try_from(every).unwrap_or_default()
    }
}

/// SPIFFE ID §2.1: lower-case letters, digits, dots, dashes and underscores.
fn is_trust_domain(text: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    (1..=255).contains(&text.len()) && text.bytes().all(allowed)
}

fn is_replica(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    (1..=REPLICA_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

/// What is wrong, and from which byte on.
struct Wrong {
    at: Option<usize>,
    message: String,
    hint: Option<String>,
}

impl From<toml::de::Error> for Wrong {
    fn from(error: toml::de::Error) -> Self {
        let at = error.span().map(|span| span.start);
        Self { at, message: error.message().replace('\n', ", "), hint: None }
    }
}

impl Wrong {
    fn in_file(self, file: &Path, text: &str) -> Failure {
        let place = self.at.map(|at| {
            let before = text.get(..at).unwrap_or(text);
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|letter| *letter != '\n').count() + 1;
            format!(":{line}:{column}")
        });
        let place = place.unwrap_or_default();
        let failure =
            Failure::new(Exit::Failed, format!("{}{place}: {}", file.display(), self.message));
        Failure { hint: self.hint, ..failure }
    }
}

/// Refuses the first key that `known` does not have, and says which one it may have meant.
fn known_keys(found: &DeTable<'_>, known: &toml::Table) -> Result<(), Wrong> {
    for (key, value) in found {
        let name = key.get_ref().as_ref();
        match (known.get(name), value.get_ref()) {
            (Some(toml::Value::Table(inner)), DeValue::Table(table)) => known_keys(table, inner)?,
            (Some(_), _) => {}
            (None, _) => {
                let names: Vec<&str> = known.keys().map(String::as_str).collect();
                let hint = match nearest::nearest(name, names.iter().copied()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("known here: {}", names.join(", ")),
                };
                let message = format!("unknown key `{}`", clip(name));
                return Err(Wrong { at: Some(key.span().start), message, hint: Some(hint) });
            }
        }
    }
    Ok(())
}

fn clip(text: &str) -> String {
    text.chars().take(80).collect()
}

fn unreadable(file: &Path, why: &str) -> Failure {
    Failure::new(Exit::Failed, format!("cannot read `{}`: {why}", file.display()))
}

#[cfg(test)]
mod tests;
