//! How a call gets to its target, and what is asked there.

use std::net::SocketAddr;

use super::tls::Trust;

/// Where connections go, and the one request that is made on them.
pub(in crate::bench) struct Way {
    /// Whom it leads to, for people.
    pub(in crate::bench) name: String,
    /// What is dialled: the target itself, or a proxy.
    pub(in crate::bench) address: SocketAddr,
    /// What is asked of a proxy first, to its empty line.
    pub(in crate::bench) connect: Option<Vec<u8>>,
    /// The name that is asked for in TLS, and who is trusted to answer.
    pub(in crate::bench) tls: Option<(String, Trust)>,
    /// The request, whole.
    pub(in crate::bench) request: Vec<u8>,
}

/// A CONNECT to `authority`; `proof` is what a proxy takes in Basic authentication.
pub(in crate::bench) fn connect(authority: &str, proof: Option<&str>) -> Vec<u8> {
    let proof = proof.map(|proof| format!("Proxy-Authorization: Basic {proof}\r\n"));
    let proof = proof.unwrap_or_default();
    format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{proof}\r\n").into_bytes()
}
