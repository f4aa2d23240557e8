//! HTTP/2 by hand: frames as no library writes them, and what comes back.

use super::cases::{Names, unescaped};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 0x1;
const END_HEAD: u8 = 0x4;

/// The statuses that a table holds (RFC 7541, appendix A), as the first byte of a field block.
const STATUSES: [(u8, u16); 3] = [(0x88, 200), (0x8c, 400), (0x8e, 500)];

/// What a server said so far.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Nought where it is none of the usual ones.
    pub(super) status: u16,
    /// Whether it will say no more.
    pub(super) is_over: bool,
}

/// One part of a request.
struct Part {
    kind: u8,
    flags: u8,
    payload: Vec<u8>,
}

/// What a connection with this one request begins with, up to the end of its head; and the rest.
pub(super) fn request(lines: &str, names: &Names<'_>) -> (Vec<u8>, Vec<u8>) {
    let Names { host, number, .. } = names;
    let case = format!("x-case: {number}");
    let of = |method: &str, path: &str| {
        format!(":method: {method}\n:scheme: https\n:authority: {host}\n:path: {path}\n{case}")
    };
    let get = of("GET", "/v1/a");
    let (post, cut) = (of("POST", "/v1/items"), of("POST", "/v1/unfinished"));
    let loud = host.to_uppercase();
    let values = [
        ("{get}", get.as_str()),
        ("{post}", &post),
        ("{cut}", &cut),
        ("{case}", &case),
        ("{host}", host),
        ("{HOST}", &loud),
    ];
    let text =
        values.iter().fold(lines.to_owned(), |text, (name, value)| text.replace(name, value));
    let mut parts = Vec::new();
    for line in text.lines() {
        add(&mut parts, line);
    }
    parts.last_mut().unwrap().flags |= END_STREAM;
    let mut frames = parts.iter().map(|part| frame(part.kind, part.flags, 1, &part.payload));
    let settings = frame(SETTINGS, 0, 0, &[]);
    let head = [PREFACE, &settings, &frames.next().unwrap()].concat();
    (head, frames.flatten().collect())
}

fn add(parts: &mut Vec<Part>, line: &str) {
    if let Some(data) = line.strip_prefix("+ ") {
        parts.push(Part { kind: DATA, flags: 0, payload: unescaped(data) });
        return;
    }
    let (is_trailer, line) = line.strip_prefix("~ ").map_or((false, line), |line| (true, line));
    let has_block = parts.last().is_some_and(|part| part.kind == HEADERS);
    if !has_block || (is_trailer && parts.len() == 1) {
        parts.push(Part { kind: HEADERS, flags: END_HEAD, payload: Vec::new() });
    }
    let field = unescaped(line);
    let colon = field.windows(2).position(|window| window == b": ").unwrap();
    parts.last_mut().unwrap().payload.extend(literal(&field[..colon], &field[colon + 2..]));
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A field that no table remembers (RFC 7541 §6.2.2).
fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    [vec![0], string(name), string(value)].concat()
}

/// A string without Huffman (RFC 7541 §5.2), of a length that takes one byte.
fn string(text: &[u8]) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    assert!(length < 127, "{text:?}");
    [&[length][..], text].concat()
}

/// Reads what came back to [`request`].
pub(super) fn heard(mut bytes: &[u8]) -> Heard {
    let mut heard = Heard::default();
    while let Some((header, rest)) = bytes.split_at_checked(9) {
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
        let Some((payload, rest)) = rest.split_at_checked(length as usize) else { break };
        bytes = rest;
        let (kind, flags, is_ours) = (header[3], header[4], header[5..] == [0, 0, 0, 1]);
        match kind {
            HEADERS | DATA if is_ours => {
                let known = STATUSES.iter().find(|(byte, _)| payload.first() == Some(byte));
                if kind == HEADERS && heard.status == 0 {
                    heard.status = known.map_or(0, |(_, status)| *status);
                }
                heard.is_over |= flags & END_STREAM != 0;
            }
            RESET if is_ours => heard.is_over = true,
            // Without an error it is only a farewell.
            GOAWAY => heard.is_over |= payload.get(4..8) != Some([0; 4].as_slice()),
            _ => {}
        }
    }
    heard
}
