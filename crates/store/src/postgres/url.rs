//! The URL of a database, as an operator writes it: `postgres://user@host/name?sslmode=…`.
//!
//! Holds a password, so it shows itself only as [`DatabaseUrl::place`]. Whatever is wrong with a
//! URL is said without quoting it.

use std::path::{Path, PathBuf};

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::passfile;
use crate::error::StoreError;

/// The options of a URL that are handed on as they are.
const HANDED_ON: &[&str] = &[
    "host",
    "port",
    "user",
    "password",
    "dbname",
    "options",
    "application_name",
    "channel_binding",
];

/// Where a database is, and how we prove ourselves to it and it to us.
///
/// Over TCP to another machine the server must prove its name (`sslmode=verify-full`, the default
/// there) unless the URL says `sslmode=disable`. `sslrootcert=` names the authority's file; without
/// it the system's authorities count. To this machine, over TCP or a Unix socket
/// (`postgres://user@%2Frun%2Fpostgresql/name`), nothing is encrypted unless the URL says so. The
/// password comes from the URL or from the file that `passfile=` names. Of several hosts the first
/// that is a primary is taken. `options=-csearch_path%3Dname` puts everything into a schema.
#[derive(Clone)]
pub struct DatabaseUrl {
    pub(super) config: Config,
    /// Where to try, in this order.
    pub(super) hosts: Vec<Place>,
    pub(super) authority: Option<PathBuf>,
    passfile: Option<PathBuf>,
}

/// One server to try.
#[derive(Clone)]
pub(super) enum Place {
    Tcp { host: String, port: u16, is_proven: bool },
    Unix { socket: PathBuf },
}

#[derive(Default)]
struct Ours {
    mode: Option<String>,
    authority: Option<String>,
    passfile: Option<String>,
}

impl DatabaseUrl {
    /// Reads a URL. Fails with [`StoreError::BadUrl`].
    pub fn parse(url: &str) -> Result<Self, StoreError> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return bad("it must begin with `postgres://`");
        }
        let (url, ours) = take_ours(url)?;
        let Ok(mut config) = url.parse::<Config>() else {
            return bad(
                "it is not `postgres://user@host:port/name`, with what is special as `%xx`",
            );
        };
        if config.get_user().is_none() || config.get_dbname().is_none() {
            return bad("it must name the user and the database");
        }
        let may_be_plain = match ours.mode.as_deref() {
            None => None,
            Some("disable") => Some(true),
            Some("verify-full") => Some(false),
            Some(_) => {
                return bad("`sslmode` must be `verify-full` or `disable`: others trust anybody");
            }
        };
        let hosts = places(&config, may_be_plain)?;
        if config.get_application_name().is_none() {
            config.application_name("marque");
        }
        let authority = ours.authority.filter(|file| file != "system").map(PathBuf::from);
        Ok(Self { config, hosts, authority, passfile: ours.passfile.map(PathBuf::from) })
    }

    /// As it is, with the passwords of that file, unless the URL has one or names another file.
    #[must_use]
    pub fn with_passfile(mut self, path: &Path) -> Self {
        self.passfile.get_or_insert_with(|| path.to_owned());
        self
    }

    /// Where it leads, for messages: no user, no password.
    pub fn place(&self) -> String {
        let hosts: Vec<String> = self.hosts.iter().map(Place::name).collect();
        format!("{}/{}", hosts.join(","), self.config.get_dbname().unwrap_or_default())
    }

    /// The driver's configuration for one server: with its password, and TLS where it is proven.
    pub(super) fn config_for(&self, place: &Place) -> Result<Config, StoreError> {
        let mut config = self.config.clone();
        config.ssl_mode(match place {
            Place::Tcp { is_proven: true, .. } => SslMode::Require,
            _ => SslMode::Disable,
        });
        if config.get_password().is_none()
            && let Some(path) = &self.passfile
        {
            let (host, port) = match place {
                Place::Tcp { host, port, .. } => (host.as_str(), *port),
                Place::Unix { .. } => ("localhost", self.port(0)),
            };
            let database = config.get_dbname().unwrap_or_default();
            let user = config.get_user().unwrap_or_default();
            let port = port.to_string();
            if let Some(found) = passfile::find(path, [host, &port, database, user])? {
                config.password(found);
            }
        }
        Ok(config)
    }

    fn port(&self, at: usize) -> u16 {
        port(&self.config, at)
    }
}

impl Place {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Tcp { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
            Self::Tcp { host, port, .. } => format!("{host}:{port}"),
            Self::Unix { socket } => socket.display().to_string(),
        }
    }
}

fn places(config: &Config, may_be_plain: Option<bool>) -> Result<Vec<Place>, StoreError> {
    let hosts = config.get_hosts();
    let ports = config.get_ports();
    if hosts.is_empty() {
        return bad("it must name a host; a Unix socket's directory as `%2Frun%2Fpostgresql`");
    }
    if ports.len() > 1 && ports.len() != hosts.len() {
        return bad("it must name one port, or one for each host");
    }
    let place = |(at, host): (usize, &Host)| match host {
        Host::Tcp(host) => {
            let is_proven = !may_be_plain.unwrap_or_else(|| is_this_machine(host));
            Ok(Place::Tcp { host: host.clone(), port: port(config, at), is_proven })
        }
        Host::Unix(_) if may_be_plain == Some(false) => {
            bad("`sslmode=verify-full` means nothing on a Unix socket")
        }
        Host::Unix(directory) => {
            Ok(Place::Unix { socket: directory.join(format!(".s.PGSQL.{}", port(config, at))) })
        }
    };
    hosts.iter().enumerate().map(place).collect()
}

fn port(config: &Config, at: usize) -> u16 {
    let ports = config.get_ports();
    ports.get(at).or_else(|| ports.first()).copied().unwrap_or(5432)
}

fn is_this_machine(host: &str) -> bool {
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Takes the options out that the driver does not know, or not as we mean them.
fn take_ours(url: &str) -> Result<(String, Ours), StoreError> {
    let mut ours = Ours::default();
    let Some((head, options)) = url.split_once('?') else { return Ok((url.to_owned(), ours)) };
    let mut kept = Vec::new();
    for option in options.split('&') {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let slot = match name {
            "sslmode" => &mut ours.mode,
            "sslrootcert" => &mut ours.authority,
            "passfile" => &mut ours.passfile,
            _ if HANDED_ON.contains(&name) => {
                kept.push(option);
                continue;
            }
            _ => {
                let known = HANDED_ON.join("`, `");
                return bad(&format!(
                    "after `?` it has an option that is none of `sslmode`, `sslrootcert`, \
                     `passfile`, `{known}`"
                ));
            }
        };
        *slot = Some(decode(value)?);
    }
    let kept = if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) };
    Ok((format!("{head}{kept}"), ours))
}

/// RFC 3986 §2.1.
fn decode(text: &str) -> Result<String, StoreError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        // `+4` is a number of base 16 too.
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let (Some(byte), Some(rest)) = (byte, part.get(2..)) else {
            return bad("a `%` in it is not followed by two digits of base 16");
        };
        bytes.push(byte);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).or_else(|_| bad("an option of it is not UTF-8"))
}

fn bad<T>(problem: &str) -> Result<T, StoreError> {
    Err(StoreError::BadUrl(problem.to_owned()))
}

#[cfg(test)]
#[path = "url_tests.rs"]
mod tests;
