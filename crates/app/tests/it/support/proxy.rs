//! A client of the proxy door that says exactly the bytes it is given.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::wait::PATIENCE;

/// The proxy's address, and what proves a run there.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    pub(crate) run: String,
    pub(crate) secret: String,
}

/// What came back until the other side closed, or one whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
    /// Whether the other side closed the connection.
    pub(crate) is_closed: bool,
}

impl Proxy {
    /// From `http://run:secret@address`.
    pub(crate) fn parse(variable: &str) -> Self {
        let (user, address) = variable.strip_prefix("http://").unwrap().split_once('@').unwrap();
        let (run, secret) = user.split_once(':').unwrap();
        let address = address.trim_end_matches('/').parse().unwrap();
        Self { address, run: run.to_owned(), secret: secret.to_owned() }
    }

    /// The field that proves the run.
    pub(crate) fn proof(&self) -> String {
        let pair = STANDARD.encode(format!("{}:{}", self.run, self.secret));
        format!("Proxy-Authorization: Basic {pair}\r\n")
    }

    pub(crate) fn connects(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Says `bytes`, and hears one answer and whether the connection is closed after it.
    pub(crate) fn says(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connects();
        // A refused request may be cut off before its last byte.
        let _ = stream.write_all(bytes);
        hear_to_the_end(&mut stream)
    }

    /// One plain request with the run's proof; the connection is closed after it.
    pub(crate) fn asks(&self, method: &str, url: &str, fields: &str, body: &str) -> Answer {
        let host = url.strip_prefix("http://").unwrap().split('/').next().unwrap();
        let proof = self.proof();
        let length = match body.len() {
            0 => String::new(),
            length => format!("Content-Length: {length}\r\n"),
        };
        self.says(
            format!(
                "{method} {url} HTTP/1.1\r\nHost: {host}\r\n{proof}Connection: close\r\n\
                 {length}{fields}\r\n{body}"
            )
            .as_bytes(),
        )
    }

    /// A CONNECT to `authority` with the run's proof, and `host` as its field.
    pub(crate) fn tunnels(&self, authority: &str) -> Answer {
        let proof = self.proof();
        let request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{proof}\r\n");
        let mut stream = self.connects();
        stream.write_all(request.as_bytes()).unwrap();
        hear_one(&mut stream)
    }
}

impl Answer {
    /// Asserts a status and a text in the answer.
    #[track_caller]
    pub(crate) fn is(&self, status: u16, words: &str) -> &Self {
        assert_eq!(self.status, status, "{self:?}");
        assert!(self.text.contains(words), "`{words}` is missing: {self:?}");
        self
    }
}

/// Hears until the other side closes, or says no more for long.
pub(crate) fn hear_to_the_end(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let mut room = [0; 16 * 1024];
    let is_closed = loop {
        match stream.read(&mut room) {
            Ok(0) => break true,
            Ok(length) => bytes.extend_from_slice(&room[..length]),
            Err(error) => break error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    };
    answer(&bytes, is_closed)
}

/// Hears one answer: its head, and a body of the length it announces.
pub(crate) fn hear_one(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let mut byte = [0];
    let mut is_closed = false;
    while !bytes.ends_with(b"\r\n\r\n") && !is_closed {
        is_closed = stream.read(&mut byte).unwrap_or(0) == 0;
        bytes.extend_from_slice(&byte[..usize::from(!is_closed)]);
    }
    let head = String::from_utf8_lossy(&bytes).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    is_closed |= stream.read_exact(&mut body).is_err();
    bytes.extend(body);
    answer(&bytes, is_closed)
}

fn answer(bytes: &[u8], is_closed: bool) -> Answer {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let status = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    Answer { status: status.map_or(0, |status| status.parse().unwrap()), text, is_closed }
}
