//! The tables of requests: `cases.txt` and `http2.txt`, whose heads say how they are written.

use super::frames;
use super::way::{Protocol, Way};

/// One request, byte for byte, and what must come of it behind Marque.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) fate: Fate,
    pub(super) protocol: Protocol,
    lines: String,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Every server sees exactly these.
    Sent(Vec<Sent>),
    /// No server sees anything; the client sees this status, or any but a yes.
    Refused(Option<u16>),
    /// It was decided, and sent, but never whole.
    Unfinished,
}

/// One request as it must arrive.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) body: String,
}

/// What stands for the names in braces.
pub(super) struct Names<'a> {
    /// `{at}`: what stands before a path in a request line.
    pub(super) at: &'a str,
    /// `{host}`.
    pub(super) host: &'a str,
    /// The number of the case.
    pub(super) number: usize,
    /// What `{own}` and `{last}` hold beside `Host` and the number.
    pub(super) proof: &'a str,
}

/// All cases that a client says on that way, in their order.
pub(super) fn all(way: Way) -> Vec<Case> {
    let tables = [
        (Protocol::Http1, include_str!("cases.txt")),
        (Protocol::Http2, include_str!("http2.txt")),
    ];
    let tables = tables.iter().filter(|(protocol, _)| way.is_said_in(*protocol));
    let cases = tables.flat_map(|(protocol, text)| {
        let (_, cases) = text.split_once("\n# ").unwrap();
        cases.split("\n# ").map(move |block| Case::read(block, *protocol, way))
    });
    cases.collect()
}

impl Case {
    fn read(block: &str, protocol: Protocol, way: Way) -> Self {
        let (name, rest) = block.split_once('\n').unwrap();
        let mut lines: Vec<_> = rest.split('\n').collect();
        let of_way = |line: &&str| line.starts_with(if way.is_tls() { ">> " } else { "> " });
        let fates = lines.iter().take_while(|line| line.starts_with('>')).count();
        let mut told: Vec<_> = lines.drain(..fates).collect();
        if told.iter().any(of_way) {
            told.retain(of_way);
        }
        // The one that keeps a case apart from the next.
        assert_eq!(lines.pop(), Some(""), "no empty line after `{name}`");
        Self { name: name.to_owned(), fate: Fate::read(&told), protocol, lines: lines.join("\n") }
    }

    /// The bytes of its first head, and those after it.
    pub(super) fn bytes(&self, names: &Names<'_>) -> (Vec<u8>, Vec<u8>) {
        match self.protocol {
            Protocol::Http1 => self.http1(names),
            Protocol::Http2 => frames::request(&self.lines, names),
        }
    }

    fn http1(&self, Names { at, host, number, proof }: &Names<'_>) -> (Vec<u8>, Vec<u8>) {
        let own = format!("Host: {host}\r\nX-Case: {number}\r\n{proof}");
        let last = format!("{own}Connection: close\r\n");
        let values = [("{at}", *at), ("{host}", host), ("{own}\r\n", &own), ("{last}\r\n", &last)];
        let text: Vec<u8> = self.lines.split('\n').flat_map(line).collect();
        let mut head =
            values.iter().fold(text, |text: Vec<u8>, (name, value)| replace(&text, name, value));
        let end = head.windows(4).position(|window| window == b"\r\n\r\n");
        let rest = head.split_off(end.map_or(head.len(), |end| end + 4));
        (head, rest)
    }
}

impl Fate {
    fn read(lines: &[&str]) -> Self {
        let words: Vec<Vec<_>> = lines
            .iter()
            .map(|line| line.trim_start_matches('>')[1..].splitn(3, ' ').collect())
            .collect();
        match words.as_slice() {
            [one] if one == &["unfinished"] => Self::Unfinished,
            [one] if one == &["refused"] => Self::Refused(None),
            [one] if one.len() == 1 => Self::Refused(Some(one[0].parse().unwrap())),
            sent => Self::Sent(sent.iter().map(|words| Sent::read(words)).collect()),
        }
    }
}

impl Sent {
    fn read(words: &[&str]) -> Self {
        let [method, target, body @ ..] = words else { panic!("no target in {words:?}") };
        let body = body.first().copied().unwrap_or_default();
        let body = String::from_utf8(unescaped(body)).unwrap();
        Self { method: (*method).to_owned(), target: (*target).to_owned(), body }
    }
}

/// A line with its CRLF, which a backslash at its end leaves out.
fn line(text: &str) -> Vec<u8> {
    let bare = text.strip_suffix('\\').filter(|bare| !bare.ends_with('\\'));
    match bare {
        Some(bare) => unescaped(bare),
        None => [unescaped(text), b"\r\n".to_vec()].concat(),
    }
}

pub(super) fn unescaped(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text.chars());
    while let Some(c) = rest.next() {
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        bytes.push(match rest.next() {
            Some('n') => b'\n',
            Some('r') => b'\r',
            Some('t') => b'\t',
            Some('0') => 0,
            Some('\\') => b'\\',
            Some('x') => {
                let digits: String = rest.by_ref().take(2).collect();
                u8::from_str_radix(&digits, 16).unwrap()
            }
            other => panic!("`\\{other:?}` in {text:?}"),
        });
    }
    bytes
}

fn replace(text: &[u8], name: &str, value: &str) -> Vec<u8> {
    let (mut replaced, mut rest) = (Vec::new(), text);
    while let Some((&byte, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(name.as_bytes()) {
            replaced.extend_from_slice(value.as_bytes());
            rest = after;
        } else {
            replaced.push(byte);
            rest = after;
        }
    }
    replaced
}
