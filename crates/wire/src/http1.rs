//! HTTP/1.1 messages whose framing is beyond doubt (RFC 9112).
//!
//! Owns the guards that stand between a socket and a lenient HTTP library, and the list of fields
//! that never cross the gateway. Does not build requests, buffer bodies or decide anything.
//!
//! ```text
//! socket bytes ─▶ Guard::admit ─▶ HTTP library ─▶ hop ─▶ the road
//!                   │ Malformed: 400 at the head, cut in the body
//! ```

mod chunk;
mod field;
mod guard;
pub mod hop;
mod line;
mod malformed;
mod request;
mod response;

pub use guard::Guard;
pub use malformed::{Fault, Malformed};
pub use request::RequestGuard;
pub use response::ResponseGuard;

/// Most bytes of one message head, terminators included.
pub const HEAD_MAX_BYTES: usize = 64 * 1024;
/// Most field lines in one message head.
pub const HEAD_MAX_FIELDS: usize = 100;
/// Most bytes of one field line, terminator included.
pub const FIELD_LINE_MAX_BYTES: usize = 16 * 1024;
/// Most bytes of a request target.
pub const TARGET_MAX_BYTES: usize = 8 * 1024;
/// Largest `Content-Length` or chunk: the largest integer every JSON peer can also hold.
pub const BODY_MAX_BYTES: u64 = 1 << 53;
/// Most bytes of extensions on one chunk.
pub const CHUNK_EXTENSIONS_MAX_BYTES: usize = 256;
/// Most bytes of one trailer section.
pub const TRAILERS_MAX_BYTES: usize = 8 * 1024;

#[cfg(test)]
mod tests;
