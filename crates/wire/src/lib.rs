//! Wire formats: bytes in, typed values out, and back.
//!
//! Owns strict parsers for what Marque reads from agents and upstreams. Sans-IO: nothing here
//! waits, resolves names, reads a clock or opens a socket, and every parser is total on any bytes.
//! Doubtful input is refused rather than repaired, because a decision must be about the bytes
//! that are sent on.

pub mod address;
pub mod dns;
pub mod git;
pub mod host;
pub mod http1;
pub mod http2;
pub mod jose;
mod json;
pub mod oauth;
pub mod path;
pub mod postgres;
pub mod proxy_auth;
pub mod ssh;
pub mod sshsig;
pub mod target;
pub mod websocket;
