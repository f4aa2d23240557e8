//! An upstream that knows nothing of Marque and writes down every byte that reached it.
//!
//! It writes before it answers, so that no answer lacks its record. By path: `/v1/slow` streams
//! until it is cut, `/v1/moved` redirects to what `to=` says, what a story told it is answered so,
//! a WebSocket is opened and heard, everything else is answered at once.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marque_crypto::hash::sha1;
use marque_crypto::intercept::{InterceptAuthority, Leaf};
use marque_domain::Timestamp;
use rustls::crypto::aws_lc_rs;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::PrivateKeyDer;

use super::wait::PATIENCE;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) nonce: u64,
    /// The request line and fields, byte for byte.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// A listening upstream. Threads of one test process serve it.
#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    /// The authority that vouches for it, PEM, where it speaks TLS.
    pub(crate) authority: Option<String>,
    log: Log,
}

#[derive(Clone, Default)]
struct Log {
    seen: Arc<Mutex<Vec<Seen>>>,
    nonce: Arc<AtomicU64>,
    /// By path.
    told: Arc<Mutex<HashMap<String, Told>>>,
}

/// The head and the body of an answer.
type Told = (String, Vec<u8>);

impl Upstream {
    /// Speaks plain HTTP.
    pub(crate) fn plain() -> Self {
        Self::plain_at(Ipv4Addr::LOCALHOST)
    }

    /// Speaks plain HTTP on an address of this machine.
    pub(crate) fn plain_at(address: Ipv4Addr) -> Self {
        Self::listen(address, None, None)
    }

    /// Speaks TLS as `host`.
    pub(crate) fn private(host: &str) -> Self {
        let (authority, leaf) = certify(host);
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(leaf.chain().to_vec(), PrivateKeyDer::Pkcs8(leaf.expose_key()));
        let config = Some(Arc::new(config.unwrap()));
        Self::listen(Ipv4Addr::LOCALHOST, config, Some(authority))
    }

    fn listen(
        address: Ipv4Addr,
        tls: Option<Arc<ServerConfig>>,
        authority: Option<String>,
    ) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let log = Log::default();
        let upstream = Self { address: listener.local_addr().unwrap(), authority, log };
        let log = upstream.log.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (tls, log) = (tls.clone(), log.clone());
                std::thread::spawn(move || welcome(stream, tls, &log));
            }
        });
        upstream
    }

    /// Answers a path so from now on: `head` is its status, and its fields but for the length.
    pub(crate) fn answers(&self, path: &str, head: &str, body: impl AsRef<[u8]>) {
        let answer = (head.to_owned(), body.as_ref().to_owned());
        self.log.told.lock().unwrap().insert(path.to_owned(), answer);
    }

    /// Every request so far.
    pub(crate) fn saw(&self) -> Vec<Seen> {
        self.log.seen.lock().unwrap().clone()
    }

    /// The one request it saw.
    #[track_caller]
    pub(crate) fn saw_one(&self) -> Seen {
        let mut saw = self.saw();
        assert_eq!(saw.len(), 1, "{saw:#?}");
        saw.remove(0)
    }

    #[track_caller]
    pub(crate) fn saw_nothing(&self) {
        let saw = self.saw();
        assert!(saw.is_empty(), "{saw:#?}");
    }
}

impl Seen {
    pub(crate) fn method(&self) -> &str {
        self.head.split(' ').next().unwrap()
    }

    pub(crate) fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    /// The value of a field, if it came once.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let wanted = format!("{name}: ");
        let mut found = self.head.lines().filter_map(|line| {
            let is_it = line.to_ascii_lowercase().starts_with(&wanted);
            is_it.then(|| line.split_at(wanted.len()).1)
        });
        let first = found.next();
        assert_eq!(found.next(), None, "`{name}` came twice: {}", self.head);
        first
    }
}

/// An authority in PEM, and what it vouches for `host` with for an hour.
pub(crate) fn certify(host: &str) -> (String, Leaf) {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap());
    let life = Duration::from_secs(3_600);
    let authority = InterceptAuthority::create("upstream", now, life).unwrap();
    (authority.ca_pem(), authority.leaf(host, now).unwrap())
}

fn welcome(stream: TcpStream, tls: Option<Arc<ServerConfig>>, log: &Log) {
    let _ = stream.set_read_timeout(Some(PATIENCE * 3));
    let _ = stream.set_nodelay(true);
    match tls {
        None => serve(stream, log),
        Some(config) => {
            let connection = ServerConnection::new(config).unwrap();
            serve(StreamOwned::new(connection, stream), log);
        }
    }
}

// One request after another, until the client leaves.
fn serve(mut stream: impl Read + Write, log: &Log) {
    while let Some((head, body)) = request(&mut stream) {
        let nonce = log.nonce.fetch_add(1, Ordering::SeqCst);
        let seen = Seen { nonce, head, body };
        log.seen.lock().unwrap().push(seen.clone());
        if let Some(key) = seen.field("sec-websocket-key") {
            let _ = hear_socket(&mut stream, key, &seen, log);
            return;
        }
        if answer(&mut stream, &seen, log).is_err() {
            return;
        }
    }
}

/// Opens a WebSocket (RFC 6455), and writes down each message as a request of its own.
fn hear_socket(
    stream: &mut (impl Read + Write),
    key: &str,
    opened: &Seen,
    log: &Log,
) -> Option<()> {
    let accept = sha1(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes());
    let accept = STANDARD.encode(accept);
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.flush().ok()?;
    loop {
        // Messages of stories are whole and short; a ping or a pong is none.
        let [kind, length] = [byte(stream)? & 0x0f, byte(stream)? & 0x7f];
        let mask = some(stream, 4)?;
        let said = some(stream, length.into())?;
        let said = said.iter().zip(mask.iter().cycle()).map(|(one, mask)| one ^ mask).collect();
        if kind == 1 {
            let nonce = log.nonce.fetch_add(1, Ordering::SeqCst);
            let head = format!("websocket.send {}", opened.target());
            let body = String::from_utf8(said).ok()?;
            log.seen.lock().unwrap().push(Seen { nonce, head, body });
        }
    }
}

fn request(stream: &mut impl Read) -> Option<(String, String)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(byte(stream)?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let lower = head.to_ascii_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
    let body = match length {
        Some(length) => some(stream, length.trim().parse().ok()?)?,
        None if lower.contains("transfer-encoding: chunked") => chunks(stream)?,
        None => Vec::new(),
    };
    Some((head, String::from_utf8_lossy(&body).into_owned()))
}

fn chunks(stream: &mut impl Read) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(byte(stream)?);
        }
        let size = String::from_utf8_lossy(&line).trim().to_owned();
        let size = usize::from_str_radix(&size, 16).ok()?;
        body.extend(some(stream, size)?);
        some(stream, 2)?;
        if size == 0 {
            return Some(body);
        }
    }
}

fn byte(stream: &mut impl Read) -> Option<u8> {
    let mut one = [0];
    stream.read_exact(&mut one).ok().map(|()| one[0])
}

fn some(stream: &mut impl Read, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).ok().map(|()| bytes)
}

fn answer(stream: &mut impl Write, seen: &Seen, log: &Log) -> std::io::Result<()> {
    let (path, query) = seen.target().split_once('?').unwrap_or((seen.target(), ""));
    if path == "/v1/slow" {
        return stream_slowly(stream);
    }
    let told = log.told.lock().unwrap().get(path).cloned();
    let (head, body) = told.unwrap_or_else(|| {
        let body = format!("{{\"nonce\":{},\"path\":\"{path}\"}}", seen.nonce);
        let head = match query.strip_prefix("to=") {
            Some(to) if path == "/v1/moved" => format!("302 Found\r\nLocation: {to}"),
            _ => "200 OK\r\nContent-Type: application/json".to_owned(),
        };
        (head, body.into_bytes())
    });
    // In one write: a small second one would wait for the first to be acknowledged.
    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), &body].concat())?;
    stream.flush()
}

fn stream_slowly(stream: &mut impl Write) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    for _ in 0..3_000 {
        stream.write_all(b"5\r\ntick\n\r\n")?;
        stream.flush()?;
        std::thread::sleep(Duration::from_millis(10));
    }
    stream.write_all(b"0\r\n\r\n")
}
