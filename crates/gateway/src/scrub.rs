//! What must not come back: injected credentials, looked for in an upstream's answer.
//!
//! Owns which spellings are searched for and what stands in their place. Waits for nothing and
//! reads nothing itself: whoever relays an answer feeds it chunk by chunk.
//! `docs/concepts/scrubbing.md` says what cannot be caught.

mod decode;
mod needles;
mod search;
mod spelling;

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use zeroize::Zeroizing;

pub(crate) use decode::Decoder;
pub(crate) use needles::Needles;

use search::search;

/// So many bytes that may begin a spelling pass on where nothing follows for now: whoever waits for
/// the end of a message before it goes on must not wait for ever, and so few tell nothing.
const LET_PASS_BYTES: usize = 3;
/// Stands in place of every byte of what was found, so that lengths stay true.
const REDACTED: u8 = b'*';

/// Follows one stream.
pub(crate) struct Scrubber {
    needles: Arc<Needles>,
    /// The end of what was fed, as far as it may be the beginning of a spelling.
    held: Zeroizing<Vec<u8>>,
    /// How many bytes of `held` belong to what was found already.
    redacted: usize,
    /// How many bytes of `held` went on already.
    passed: usize,
}

/// What may pass on.
pub(crate) struct Scrubbed {
    /// The bytes; the very ones that were fed, where nothing was found or held.
    pub(crate) data: Bytes,
    /// How many spellings were redacted, each counted where it begins.
    pub(crate) found: usize,
    /// How many bytes were looked at for that: what was held is looked at again.
    pub(crate) searched: usize,
}

impl Scrubber {
    /// Begins a stream in which those are searched for.
    pub(crate) fn new(needles: Arc<Needles>) -> Self {
        Self { needles, held: Zeroizing::default(), redacted: 0, passed: 0 }
    }

    /// What is searched for.
    pub(crate) fn needles(&self) -> &Needles {
        &self.needles
    }

    /// Takes the next chunk. Only what may be the beginning of a spelling is kept back, at most
    /// the longest spelling there is.
    pub(crate) fn feed(&mut self, chunk: Bytes) -> Scrubbed {
        if self.needles.is_empty() || chunk.is_empty() {
            return Scrubbed { data: chunk, found: 0, searched: 0 };
        }
        self.pass(chunk, false)
    }

    /// Nothing follows for now: gives out the first few of the bytes that are kept back, once. They
    /// stay known, so that what makes a spelling of them is redacted.
    pub(crate) fn let_pass(&mut self) -> Bytes {
        let until = self.held.len().min(LET_PASS_BYTES);
        let passing = self.held.get(self.passed..until).unwrap_or_default();
        let redacted = self.redacted.saturating_sub(self.passed).min(passing.len());
        let mut data = passing.to_vec();
        data.iter_mut().take(redacted).for_each(|byte| *byte = REDACTED);
        self.passed = self.passed.max(until);
        data.into()
    }

    /// Whether all that was fed has passed on.
    pub(crate) fn holds_nothing(&self) -> bool {
        self.passed == self.held.len()
    }

    /// Takes the last chunk, and keeps nothing back.
    pub(crate) fn last(&mut self, chunk: Bytes) -> Scrubbed {
        if self.needles.is_empty() {
            return Scrubbed { data: chunk, found: 0, searched: 0 };
        }
        self.pass(chunk, true)
    }

    /// Gives out what was kept back: nothing follows that could make a spelling of it.
    pub(crate) fn finish(&mut self) -> Scrubbed {
        self.pass(Bytes::new(), true)
    }

    fn pass(&mut self, chunk: Bytes, is_last: bool) -> Scrubbed {
        let text = if self.held.is_empty() {
            chunk
        } else {
            let mut joined = Vec::with_capacity(self.held.len() + chunk.len());
            joined.extend_from_slice(&self.held);
            joined.extend_from_slice(&chunk);
            Bytes::from(joined)
        };
        let findings = search(&self.needles, &text, self.redacted, is_last);
        let open_from = findings.open_from;
        let held = text.get(open_from..).unwrap_or_default();
        self.held = Zeroizing::new(held.to_vec());
        let end = findings.spans.last().map_or(0, |span| span.end);
        self.redacted = end.saturating_sub(open_from);
        let passed = self.passed.min(open_from);
        self.passed -= passed;
        let data = redact(text.slice(..open_from), &findings.spans).slice(passed..);
        Scrubbed { data, found: findings.found, searched: text.len() }
    }
}

/// The value of a field with what it must not tell redacted; `None` where it is clean.
pub(crate) fn scrub_value(needles: &Needles, value: &[u8]) -> Option<Vec<u8>> {
    if needles.is_empty() {
        return None;
    }
    let spans = search(needles, value, 0, true).spans;
    (!spans.is_empty()).then(|| redacted(value, &spans))
}

fn redact(data: Bytes, spans: &[Range<usize>]) -> Bytes {
    if spans.is_empty() { data } else { redacted(&data, spans).into() }
}

fn redacted(data: &[u8], spans: &[Range<usize>]) -> Vec<u8> {
    let mut data = data.to_vec();
    for span in spans {
        // What reaches beyond the data is still held, and redacted when it passes on.
        let end = span.end.min(data.len());
        if let Some(found) = data.get_mut(span.start..end) {
            found.fill(REDACTED);
        }
    }
    data
}

#[cfg(test)]
mod tests;
