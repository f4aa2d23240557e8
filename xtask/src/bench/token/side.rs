//! One authorization server that is measured, and how it is asked.

use std::fmt::Write as _;

use crate::bench::drive::{Trust, Way};
use crate::bench::process::Watched;
use crate::bench::program::Running;

use super::flow::Flow;

/// The name both servers are reached by, which their certificate has.
const HOST: &str = "127.0.0.1";

/// A server that runs.
pub(super) struct Side {
    /// As tables call it.
    pub(super) name: &'static str,
    /// What exactly it is.
    pub(super) about: String,
    pub(super) running: Running,
    pub(super) trust: Trust,
    pub(super) paths: Paths,
    /// The id of the client that signs.
    pub(super) client: String,
    /// Who looks tokens up with a secret, and that secret.
    pub(super) secret: (String, String),
    /// What those tokens are for that are looked up and revoked.
    pub(super) kept_resource: &'static str,
    /// The clients that exchange tokens, from the second in a chain on, each with the resource
    /// that the tokens it may exchange are for; none where it exchanges none.
    pub(super) hops: Vec<(String, String)>,
}

/// Where it answers what.
pub(super) struct Paths {
    pub(super) token: &'static str,
    pub(super) introspection: &'static str,
    pub(super) revocation: &'static str,
    pub(super) keys: &'static str,
}

impl Side {
    pub(super) fn issuer(&self) -> String {
        format!("https://{}", self.running.address)
    }

    /// Whether it has what the flow needs.
    pub(super) fn can(&self, flow: Flow) -> bool {
        match flow {
            Flow::Exchange(actors, _) => self.exchanges(actors),
            _ => true,
        }
    }

    /// Whether somebody can be the last of so many actors.
    pub(super) fn exchanges(&self, actors: usize) -> bool {
        self.hop(actors).is_some()
    }

    /// The client that comes last in a chain of so many, and what the tokens it exchanges are for.
    pub(super) fn hop(&self, actors: usize) -> Option<(&str, &str)> {
        let (client, resource) = self.hops.get(actors.checked_sub(2)?)?;
        Some((client, resource))
    }

    /// A way to it on which nothing is asked yet.
    pub(super) fn way(&self) -> Way {
        Way {
            name: self.name.to_owned(),
            address: self.running.address,
            connect: None,
            tls: Some((HOST.to_owned(), self.trust.clone())),
            request: Vec::new(),
        }
    }

    pub(super) fn watched(&self) -> Watched {
        Watched(self.running.held.0.id())
    }

    pub(super) fn get(&self, path: &str) -> Vec<u8> {
        format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.running.address).into_bytes()
    }

    /// A form that is posted, with more fields in its head.
    pub(super) fn post(&self, path: &str, head: &str, form: &[(&str, &str)]) -> Vec<u8> {
        let body = encoded(form);
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\n{head}Content-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}",
            self.running.address,
            body.len()
        );
        request.into_bytes()
    }
}

/// A form as the URL standard encodes it.
fn encoded(form: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in form {
        if !text.is_empty() {
            text.push('&');
        }
        let _ = write!(text, "{name}=");
        for byte in value.bytes() {
            let _ = match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    write!(text, "{}", char::from(byte))
                }
                _ => write!(text, "%{byte:02X}"),
            };
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::encoded;

    #[test]
    fn what_has_a_meaning_in_a_form_is_escaped() {
        let form = [("resource", "https://a.test/v1?x=1&y"), ("scope", "a b")];
        let text = "resource=https%3A%2F%2Fa.test%2Fv1%3Fx%3D1%26y&scope=a%20b";
        assert_eq!(encoded(&form), text);
    }
}
