//! What the section `oauth` comes to: who issues, where the gateway is, and which bounds hold.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use marque_plane::oauth::OAuthSettings;
use marque_wire::oauth::{Issuer, Resource};

use super::{OAuth, Wrong};
use crate::exit::{Exit, Failure};

/// The longest a token is good.
const TOKEN_TTL_MAX: Duration = Duration::from_secs(15 * 60);
/// The shortest a key signs: others must have had time to fetch the next one.
const ROTATE_AFTER_MIN: Duration = Duration::from_secs(60 * 60);

/// The most runs of one client: a server knows 150,000 runs.
const RUNS_PER_CLIENT_MAX: usize = 100_000;

impl OAuth {
    /// How the plane is told of it; `None` where it is off.
    pub(crate) fn settings(&self) -> Result<Option<OAuthSettings>, Failure> {
        self.read().map_err(|wrong| {
            let failure = Failure::new(Exit::Failed, wrong.message);
            Failure { hint: wrong.hint, ..failure }
        })
    }

    pub(super) fn check(&self) -> Result<(), Wrong> {
        self.bounds()?;
        self.read().map(drop)
    }

    fn bounds(&self) -> Result<(), Wrong> {
        if !(Duration::from_secs(1)..=TOKEN_TTL_MAX).contains(&self.token_ttl.0) {
            let hint = "tokens are short: whoever needs another one asks again";
            return Err(wrong("`oauth.token_ttl` is not within 1 second and 15 minutes", hint));
        }
        if self.rotate_after.0 < ROTATE_AFTER_MIN {
            let hint = "the default is `30d`";
            return Err(wrong("`oauth.rotate_after` is below 1 hour", hint));
        }
        if !(1..=RUNS_PER_CLIENT_MAX).contains(&self.runs_per_client) {
            let message =
                format!("`oauth.runs_per_client` is not within 1 and {RUNS_PER_CLIENT_MAX}");
            return Err(wrong(&message, "the default is `10000`"));
        }
        if self.certificate.is_some() != self.key.is_some() {
            let hint = "name both files, or none: the server has an authority of its own";
            return Err(wrong("only one of `oauth.certificate` and `oauth.key` is set", hint));
        }
        let files = [&self.certificate, &self.key];
        if files.into_iter().flatten().any(|file| file.is_relative()) {
            let hint = "a server may start in another directory: write the whole path";
            return Err(wrong("`oauth.certificate` or `oauth.key` is not an absolute path", hint));
        }
        // A token, or what proves a client, must not cross a network in the clear.
        if self.plain && self.listen.is_some_and(|listen| !listen.ip().is_loopback()) {
            let hint = "listen on `127.0.0.1:PORT`, and let the proxy before it speak TLS";
            return Err(wrong("`oauth.plain` is set, and `oauth.listen` is not loopback", hint));
        }
        Ok(())
    }

    fn read(&self) -> Result<Option<OAuthSettings>, Wrong> {
        let Some(listen) = self.listen else {
            return match self.gateway_listen {
                None => Ok(None),
                Some(_) => Err(wrong(
                    "`oauth.gateway_listen` is set, and `oauth.listen` is not",
                    "the gateway takes tokens of this server's own token service: turn it on",
                )),
            };
        };
        let scheme = if self.plain { "http" } else { "https" };
        let issuer = base(listen, scheme, (&self.issuer, "oauth.listen", "oauth.issuer"))?;
        let issuer = Issuer::parse(&issuer).map_err(|error| {
            let message = format!("`oauth.issuer` is refused: {error}");
            wrong(&message, "write it as clients will, such as `https://id.example.com`")
        })?;
        Ok(Some(OAuthSettings {
            issuer,
            gateway: self.gateway()?,
            token_ttl: self.token_ttl.0,
            rotate_after: self.rotate_after.0,
            runs_per_client: self.runs_per_client,
        }))
    }

    fn gateway(&self) -> Result<Option<String>, Wrong> {
        let Some(listen) = self.gateway_listen else {
            return match self.gateway_url {
                None => Ok(None),
                Some(_) => Err(wrong(
                    "`oauth.gateway_url` is set, and `oauth.gateway_listen` is not",
                    "say where the gateway listens",
                )),
            };
        };
        let given = (&self.gateway_url, "oauth.gateway_listen", "oauth.gateway_url");
        let url = base(listen, "https", given)?;
        let hint = "write it as clients will, such as `https://gateway.example.com`";
        Resource::parse(&url)
            .map_err(|error| wrong(&format!("`oauth.gateway_url` is refused: {error}"), hint))?;
        let behind = url.split_once("://").map_or("", |(_, behind)| behind);
        if !url.starts_with("https://") || behind.contains(['/', '?']) {
            let message = "`oauth.gateway_url` is not the `https` address of a server as a whole";
            return Err(wrong(message, hint));
        }
        Ok(Some(url))
    }

    /// With a value for every key, that is taken.
    pub(super) fn with_every_key(&self) -> Self {
        let listen = |port| Some(SocketAddr::from(([127, 0, 0, 1], port)));
        Self {
            listen: listen(8443),
            issuer: Some("https://id.example.com".to_owned()),
            certificate: Some(PathBuf::from("/")),
            key: Some(PathBuf::from("/")),
            gateway_listen: listen(8444),
            gateway_url: Some("https://gateway.example.com".to_owned()),
            ..self.clone()
        }
    }
}

// The URL that is given, or that of the address.
fn base(
    listen: SocketAddr,
    scheme: &str,
    (given, listens, named): (&Option<String>, &str, &str),
) -> Result<String, Wrong> {
    if let Some(given) = given {
        return Ok(given.clone());
    }
    if listen.port() == 0 || listen.ip().is_unspecified() {
        let message = format!("`{listens}` is no address that a client can go to");
        return Err(wrong(&message, &format!("name one with a port there, or set `{named}`")));
    }
    let own = if scheme == "https" { 443 } else { 80 };
    let is_own = listen.port() == own;
    let host = listen.to_string();
    let host = if is_own { host.trim_end_matches(&format!(":{own}")) } else { &host };
    Ok(format!("{scheme}://{host}"))
}

fn wrong(message: &str, hint: &str) -> Wrong {
    Wrong { at: None, message: message.to_owned(), hint: Some(hint.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    fn settings(text: &str) -> Option<(String, Option<String>)> {
        let config = Config::parse(text).ok().unwrap();
        let settings = config.oauth.settings().unwrap()?;
        Some((settings.issuer.as_str().to_owned(), settings.gateway))
    }

    #[test]
    fn it_is_off_until_it_listens_and_its_addresses_follow_from_where() {
        assert_eq!(settings(""), None);
        let check = |text: &str, issuer: &str, gateway: Option<&str>| {
            let expected = Some((issuer.to_owned(), gateway.map(str::to_owned)));
            assert_eq!(settings(&format!("[oauth]\n{text}")), expected, "{text}");
        };
        check("listen = \"127.0.0.1:8443\"", "https://127.0.0.1:8443", None);
        check("listen = \"[::1]:443\"", "https://[::1]", None);
        check("listen = \"127.0.0.1:8443\"\nplain = true", "http://127.0.0.1:8443", None);
        check(
            "listen = \"0.0.0.0:8443\"\nissuer = \"https://id.example.com/one\"\n\
             gateway_listen = \"192.0.2.1:8444\"",
            "https://id.example.com/one",
            Some("https://192.0.2.1:8444"),
        );
    }

    #[test]
    fn what_would_not_hold_is_refused() {
        for wrong in [
            "listen = \"0.0.0.0:8443\"",
            "listen = \"127.0.0.1:0\"",
            "listen = \"192.0.2.1:8443\"\nplain = true",
            "listen = \"127.0.0.1:8443\"\nissuer = \"https://ID.example.com\"",
            "listen = \"127.0.0.1:8443\"\nissuer = \"http://id.example.com\"",
            "listen = \"127.0.0.1:8443\"\ncertificate = \"/c.pem\"",
            "listen = \"127.0.0.1:8443\"\ncertificate = \"c.pem\"\nkey = \"k.pem\"",
            "listen = \"127.0.0.1:8443\"\ngateway_url = \"https://gw.example.com\"",
            "listen = \"127.0.0.1:8443\"\ngateway_listen = \"127.0.0.1:1\"\n\
             gateway_url = \"https://gw.example.com/\"",
            "gateway_listen = \"127.0.0.1:8444\"",
            "token_ttl = \"16m\"",
            "rotate_after = \"59m\"",
            "runs_per_client = 0",
            "runs_per_client = 100001",
        ] {
            assert!(Config::parse(&format!("[oauth]\n{wrong}")).is_err(), "{wrong}");
        }
    }
}
