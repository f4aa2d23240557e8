//! As much of HTTP/1.1 as benchmarks need, over blocking sockets.

use std::io::{self, BufRead, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Connects as everything here does.
#[expect(clippy::disallowed_methods, reason = "the benchmark is a client; nothing of it ships")]
pub(super) fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A port that nobody listens on now.
pub(super) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// A connection to a proxy door that is kept.
pub(super) struct Client(BufReader<TcpStream>);

impl Client {
    pub(super) fn connect(door: SocketAddr) -> io::Result<Self> {
        let stream = dial(door)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends a request and reads the whole answer; its status, and whether more can be asked.
    pub(super) fn call(&mut self, request: &[u8]) -> io::Result<(u16, bool)> {
        self.0.get_mut().write_all(request)?;
        let head = head(&mut self.0)?;
        skip_body(&mut self.0, &head)?;
        Ok((status(&head), field(&head, "connection") != Some("close")))
    }

    /// Sends a request and reads the head of the answer; its status.
    pub(super) fn begin(&mut self, request: &[u8]) -> io::Result<u16> {
        self.0.get_mut().write_all(request)?;
        Ok(status(&head(&mut self.0)?))
    }

    /// Some bytes of a body; none at its end.
    pub(super) fn more(&mut self) -> io::Result<usize> {
        let length = self.0.fill_buf()?.len();
        self.0.consume(length);
        Ok(length)
    }
}

/// What an admin socket answers to a GET.
pub(super) fn admin(socket: &Path, path: &str) -> anyhow::Result<serde_json::Value> {
    let connected = UnixStream::connect(socket);
    let mut stream = connected.with_context(|| format!("nobody at `{}`", socket.display()))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: marque\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("an answer without an end")?;
    serde_json::from_str(body).with_context(|| format!("the server answers `{answer}`"))
}

/// The lines of a head, in lower case; an error if the other side closes before its end.
pub(super) fn head(from: &mut impl BufRead) -> io::Result<String> {
    let mut head = head_as_it_is(from)?;
    head.make_ascii_lowercase();
    Ok(head)
}

/// The same, letter for letter.
pub(super) fn head_as_it_is(from: &mut impl BufRead) -> io::Result<String> {
    let mut head = String::new();
    loop {
        let before = head.len();
        if from.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if head.get(before..) == Some("\r\n") {
            return Ok(head);
        }
    }
}

/// Reads to the end of a body.
pub(super) fn skip_body(from: &mut impl BufRead, head: &str) -> io::Result<()> {
    read_body(from, head, &mut io::sink())
}

/// Reads a body to its end, and writes it there.
pub(super) fn read_body(
    from: &mut impl BufRead,
    head: &str,
    to: &mut impl io::Write,
) -> io::Result<()> {
    if field(head, "transfer-encoding") == Some("chunked") {
        return read_chunks(from, to);
    }
    let length = field(head, "content-length").and_then(|length| length.parse().ok());
    copy(from, length.unwrap_or(0), to)
}

fn read_chunks(from: &mut impl BufRead, to: &mut impl io::Write) -> io::Result<()> {
    loop {
        let mut line = String::new();
        from.read_line(&mut line)?;
        let length = u64::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
        copy(from, length, to)?;
        copy(from, 2, &mut io::sink())?;
        if length == 0 {
            return Ok(());
        }
    }
}

fn copy(from: &mut impl BufRead, length: u64, to: &mut impl io::Write) -> io::Result<()> {
    match io::copy(&mut from.take(length), to)? {
        copied if copied == length => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// The status in a head, lower case; 0 where there is none.
pub(super) fn status(head: &str) -> u16 {
    head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// The value of a field in a head, both in lower case.
pub(super) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.find_map(|(found, value)| (found == name).then_some(value))
}

#[cfg(test)]
mod tests {
    use std::io::BufRead as _;

    use super::{head, read_body, status};

    #[test]
    fn an_answer_is_read_to_its_end_and_no_further() {
        for framing in [
            "Content-Length: 5\r\n\r\nhello",
            "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ] {
            let bytes = format!("HTTP/1.1 403 Forbidden\r\n{framing}next");
            let mut from = bytes.as_bytes();
            let head = head(&mut from).unwrap();
            assert_eq!(status(&head), 403);
            let mut body = Vec::new();
            read_body(&mut from, &head, &mut body).unwrap();
            assert_eq!(body, b"hello");
            assert_eq!(from.fill_buf().unwrap(), b"next");
        }
        assert!(head(&mut "HTTP/1.1 200 OK\r\n".as_bytes()).is_err());
    }
}
