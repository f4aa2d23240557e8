//! One connection: opened with patience, then asked and heard without waiting.

use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustls::{ClientConnection, StreamOwned};

use super::answer::{Answer, Heard};
use super::way::Way;
use crate::bench::http::{dial, head, status};

/// How long opening one may take, and each read of a whole body.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes that are read at once.
const PIECE: usize = 16 * 1024;

/// A connection to a target, perhaps through a proxy, perhaps in TLS.
pub(in crate::bench) struct Line {
    stream: Stream,
    answer: Answer,
    piece: Vec<u8>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Line {
    /// Dials, asks the proxy, and shakes hands.
    pub(in crate::bench) fn open(way: &Way) -> anyhow::Result<Self> {
        let mut socket = dial(way.address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        if let Some(connect) = &way.connect {
            socket.write_all(connect)?;
            let mut from = BufReader::new(&socket);
            let answer = head(&mut from)?;
            ensure!(status(&answer) == 200, "CONNECT is answered `{}`", answer.trim());
            ensure!(from.buffer().is_empty(), "the proxy speaks before it is asked");
        }
        let stream = match &way.tls {
            None => Stream::Plain(socket),
            Some((name, trust)) => {
                let mut tls = trust.connection(name)?;
                while tls.is_handshaking() {
                    tls.complete_io(&mut socket).context("the handshake")?;
                }
                Stream::Tls(Box::new(StreamOwned::new(tls, socket)))
            }
        };
        Ok(Self { stream, answer: Answer::default(), piece: vec![0; PIECE] })
    }

    pub(super) fn socket(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => &stream.sock,
        }
    }

    /// Sends a request, which fits into the socket.
    pub(super) fn ask(&mut self, request: &[u8]) -> io::Result<()> {
        self.answer = Answer::default();
        self.write_all(request)?;
        self.flush()
    }

    /// Reads what is there; the answer's end, if it has come.
    pub(super) fn hear(&mut self) -> io::Result<Option<Heard>> {
        loop {
            let mut piece = std::mem::take(&mut self.piece);
            let read = self.read(&mut piece);
            self.piece = piece;
            match read {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => {
                    let read = self.piece.get(..length).unwrap_or_default();
                    if let Some(heard) = self.answer.take(read)? {
                        return Ok(Some(heard));
                    }
                    // A plain socket with more to read says so again.
                    if matches!(self.stream, Stream::Plain(_)) {
                        return Ok(None);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// Asks once and waits for the whole answer; its status.
    pub(in crate::bench) fn call(&mut self, request: &[u8]) -> io::Result<u16> {
        self.ask(request)?;
        loop {
            if let Some(heard) = self.hear()? {
                return Ok(heard.status);
            }
        }
    }
}

impl Read for Line {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(socket) => socket.read(into),
            Stream::Tls(stream) => stream.read(into),
        }
    }
}

impl Write for Line {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(socket) => socket.write(from),
            Stream::Tls(stream) => stream.write(from),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(socket) => socket.flush(),
            Stream::Tls(stream) => stream.flush(),
        }
    }
}
