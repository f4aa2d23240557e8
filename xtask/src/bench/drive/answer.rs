//! An answer that comes in pieces: where it ends, and what it said.

use std::io;

use crate::bench::http::{field, status};

/// Bytes of a head at most.
const HEAD_MAX_BYTES: usize = 64 * 1024;

/// What was heard so far of one answer.
#[derive(Debug, Default)]
pub(super) struct Answer {
    head: Vec<u8>,
    body: Option<Body>,
    heard: Heard,
}

/// A whole answer.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) status: u16,
    /// Whether the connection takes another request.
    pub(super) is_kept: bool,
}

/// What of a body is still to come.
#[derive(Debug)]
enum Body {
    Sized(u64),
    /// The line that is being read: a size, or the end of a chunk.
    Chunks(Vec<u8>),
    /// Bytes of a chunk and of the line end behind it.
    Chunk(u64),
    /// The size 0 came; the empty line has not.
    Last(Vec<u8>),
}

impl Answer {
    /// Takes the next bytes; the answer, once it is whole. Nothing may follow it.
    pub(super) fn take(&mut self, bytes: &[u8]) -> io::Result<Option<Heard>> {
        let mut rest = bytes;
        if self.body.is_none() {
            let before = self.head.len();
            self.head.extend_from_slice(bytes);
            let Some(end) = end_of_head(&self.head, before) else {
                let is_long = self.head.len() > HEAD_MAX_BYTES;
                return if is_long { Err(bad("a head without an end")) } else { Ok(None) };
            };
            rest = bytes.get(end - before..).unwrap_or_default();
            self.head.truncate(end);
            self.read_head()?;
        }
        let body = self.body.as_mut().ok_or_else(|| bad("no body"))?;
        Ok(body.take(rest)?.then_some(self.heard))
    }

    fn read_head(&mut self) -> io::Result<()> {
        let mut head = String::from_utf8_lossy(&self.head).into_owned();
        head.make_ascii_lowercase();
        let is_kept = field(&head, "connection") != Some("close");
        self.heard = Heard { status: status(&head), is_kept };
        self.body = Some(if field(&head, "transfer-encoding") == Some("chunked") {
            Body::Chunks(Vec::new())
        } else {
            let length = field(&head, "content-length");
            let length = length.map_or(Ok(0), str::parse).map_err(io::Error::other)?;
            Body::Sized(length)
        });
        Ok(())
    }
}

impl Body {
    /// Takes the next bytes; whether it is whole.
    fn take(&mut self, mut bytes: &[u8]) -> io::Result<bool> {
        loop {
            match self {
                Self::Sized(left) => {
                    let length = bytes.len() as u64;
                    *left = left.checked_sub(length).ok_or_else(|| bad("bytes after it"))?;
                    return Ok(*left == 0);
                }
                Self::Chunk(left) => {
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    *left -= taken as u64;
                    bytes = bytes.get(taken..).unwrap_or_default();
                    if *left > 0 {
                        return Ok(false);
                    }
                    *self = Self::Chunks(Vec::new());
                }
                Self::Chunks(line) => {
                    let Some(size) = line_of(line, &mut bytes) else { return Ok(false) };
                    let size = u64::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
                    *self = if size == 0 { Self::Last(Vec::new()) } else { Self::Chunk(size + 2) };
                }
                Self::Last(line) => {
                    let Some(last) = line_of(line, &mut bytes) else { return Ok(false) };
                    if last.trim().is_empty() {
                        return Ok(true);
                    }
                    line.clear();
                }
            }
        }
    }
}

/// The line that ends in these bytes, which lose it.
fn line_of(line: &mut Vec<u8>, bytes: &mut &[u8]) -> Option<String> {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let (taken, rest) = bytes.split_at_checked(end.map_or(bytes.len(), |end| end + 1))?;
    line.extend_from_slice(taken);
    *bytes = rest;
    end.map(|_| String::from_utf8_lossy(line).into_owned())
}

/// Where the head ends, if it does; it did not in the first `before` bytes.
fn end_of_head(head: &[u8], before: usize) -> Option<usize> {
    let from = before.saturating_sub(3);
    let found = head.get(from..)?.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(from + found + 4)
}

fn bad(what: &'static str) -> io::Error {
    io::Error::other(what)
}

#[cfg(test)]
mod tests {
    use super::{Answer, Heard};

    #[test]
    fn an_answer_is_whole_at_its_end_however_it_is_cut() {
        for (text, is_kept) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", false),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", true),
        ] {
            for size in 1..=text.len() {
                let (mut answer, mut last) = (Answer::default(), None);
                for piece in text.as_bytes().chunks(size) {
                    assert_eq!(last, None, "whole before its end: {text:?} by {size}");
                    last = answer.take(piece).unwrap();
                }
                assert_eq!(last, Some(Heard { status: 200, is_kept }), "{text:?} by {size}");
            }
        }
    }

    #[test]
    fn bytes_after_an_answer_are_an_error() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab";
        assert!(Answer::default().take(text).is_err());
    }
}
