//! One request to the admin API.

use std::fmt::Write as _;

use bytes::Bytes;
use http::Method;
use marque_crypto::Secret;
use serde::Serialize;

use crate::exit::{Exit, Failure};

/// A request. Built once, sent as often as needed.
pub(crate) struct Request {
    method: Method,
    path: String,
    body: Secret,
    is_dry_run: bool,
    wants_presence: bool,
    user: Option<(String, Secret)>,
}

impl Request {
    /// Reads something.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// Does something.
    pub(crate) fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    /// Removes something.
    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path)
    }

    fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            body: Secret::from_vec(Vec::new()),
            is_dry_run: false,
            wants_presence: false,
            user: None,
        }
    }

    /// With that body.
    pub(crate) fn json(self, body: &impl Serialize) -> Result<Self, Failure> {
        Ok(Self { body: Secret::from_vec(bytes_of(body)?), ..self })
    }

    /// With those bytes as its body.
    #[must_use]
    pub(crate) fn bytes(self, body: Vec<u8>) -> Self {
        Self { body: Secret::from_vec(body), ..self }
    }

    /// With that body, an object, and a member `secret` beside the others.
    pub(crate) fn json_with_secret(
        self,
        body: &impl Serialize,
        secret: Option<&Secret>,
    ) -> Result<Self, Failure> {
        let Some(secret) = secret else { return self.json(body) };
        let not_text = || {
            Failure::new(Exit::Failed, "the secret is not UTF-8 text")
                .hint("encode it the way the upstream expects it in a header")
        };
        let text = std::str::from_utf8(secret.expose()).map_err(|_| not_text())?;
        let text = Secret::from_vec(bytes_of(&text)?);
        let object = bytes_of(body)?;
        let members = object.strip_suffix(b"}").unwrap_or_default();
        let comma: &[u8] = if members == b"{" { b"" } else { b"," };
        let whole = [members, comma, b"\"secret\":", text.expose(), b"}"].concat();
        Ok(Self { body: Secret::from_vec(whole), ..self })
    }

    /// Only asks what would happen.
    #[must_use]
    pub(crate) fn dry_run(self, is_dry_run: bool) -> Self {
        Self { is_dry_run, ..self }
    }

    /// Carries the human's factor from the start.
    #[must_use]
    pub(crate) fn present(self) -> Self {
        Self { wants_presence: true, ..self }
    }

    /// Carries the factor of that user, asked for already.
    #[must_use]
    pub(crate) fn by_user(self, name: &str, passphrase: Secret) -> Self {
        Self { user: Some((name.to_owned(), passphrase)), ..self }
    }

    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn body(&self) -> Bytes {
        if self.body.is_empty() {
            return Bytes::new();
        }
        Bytes::from_owner(Wiped(self.body.duplicate()))
    }

    pub(super) fn is_dry_run(&self) -> bool {
        self.is_dry_run
    }

    pub(super) fn wants_presence(&self) -> bool {
        self.wants_presence
    }

    /// The user and passphrase it carries in any case.
    pub(super) fn user(&self) -> Option<(&str, &Secret)> {
        self.user.as_ref().map(|(name, passphrase)| (name.as_str(), passphrase))
    }
}

/// Bytes that are wiped once the last reader is done.
pub(super) struct Wiped(pub(super) Secret);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        self.0.expose()
    }
}

fn bytes_of(body: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(body)
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot write the request: {error}")))
}

/// Text as one segment of a path or one value of a query (RFC 3986 §2.3: all but unreserved
/// characters are encoded).
pub(crate) fn encode(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use marque_crypto::Secret;
    use serde_json::{Value, json};

    use super::{Request, encode};

    #[test]
    fn what_a_person_types_stays_one_segment() {
        assert_eq!(encode("run_01ABC-x~"), "run_01ABC-x~");
        assert_eq!(encode("a/../b?c=d&é"), "a%2F..%2Fb%3Fc%3Dd%26%C3%A9");
    }

    #[test]
    fn a_secret_joins_the_body_as_a_member_of_its_own() {
        let secret = Secret::from_string("q\"u\\ote".to_owned());
        let check = |body: Value, expected: Value| {
            let request = Request::post("/").json_with_secret(&body, Some(&secret)).unwrap();
            let sent: Value = serde_json::from_slice(&request.body()).unwrap();
            assert_eq!(sent, expected);
        };
        check(json!({}), json!({"secret": "q\"u\\ote"}));
        check(json!({"a": 1}), json!({"a": 1, "secret": "q\"u\\ote"}));
    }
}
