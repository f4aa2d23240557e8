//! Content codings for tests: what an upstream does to a body before it sends it.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use zstd_safe::{CCtx, CParameter};

/// RFC 1952.
pub(crate) fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// RFC 1950, which is `deflate`.
pub(crate) fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// RFC 8878.
pub(crate) fn zstd(data: &[u8], window_log: u32) -> Vec<u8> {
    let mut context = CCtx::create();
    context.set_parameter(CParameter::WindowLog(window_log)).unwrap();
    context.set_parameter(CParameter::ContentSizeFlag(false)).unwrap();
    let mut packed = Vec::with_capacity(data.len() + 1024);
    context.compress2(&mut packed, data).unwrap();
    packed
}

/// RFC 7932 §9.2: a stream that holds its data as it is, with a window of 64 KiB.
pub(crate) fn stored_brotli(data: &[u8]) -> Vec<u8> {
    let size = u32::try_from(data.len() - 1).unwrap();
    let [first, second, third, _] = (size << 4 | 1 << 20).to_le_bytes();
    [&[first, second, third][..], data, &[3]].concat()
}
