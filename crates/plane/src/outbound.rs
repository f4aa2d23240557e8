//! The one way in which the plane asks anything of the world outside, and what may come back.
//!
//! Dials nothing itself: whoever implements it checks the addresses and the certificate.

use std::future::Future;
use std::pin::Pin;

use marque_wire::oauth::Resource;

/// Fetches documents.
pub trait Outbound: Send + Sync {
    /// GETs one document over verified TLS, within a bounded time. Follows no redirect, sends no
    /// credential, and reaches no address that the rules of `wanted` forbid.
    fn get(&self, wanted: Wanted) -> Fetching;
}

/// A document under way.
pub type Fetching = Pin<Box<dyn Future<Output = Result<Document, Unfetched>> + Send>>;

/// What is to be fetched.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// From where: `https` alone.
    pub url: Resource,
    /// The authority that the server's certificate is of, PEM; the system's if absent.
    pub authority_pem: Option<String>,
    /// Whether the host may be this machine or in a private network, because a human named it so.
    /// Addresses of this link and of metadata services never are reached.
    pub private: bool,
    /// Longest body, in bytes; one that is longer is refused.
    pub max_bytes: usize,
}

/// A document, whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// Its body.
    pub body: Vec<u8>,
    /// The fields `Cache-Control` of its answer, joined by commas (RFC 9111 section 5.2).
    pub cache_control: String,
}

/// Why there is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfetched {
    /// The answer was no 200; a redirect is one of these.
    #[error("it answered {0}")]
    Status(u16),
    /// There was no answer, or none that can be used.
    #[error("{0}")]
    Failed(String),
}
