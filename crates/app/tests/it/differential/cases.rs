//! The table of requests: `cases.txt`, whose head says how it is written.

/// One request, byte for byte, and what must come of it behind Marque.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) fate: Fate,
    text: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Every server sees exactly these.
    Sent(Vec<Sent>),
    /// No server sees anything; the client sees this status.
    Refused(u16),
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
    /// What `{own}` and `{last}` hold beside `Host`.
    pub(super) fields: String,
}

/// All cases, in their order.
pub(super) fn all() -> Vec<Case> {
    let (_, cases) = include_str!("cases.txt").split_once("\n# ").unwrap();
    cases.split("\n# ").map(Case::read).collect()
}

impl Case {
    fn read(block: &str) -> Self {
        let (name, rest) = block.split_once('\n').unwrap();
        let mut lines: Vec<_> = rest.split('\n').collect();
        let fates = lines.iter().take_while(|line| line.starts_with("> ")).count();
        let fate = Fate::read(&lines[..fates]);
        lines.drain(..fates);
        // The one that keeps a case apart from the next.
        assert_eq!(lines.pop(), Some(""), "no empty line after `{name}`");
        let text = lines.into_iter().flat_map(line).collect();
        Self { name: name.to_owned(), fate, text }
    }

    /// Its bytes.
    pub(super) fn bytes(&self, names: &Names<'_>) -> Vec<u8> {
        let Names { at, host, fields } = names;
        let own = format!("Host: {host}\r\n{fields}");
        let last = format!("{own}Connection: close\r\n");
        let values = [("{at}", *at), ("{host}", host), ("{own}\r\n", &own), ("{last}\r\n", &last)];
        values.iter().fold(self.text.clone(), |text, (name, value)| replace(&text, name, value))
    }
}

impl Fate {
    fn read(lines: &[&str]) -> Self {
        let words: Vec<Vec<_>> =
            lines.iter().map(|line| line[2..].splitn(3, ' ').collect()).collect();
        match words.as_slice() {
            [one] if one == &["unfinished"] => Self::Unfinished,
            [one] if one.len() == 1 => Self::Refused(one[0].parse().unwrap()),
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

fn unescaped(text: &str) -> Vec<u8> {
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
