//! HTTP/2 frame by frame, as no honest client sends it (threat 91).

mod floods;
mod heads;
mod lines;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::agent::trusting;
use super::world::{PATIENCE, World};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HOST: &str = "modern.test";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 0x1;
const END_HEAD: u8 = 0x4;
const WHOLE: u8 = END_STREAM | END_HEAD;
/// `:status: 200` and `:status: 400` (RFC 7541, appendix A).
const OK: u8 = 0x88;
const BAD_REQUEST: u8 = 0x8c;

const GET: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "https"), (":authority", HOST), (":path", "/v1/a")];

/// What the gateway says first that is no acknowledgement.
#[derive(Debug, PartialEq, Eq)]
enum Word {
    /// The head of an answer, by the first byte of its field block.
    Answer(u8),
    StreamError,
    ConnectionError,
    Closed,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A string without Huffman (RFC 7541 §5.1 and §5.2).
fn string(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let length = text.len();
    if length < 127 {
        bytes.push(u8::try_from(length).unwrap());
    } else {
        bytes.push(127);
        let mut rest = length - 127;
        while rest >= 128 {
            bytes.push(u8::try_from(rest % 128).unwrap() | 0x80);
            rest /= 128;
        }
        bytes.push(u8::try_from(rest).unwrap());
    }
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// Fields that no table remembers (RFC 7541 §6.2.2).
fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let one = |(name, value): &(&str, &str)| [vec![0], string(name), string(value)].concat();
    fields.iter().flat_map(one).collect()
}

fn request(stream: u32, with: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, WHOLE, stream, &[fields(&GET), fields(with)].concat())
}

/// The request, but for one pseudo-header.
fn but(name: &str, value: Option<&str>) -> Vec<u8> {
    let changed = GET.iter().filter_map(|&(known, usual)| match (known == name, value) {
        (false, _) => Some((known, usual)),
        (true, value) => value.map(|value| (known, value)),
    });
    frame(HEADERS, WHOLE, 1, &fields(&changed.collect::<Vec<_>>()))
}

async fn connects(world: &World) -> TlsStream<TcpStream> {
    let config = trusting(&[&world.bot], &["h2"]);
    let mut stream = world.bot.shakes_hands(HOST, HOST, &config).await.unwrap();
    let hello = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    stream.write_all(&hello).await.unwrap();
    stream
}

/// Sends these bytes and says what the first word was.
async fn answered(world: &World, bytes: &[u8]) -> Word {
    hears(world, bytes, |_| true).await
}

/// Sends these bytes and says how the connection ended.
async fn ended(world: &World, bytes: &[u8]) -> Word {
    hears(world, bytes, |word| matches!(word, Word::ConnectionError | Word::Closed)).await
}

/// Sends these bytes while it listens for such a word.
async fn hears(world: &World, bytes: &[u8], is_meant: impl Fn(&Word) -> bool) -> Word {
    let (mut reader, mut writer) = tokio::io::split(connects(world).await);
    let send = async {
        let _sent = writer.write_all(bytes).await;
        let _sent = writer.flush().await;
        std::future::pending::<Word>().await
    };
    let listen = async {
        loop {
            match next_word(&mut reader).await {
                Some(word) if is_meant(&word) => return word,
                _ => {}
            }
        }
    };
    let either = async {
        tokio::select! {
            word = send => word,
            word = listen => word,
        }
    };
    timeout(PATIENCE, either).await.unwrap()
}

/// The next frame, if it is a word.
async fn next_word<IO: AsyncRead + Unpin>(reader: &mut IO) -> Option<Word> {
    let mut header = [0; 9];
    if reader.read_exact(&mut header).await.is_err() {
        return Some(Word::Closed);
    }
    let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
    let mut payload = vec![0; length as usize];
    if reader.read_exact(&mut payload).await.is_err() {
        return Some(Word::Closed);
    }
    match header[3] {
        HEADERS => Some(Word::Answer(payload[0])),
        RESET => Some(Word::StreamError),
        // Without an error it is only a farewell.
        GOAWAY if payload[4..8] != [0; 4] => Some(Word::ConnectionError),
        _ => None,
    }
}

async fn still_serves(world: &World) {
    let client = world.bot.speaks_http2(HOST).await;
    assert_eq!(client.gets("https://modern.test/v1/still").await.unwrap().body, "hello");
    let saw = world.upstream_saw();
    assert!(saw.len() == 1 && saw[0].starts_with("GET /v1/still"), "{saw:?}");
}

#[tokio::test]
async fn an_ordinary_request_written_by_hand_is_answered() {
    let world = World::new().await;
    assert_eq!(answered(&world, &request(1, &[])).await, Word::Answer(OK));
    assert_eq!(answered(&world, &request(1, &[("te", "trailers")])).await, Word::Answer(OK));
    assert_eq!(world.upstream_saw().len(), 2);
}

// threat 91, threat 75, threat 85

// threat 83: the library drops a fragment before anybody decides, so it is not sent on either.

// threat 90

// threat 91

// threat 91

// threat 91

#[tokio::test]
async fn a_body_of_another_length_than_announced_is_never_complete() {
    let world = World::new().await;
    for (announced, body) in [("3", &b"hello"[..]), ("10", b"hello"), ("0", b"hello"), ("5", b"")] {
        let head = [fields(&GET), fields(&[("content-length", announced)])].concat();
        let sent = [frame(HEADERS, END_HEAD, 1, &head), frame(DATA, END_STREAM, 1, body)].concat();
        let word = answered(&world, &sent).await;
        assert!(!matches!(word, Word::Answer(OK)), "{announced}: {word:?}");
    }
    let two = request(1, &[("content-length", "0"), ("content-length", "5")]);
    assert!(!matches!(answered(&world, &two).await, Word::Answer(OK)));
    for request in world.upstream_saw() {
        assert!(request.ends_with("\r\n\r\n"), "{request}");
    }
    let client = world.bot.speaks_http2(HOST).await;
    assert_eq!(client.gets("https://modern.test/v1/still").await.unwrap().body, "hello");
}

// threat 91

#[tokio::test]
async fn a_stream_has_a_number_that_is_odd_and_new() {
    let world = World::new().await;
    let never = fields(&[&GET[..3], &[(":path", "/v1/never")]].concat());
    let opens = |stream| frame(HEADERS, WHOLE, stream, &never);
    for (what, frames) in [
        ("nought", request(0, &[])),
        ("even", request(2, &[])),
        ("used", [opens(1), request(1, &[])].concat()),
        ("passed over", [opens(5), request(3, &[])].concat()),
        ("data on nought", frame(DATA, END_STREAM, 0, b"hello")),
        ("data on an idle one", frame(DATA, END_STREAM, 7, b"hello")),
        ("settings on one", frame(SETTINGS, 0, 1, &[])),
    ] {
        let word = answered(&world, &frames).await;
        let is_refused = matches!(word, Word::StreamError | Word::ConnectionError | Word::Closed);
        assert!(is_refused, "{what}: {word:?}");
    }
    let saw = world.upstream_saw();
    assert!(saw.iter().all(|request| request.starts_with("GET /v1/never ")), "{saw:?}");
    let client = world.bot.speaks_http2(HOST).await;
    assert_eq!(client.gets("https://modern.test/v1/still").await.unwrap().body, "hello");
}

// threat 90: what begins like HTTP/2 without TLS having agreed on it is not spoken.

#[tokio::test]
async fn http2_is_spoken_only_where_tls_agreed_on_it() {
    let world = World::new().await;
    let mut stream = world.connects().await;
    let bytes = [PREFACE, &frame(SETTINGS, 0, 0, &[]), &request(1, &[])].concat();
    stream.write_all(&bytes).await.unwrap();
    let mut said = Vec::new();
    let _closed = timeout(PATIENCE, stream.read_to_end(&mut said)).await.unwrap();
    assert!(said.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&said));
    let inside =
        world.says_inside("private.test", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    assert!(inside.starts_with("HTTP/1.1 400 "), "{inside}");
    still_serves(&world).await;
}

// threat 93
