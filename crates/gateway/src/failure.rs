//! What can go wrong between a permit and the upstream's answer.
//!
//! Each variant has a code that goes into the outcome entry and to the client. No message holds a
//! credential or the address a name resolved to, which the client has no business learning.

use http::StatusCode;
use marque_wire::address::Reach;
use marque_wire::websocket::BadAnswer;
use thiserror::Error;

use crate::clean::Unclean;

/// Why an allowed act failed.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// The upstream's name leads where no connection points (threats 76 and 77).
    #[error("`{host}` resolves to a {reach} address, which only a pinned connection may reach")]
    Address { host: String, reach: Reach },
    /// The upstream's name leads nowhere.
    #[error("`{host}` does not resolve")]
    Unresolved { host: String },
    /// No TCP connection.
    #[error("`{host}` does not accept a connection: {error}")]
    Unreachable { host: String, error: std::io::Error },
    /// Nothing happened in time.
    #[error("`{host}` did not answer in time")]
    Late { host: String },
    /// The upstream did not prove itself.
    #[error("`{host}` does not prove itself over TLS: {reason}")]
    Untrusted { host: String, reason: String },
    /// The upstream broke off, or answered something that is not HTTP/1.1.
    #[error("`{host}` broke off or sent a malformed answer")]
    Broken { host: String },
    /// The upstream switched to a protocol, and not to the one that was asked for (threat 90).
    #[error("`{host}` does not open the WebSocket that was asked for: {bad}")]
    Upgrade { host: String, bad: BadAnswer },
    /// The answer holds what must not reach the run, or may hold it unseen.
    #[error("{}", unclean(*.0))]
    Unclean(Unclean),
    /// The credential holds bytes no header may have.
    #[error("the credential of `{connection}` cannot be set in a header")]
    Unsendable { connection: String },
}

impl Failure {
    /// The stable code of the outcome entry.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Address { .. } => "failed.address",
            Self::Unresolved { .. } | Self::Unreachable { .. } => "failed.dial",
            Self::Late { .. } => "failed.late",
            Self::Untrusted { .. } => "failed.tls",
            Self::Broken { .. } => "failed.upstream",
            Self::Upgrade { .. } => "failed.upgrade",
            Self::Unclean(unclean) => unclean.code(),
            Self::Unsendable { .. } => "failed.credential",
        }
    }

    /// The status the client is told (RFC 9110 §15.6).
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Late { .. } => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::BAD_GATEWAY,
        }
    }

    /// What to do next.
    pub(crate) fn remedy(&self) -> &'static str {
        match self {
            Self::Address { .. } => "if that is meant, a human pins the connection to the address",
            Self::Unresolved { .. } => "check the connection's host name and the server's resolver",
            Self::Unreachable { .. } | Self::Late { .. } => "try again once the upstream is back",
            Self::Untrusted { .. } => {
                "check the upstream's certificate, or name its authority in the connection"
            }
            Self::Upgrade { .. } => "have a human look at the upstream",
            Self::Broken { .. } => "the request may have had its effect; look before you repeat it",
            Self::Unclean(_) => {
                "the request may have had its effect; have a human look at the upstream"
            }
            Self::Unsendable { .. } => {
                "a human seals it again, without line breaks: `marque connection rotate`"
            }
        }
    }
}

fn unclean(unclean: Unclean) -> &'static str {
    match unclean {
        Unclean::Echo => "the upstream's answer holds a credential, so it was not passed on",
        Unclean::Packed => "the upstream's answer is packed in a way that cannot be searched",
    }
}
