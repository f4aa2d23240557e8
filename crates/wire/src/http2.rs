//! HTTP/2 connections and request heads (RFC 9113), before and after a library has read them.
//!
//! Owns the guard that bounds what frames may cost, and the rule that an HTTP/2 head is judged as
//! the HTTP/1.1 head it would be. Decodes no HPACK and keeps no stream's state: the library does.
//!
//! ```text
//! socket bytes ─▶ FrameGuard ─▶ HTTP/2 library ─▶ as_http1 ─▶ the road
//! ```

mod frame;
mod head;

pub use frame::{FrameFault, FrameGuard};
pub use head::as_http1;

/// Largest frame payload that is accepted of a client: the smallest maximum a peer may have
/// (RFC 9113 §4.2).
pub const FRAME_MAX_BYTES: u32 = 16_384;
/// The same of an upstream, whose long answers cost less in longer frames.
pub const SERVER_FRAME_MAX_BYTES: u32 = 65_536;

#[cfg(test)]
mod tests;
