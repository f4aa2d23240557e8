//! One line at a time, whatever slices it arrives in.
//!
//! Owns the only buffer a guard has and its bound. Knows lines, not their meaning.

use super::Fault;

/// Collects bytes up to the next LF.
#[derive(Default)]
pub(super) struct Line {
    buffer: Vec<u8>,
    is_complete: bool,
}

/// A line needs more bytes than it may have.
pub(super) struct TooLong;

impl Line {
    /// Moves bytes out of `rest` up to the end of the line. `None` asks for more bytes.
    ///
    /// `limit` counts the terminator. The answer is the same however `rest` was cut.
    pub(super) fn take(
        &mut self,
        rest: &mut &[u8],
        limit: usize,
    ) -> Result<Option<&[u8]>, TooLong> {
        if self.is_complete {
            self.buffer.clear();
            self.is_complete = false;
        }
        let found = rest.iter().position(|&byte| byte == b'\n');
        let (head, tail) = rest.split_at(found.map_or(rest.len(), |at| at + 1));
        if self.buffer.len() + head.len() > limit {
            return Err(TooLong);
        }
        self.buffer.extend_from_slice(head);
        *rest = tail;
        self.is_complete = found.is_some();
        Ok(self.is_complete.then_some(self.buffer.as_slice()))
    }
}

/// The text of a line without its CRLF (RFC 9112 §2.2): horizontal tab, visible ASCII, space and
/// obs-text only.
pub(super) fn text(line: &[u8]) -> Result<&[u8], Fault> {
    let text = line.strip_suffix(b"\r\n").ok_or(Fault::BareLf)?;
    let bad = |byte: u8| (byte < b' ' && byte != b'\t') || byte == 0x7f;
    match text.iter().find(|&&byte| bad(byte)) {
        None => Ok(text),
        Some(b'\r') => Err(Fault::BareCr),
        Some(_) => Err(Fault::ControlByte),
    }
}
