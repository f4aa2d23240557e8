use std::io::Write;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue};

use super::{BrokenCoding, Decoder, PIECE_MAX_BYTES};
use crate::packing::{gzip, stored_brotli, zlib, zstd};
use crate::scrub::{Needles, Scrubber};

const TEXT: &str = "{\"echo\":\"Bearer ghp_Zk8+w/Qx7Tt2Lm9~Rf4\"} ";
/// [`TEXT`] forty times over, and 4 MiB of zeros, as Google's encoder packs them.
const BROTLI_TEXT: &str =
    "G48G+GX6eZ/q7tURcRlMID/CxMgBQfyAIqsnIAG5SNZihap6jtxOgC/cvHlnp5RB/FslA34Q";
const BROTLI_ZEROS: &str = "m///P/gnAOKxQCD3/gc=";
/// A window of 256 MiB, which is not RFC 7932.
const BROTLI_LARGE_WINDOW: &str = "EVz8P+CfAIjHAgG5BwA=";

fn text() -> Vec<u8> {
    TEXT.repeat(40).into_bytes()
}

fn brotli(packed: &str) -> Vec<u8> {
    STANDARD.decode(packed).unwrap()
}

fn fields(codings: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for coding in codings {
        headers.append(CONTENT_ENCODING, HeaderValue::from_str(coding).unwrap());
    }
    headers
}

fn decoder(codings: &str) -> Decoder {
    Decoder::of(&fields(&[codings])).unwrap().expect("there is something to undo")
}

fn unpacked(codings: &str, packed: &[u8], size: usize) -> Result<Vec<u8>, BrokenCoding> {
    let mut decoder = decoder(codings);
    let mut data = Vec::new();
    for chunk in packed.chunks(size) {
        decoder.feed(Bytes::copy_from_slice(chunk));
        while let Some(piece) = decoder.next_piece()? {
            data.extend_from_slice(&piece);
        }
    }
    decoder.finish()?;
    Ok(data)
}

/// Every coding, with [`text`] packed in it.
fn packings() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("gzip", gzip(&text())),
        ("X-GZip", gzip(&text())),
        ("deflate", zlib(&text())),
        ("br", brotli(BROTLI_TEXT)),
        ("br", stored_brotli(&text())),
        ("zstd", zstd(&text(), 20)),
        ("gzip, identity, zstd", zstd(&gzip(&text()), 20)),
        ("br, gzip", gzip(&brotli(BROTLI_TEXT))),
        ("gzip", [gzip(&text()[..9]), gzip(&text()[9..])].concat()),
        ("zstd", [zstd(&text()[..9], 20), zstd(&text()[9..], 20)].concat()),
    ]
}

#[test]
fn a_packing_that_is_cut_or_goes_on_after_its_end_is_broken() {
    for (coding, packed) in packings() {
        for end in 1..packed.len() {
            // The first of two members is whole by itself.
            let beginning = unpacked(coding, &packed[..end], 100);
            assert!(beginning.is_err() || is_seam(coding, end), "{coding} to {end}");
        }
        let more = [&packed[..], b"more"].concat();
        assert!(unpacked(coding, &more, 7).is_err(), "{coding} goes on after its end");
    }
}

fn is_seam(coding: &str, end: usize) -> bool {
    match coding {
        "gzip" => end == gzip(&text()[..9]).len(),
        "zstd" => end == zstd(&text()[..9], 20).len(),
        _ => false,
    }
}

#[test]
fn an_unknown_coding_or_a_third_one_is_refused() {
    for codings in ["compress", "gzip, aes128gcm", "gzip;q=1", "gzip, gzip, gzip", "br zstd"] {
        assert!(Decoder::of(&fields(&[codings])).is_err(), "`{codings}`");
    }
    assert!(Decoder::of(&fields(&["gzip", "br", "zstd"])).is_err());
    for plain in [&[][..], &["identity"], &["", "Identity,"]] {
        assert!(Decoder::of(&fields(plain)).unwrap().is_none());
    }
}

#[test]
fn a_window_beyond_the_bound_is_refused() {
    let data = vec![7; 20 << 20];
    assert!(unpacked("zstd", &zstd(&data, 23), 4_096).is_ok());
    assert!(unpacked("zstd", &zstd(&data, 24), 4_096).is_err());
    assert!(unpacked("br", &brotli(BROTLI_LARGE_WINDOW), 4_096).is_err());
}

// threat 81
#[test]
fn a_secret_is_found_in_every_packing_wherever_it_is_split() {
    let needles = Arc::new(Needles::none().and(&[b"ghp_Zk8+w/Qx7Tt2Lm9~Rf4"]));
    let redacted = TEXT.replace("ghp_Zk8+w/Qx7Tt2Lm9~Rf4", &"*".repeat(23)).repeat(40);
    for (coding, packed) in packings() {
        for size in [1, 2, 7, 100, packed.len()] {
            let mut decoder = decoder(coding);
            let mut scrubber = Scrubber::new(Arc::clone(&needles));
            let (mut data, mut found) = (Vec::new(), 0);
            for chunk in packed.chunks(size) {
                decoder.feed(Bytes::copy_from_slice(chunk));
                while let Some(piece) = decoder.next_piece().unwrap() {
                    let out = scrubber.feed(piece);
                    data.extend_from_slice(&out.data);
                    found += out.found;
                }
            }
            decoder.finish().unwrap();
            data.extend_from_slice(&scrubber.finish().data);
            assert_eq!((String::from_utf8_lossy(&data).as_ref(), found), (&*redacted, 40));
        }
    }
}

#[test]
fn little_that_unpacks_to_much_comes_in_pieces() {
    let zeros = vec![0; 4 << 20];
    let bombs = [
        ("gzip", gzip(&zeros)),
        ("deflate", zlib(&zeros)),
        ("br", brotli(BROTLI_ZEROS)),
        ("zstd", zstd(&zeros, 20)),
        ("gzip, gzip", gzip(&gzip(&zeros))),
    ];
    for (coding, bomb) in bombs {
        let mut decoder = decoder(coding);
        decoder.feed(bomb.into());
        let mut size = 0;
        while let Some(piece) = decoder.next_piece().unwrap() {
            assert!(piece.len() <= PIECE_MAX_BYTES && piece.iter().all(|byte| *byte == 0));
            size += piece.len();
        }
        assert!(decoder.finish().is_ok());
        assert_eq!(size, zeros.len(), "{coding}");
    }
}

#[test]
fn what_was_flushed_is_unpacked_before_the_end() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(b"data: one\n\n").unwrap();
    encoder.flush().unwrap();
    let flushed = encoder.get_ref().clone();
    let stored = stored_brotli(b"data: one\n\n");
    for (coding, packed) in [("gzip", flushed), ("br", stored[..stored.len() - 1].to_vec())] {
        let mut decoder = decoder(coding);
        decoder.feed(packed.into());
        let piece = decoder.next_piece().unwrap().expect("it is flushed");
        assert_eq!(piece, "data: one\n\n", "{coding}");
        assert!(decoder.next_piece().unwrap().is_none());
        assert!(decoder.finish().is_err(), "{coding} is not over");
    }
}

#[test]
fn an_answer_without_a_body_is_whole() {
    for coding in ["gzip", "deflate", "br", "zstd", "gzip, br"] {
        assert!(decoder(coding).finish().is_ok(), "{coding}");
    }
}
