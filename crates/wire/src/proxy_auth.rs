//! `Proxy-Authorization: Basic` (RFC 7617), as a run presents its proxy secret.
//!
//! Owns the parse into a user and a secret. Does not know runs and does not compare secrets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::PROXY_AUTHORIZATION;
use thiserror::Error;

use marque_crypto::secret::Secret;

/// Longest field value that is looked at, in bytes.
const VALUE_MAX_BYTES: usize = 1024;
/// Longest user, in bytes.
const USER_MAX_BYTES: usize = 128;

/// What a client presented to the proxy. No `Debug`: it holds a secret.
pub struct ProxyCredentials {
    /// Visible ASCII, not empty, at most 128 bytes.
    pub user: String,
    /// Visible ASCII, not empty.
    pub password: Secret,
}

/// Why the field is refused. Never says what it held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadProxyAuth {
    /// Two fields: one of them was smuggled in.
    #[error("`proxy-authorization` is given twice")]
    Repeated,
    /// More than 1 KiB.
    #[error("`proxy-authorization` is longer than {VALUE_MAX_BYTES} bytes")]
    TooLong,
    /// Another scheme.
    #[error("`proxy-authorization` is not of the `Basic` scheme")]
    NotBasic,
    /// Not canonical base64 with padding.
    #[error("`proxy-authorization` is not plain base64")]
    BadEncoding,
    /// No colon, or an empty or odd user or password.
    #[error("`proxy-authorization` does not hold `user:password` in visible ASCII")]
    BadCredentials,
}

impl ProxyCredentials {
    /// Reads the credentials of a request to the proxy; `None` where it presents none.
    ///
    /// # Errors
    /// [`BadProxyAuth`] for anything but one well-formed field; never fall back to "none" on it.
    pub fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, BadProxyAuth> {
        let mut values = headers.get_all(PROXY_AUTHORIZATION).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(BadProxyAuth::Repeated);
        }
        Self::parse(value.as_bytes()).map(Some)
    }

    /// Parses one field value: `Basic`, one space, base64 of `user:password`.
    ///
    /// # Errors
    /// [`BadProxyAuth`]; the user ends at the first colon (RFC 7617 §2).
    pub fn parse(value: &[u8]) -> Result<Self, BadProxyAuth> {
        if value.len() > VALUE_MAX_BYTES {
            return Err(BadProxyAuth::TooLong);
        }
        let (scheme, encoded) = value.split_at_checked(6).ok_or(BadProxyAuth::NotBasic)?;
        if !scheme.eq_ignore_ascii_case(b"basic ") {
            return Err(BadProxyAuth::NotBasic);
        }
        let decoded = STANDARD.decode(encoded).map_err(|_| BadProxyAuth::BadEncoding)?;
        let decoded = Secret::from_vec(decoded);
        let mut parts = decoded.expose().splitn(2, |&byte| byte == b':');
        let (Some(user), Some(password)) = (parts.next(), parts.next()) else {
            return Err(BadProxyAuth::BadCredentials);
        };
        if user.len() > USER_MAX_BYTES || !is_visible(user) || !is_visible(password) {
            return Err(BadProxyAuth::BadCredentials);
        }
        let user = String::from_utf8_lossy(user).into_owned();
        Ok(Self { user, password: Secret::from_vec(password.to_vec()) })
    }
}

/// RFC 7617 forbids control characters only; ours never hold anything but visible ASCII.
fn is_visible(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests;
