//! The frame guard: the same verdict however a stream is cut, and of what it admits no frame is
//! longer or stands elsewhere than RFC 9113 has it, counted by another reader.

use marque_wire::http2::{FRAME_MAX_BYTES, FrameGuard, SERVER_FRAME_MAX_BYTES};

use super::http1::same_verdict;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const PUSH_PROMISE: u8 = 5;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

pub(super) fn check(data: &[u8]) {
    let [mode, seed, bytes @ ..] = data else { return };
    let is_client = mode & 1 == 0;
    // So that frames are reached without the preface being guessed.
    let bytes = if mode & 2 == 0 { bytes.to_vec() } else { [PREFACE, bytes].concat() };
    let guard = || if is_client { FrameGuard::of_client() } else { FrameGuard::of_server() };
    if !same_verdict(guard, &bytes, *seed) {
        return;
    }
    if is_client {
        let begun = bytes.len().min(PREFACE.len());
        assert_eq!(bytes[..begun], PREFACE[..begun], "another preface passed");
        walk(&bytes[begun..], FRAME_MAX_BYTES);
    } else {
        walk(&bytes, SERVER_FRAME_MAX_BYTES);
    }
}

fn walk(mut rest: &[u8], most: u32) {
    let mut open = None;
    while let Some(([high, middle, low, kind, flags, stream @ ..], after)) =
        rest.split_first_chunk::<9>()
    {
        let length = u32::from_be_bytes([0, *high, *middle, *low]);
        assert!(length <= most, "a frame of {length} bytes passed");
        let stream = u32::from_be_bytes(*stream) & 0x7fff_ffff;
        match (open, *kind) {
            (Some(head), CONTINUATION) => assert_eq!(head, stream, "a head went on elsewhere"),
            (Some(_), _) => unreachable!("a frame of kind {kind} passed within a head"),
            (None, kind) => assert!(kind != CONTINUATION && kind != PUSH_PROMISE),
        }
        let is_of_head = matches!(*kind, HEADERS | CONTINUATION);
        open = (is_of_head && flags & END_HEADERS == 0).then_some(stream);
        rest = after.get(length as usize..).unwrap_or_default();
    }
}
