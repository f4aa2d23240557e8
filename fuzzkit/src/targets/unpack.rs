//! Content codings: the same bytes however what is packed is cut, in pieces that are bounded, and
//! packed gzip comes out as it went in.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use marque_gateway::fuzzing::unpack;

use crate::pieces::pieces;

const CODINGS: [&str; 6] = ["gzip", "deflate", "br", "zstd", "gzip, br", "zstd, gzip"];
const PIECE_MAX_BYTES: usize = 16 * 1024;
/// Of what unpacks to more only the beginning is looked at.
const MOST_BYTES: usize = 256 * 1024;

pub(super) fn check(data: &[u8]) {
    let [coding, seed, bytes @ ..] = data else { return };
    let coding = CODINGS[usize::from(*coding) % CODINGS.len()];
    let whole = unpack(coding, &[bytes], MOST_BYTES);
    let cut = unpack(coding, &pieces(bytes, *seed), MOST_BYTES);
    for (_, longest) in whole.iter().chain(&cut) {
        assert!(*longest <= PIECE_MAX_BYTES, "a piece of {longest} bytes");
    }
    let is_short = |found: &Option<(Vec<u8>, usize)>| {
        found.as_ref().is_none_or(|(data, _)| data.len() <= MOST_BYTES)
    };
    if is_short(&whole) && is_short(&cut) {
        let data = |found: Option<(Vec<u8>, usize)>| found.map(|(data, _)| data);
        assert_eq!(data(whole), data(cut), "what is unpacked depends on the cuts");
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    unpacks_to(bytes, "gzip", &gzip.finish().unwrap(), *seed);
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(bytes).unwrap();
    unpacks_to(bytes, "deflate", &zlib.finish().unwrap(), *seed);
}

fn unpacks_to(bytes: &[u8], coding: &str, packed: &[u8], seed: u8) {
    let unpacked = unpack(coding, &pieces(packed, seed), usize::MAX);
    let unpacked = unpacked.expect("what was packed unpacks").0;
    assert_eq!(unpacked, bytes, "{coding} comes out as something else");
    let torn = packed.split_last().map(|(_, torn)| torn).unwrap_or_default();
    assert!(unpack(coding, &[torn], usize::MAX).is_none(), "a torn {coding} passed");
    if coding == "deflate" {
        let more = [packed, b"x"].concat();
        assert!(unpack(coding, &[&more], usize::MAX).is_none(), "something after it passed");
    }
}
