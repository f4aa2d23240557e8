//! Seams for fuzz targets: parsers of this crate that nobody outside may call, over plain bytes.
//!
//! Owns no check and no parser. Compiled with the feature `fuzzing` only, which nothing that ships
//! asks for.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue};

use crate::client_hello;
use crate::scrub::{self, Decoder, Needles, Scrubber};

/// What a stream of these chunks comes out as where those values were injected. A chunk that is
/// told to be the last for now lets the few bytes pass that a waiting client is given.
pub fn scrub(values: &[&[u8]], chunks: &[&[u8]], is_awaited: impl Fn(usize) -> bool) -> Vec<u8> {
    let mut scrubber = Scrubber::new(Arc::new(Needles::none().and(values)));
    let mut data = Vec::new();
    for (place, chunk) in chunks.iter().enumerate() {
        data.extend_from_slice(&scrubber.feed(Bytes::copy_from_slice(chunk)).data);
        if is_awaited(place) {
            data.extend_from_slice(&scrubber.let_pass());
        }
    }
    data.extend_from_slice(&scrubber.finish().data);
    data
}

/// The value of a field with what it must not tell redacted.
pub fn scrub_value(values: &[&[u8]], value: &[u8]) -> Vec<u8> {
    let needles = Needles::none().and(values);
    scrub::scrub_value(&needles, value).unwrap_or_else(|| value.to_vec())
}

/// What chunks unpack to under that value of `Content-Encoding`, and the longest piece on the way;
/// `None` where they do not. Stops after `most` bytes.
pub fn unpack(codings: &str, chunks: &[&[u8]], most: usize) -> Option<(Vec<u8>, usize)> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_ENCODING, HeaderValue::from_str(codings).ok()?);
    let mut decoder = Decoder::of(&headers).ok()??;
    let (mut data, mut longest) = (Vec::new(), 0);
    for chunk in chunks {
        decoder.feed(Bytes::copy_from_slice(chunk));
        while let Some(piece) = decoder.next_piece().ok()? {
            longest = longest.max(piece.len());
            data.extend_from_slice(&piece);
            if data.len() > most {
                return Some((data, longest));
            }
        }
    }
    decoder.finish().ok()?;
    Some((data, longest))
}

/// Whether a first TLS message hides the host it asks for; `None` where it is no whole one.
pub fn hides_its_host(records: &[u8]) -> Option<bool> {
    client_hello::is_encrypted(records)
}
