//! Upstreams: HTTP/1.1 written byte by byte, and HTTP/2. They write down what they saw.
#![expect(clippy::disallowed_methods, reason = "tests own their tasks")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use super::sockets;
use super::world::{read_answer, read_head, read_until};

/// Bytes of what `/v1/large` answers.
pub(super) const LARGE: usize = 3 * 1024 * 1024;
/// Interim answers of `/v1/flood`.
const FLOOD: usize = 100;
const PAUSE: Duration = Duration::from_millis(5);

/// What upstreams saw.
#[derive(Default)]
pub(super) struct Seen {
    requests: Mutex<Vec<String>>,
    opened: AtomicUsize,
    open: AtomicUsize,
}

impl Seen {
    /// Head and body of each request.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Connections that were ever opened.
    pub(super) fn opened(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }

    /// Connections that are open now.
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Writes down one more.
    pub(super) fn note(&self, head: String) -> usize {
        let mut requests = self.requests.lock().unwrap();
        requests.push(head);
        requests.len() - 1
    }

    fn add(&self, place: usize, text: &str) {
        self.requests.lock().unwrap()[place].push_str(text);
    }
}

/// One open connection.
struct Opened(Arc<Seen>);

impl Opened {
    fn new(seen: &Arc<Seen>) -> Self {
        seen.opened.fetch_add(1, Ordering::Relaxed);
        seen.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(seen))
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Accepts as long as the test lasts; speaks HTTP/2 where TLS agrees on it.
pub(super) async fn serve(listener: TcpListener, seen: Arc<Seen>, tls: Option<TlsAcceptor>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (opened, tls) = (Opened::new(&seen), tls.clone());
        tokio::spawn(async move {
            let Some(tls) = tls else { return speak_http1(stream, &opened.0).await };
            let Ok(stream) = tls.accept(stream).await else { return };
            match stream.get_ref().1.alpn_protocol() {
                Some(b"h2") => speak_http2(stream, &opened.0).await,
                _ => speak_http1(stream, &opened.0).await,
            }
        });
    }
}

async fn speak_http1<IO: AsyncRead + AsyncWrite + Unpin>(mut stream: IO, seen: &Seen) {
    loop {
        let request = read_request(&mut stream).await;
        let Some((line, _)) = request.split_once("\r\n") else { return };
        let path = line.split(' ').nth(1).unwrap().to_owned();
        if request.contains("\r\nupgrade: ") {
            return sockets::answer(stream, (&path, &request), seen).await;
        }
        seen.note(request);
        let _told = stream.write_all(written(&path).as_bytes()).await;
        match path.as_str() {
            "/v1/closing" | "/v1/fleeting" | "/v1/half" => return,
            "/slow" => {
                while stream.write_all(b"1\r\n.\r\n").await.is_ok() {
                    sleep(PAUSE).await;
                }
            }
            _ => {}
        }
    }
}

async fn read_request<IO: AsyncRead + Unpin>(stream: &mut IO) -> String {
    let head = read_head(stream).await;
    if head.contains("transfer-encoding: chunked") {
        return head + &read_until(stream, "0\r\n\r\n").await;
    }
    read_answer(&mut std::io::Cursor::new(head).chain(stream)).await
}

fn written(path: &str) -> String {
    let early = "103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 ";
    let hello = "200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let chunked = "200 OK\r\nTrailer: grpc-status, x-evil\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer = match path {
        "/v1/moved" => {
            "302 Found\r\nLocation: https://elsewhere.test/\r\nContent-Length: 0\r\n\r\n"
        }
        "/v1/switch" => "101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "/v1/closing" => "200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
        "/v1/half" => "200 OK\r\nContent-Length: 10\r\n\r\nhello",
        "/v1/nothing" => "204 No Content\r\n\r\n",
        "/v1/same" => "304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 5\r\n\r\n",
        "/v1/head" => "200 OK\r\nContent-Length: 5\r\n\r\n",
        "/v1/broken" => "200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "/v1/never" => return String::new(),
        "/v1/large" => &format!("200 OK\r\nContent-Length: {LARGE}\r\n\r\n{}", "x".repeat(LARGE)),
        "/v1/early" => &format!("{early}{hello}"),
        "/v1/flood" => &format!("{}{hello}", early.repeat(FLOOD)),
        "/v1/grpc" => &format!("{chunked}5\r\nhello\r\n0\r\ngrpc-status: 0\r\n\r\n"),
        "/v1/evil" => &format!("{chunked}5\r\nhello\r\n0\r\ngrpc-status: 0\r\nx-evil: 1\r\n\r\n"),
        "/slow" => "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        _ => hello,
    };
    format!("HTTP/1.1 {answer}")
}

async fn speak_http2<IO: AsyncRead + AsyncWrite + Unpin>(stream: IO, seen: &Arc<Seen>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        if request.uri().path() == "/v1/fleeting" {
            connection.graceful_shutdown();
        }
        tokio::spawn(answer(request, respond, Arc::clone(seen)));
    }
}

async fn answer(request: Request<RecvStream>, respond: SendResponse<Bytes>, seen: Arc<Seen>) {
    let (head, body) = request.into_parts();
    let (path, authority) = (head.uri.path(), head.uri.authority().unwrap());
    let target = head.uri.path_and_query().unwrap();
    let mut text = format!("{} {target} HTTP/2\r\nhost: {authority}\r\n", head.method);
    for (name, value) in &head.headers {
        text.extend([name.as_str(), ": ", value.to_str().unwrap(), "\r\n"]);
    }
    let place = seen.note(text + "\r\n");
    if let Some(sent) = read_body(body).await {
        seen.add(place, &sent);
        let _told = respond_to(path, respond).await;
    }
}

async fn read_body(mut body: RecvStream) -> Option<String> {
    let mut sent = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.ok()?;
        body.flow_control().release_capacity(data.len()).ok()?;
        sent.extend_from_slice(&data);
    }
    let trailers = body.trailers().await.ok()?.unwrap_or_default();
    let trailers = trailers.iter().map(|(name, value)| format!("\r\n{name}: {value:?}"));
    Some(String::from_utf8(sent).unwrap() + &trailers.collect::<String>())
}

async fn respond_to(path: &str, mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let early = || Response::builder().status(103).header("link", "</a.css>").body(()).unwrap();
    let interims = match path {
        "/v1/early" => 1,
        "/v1/flood" => FLOOD,
        _ => 0,
    };
    for _ in 0..interims {
        respond.send_informational(early())?;
    }
    let (status, length) = match path {
        "/v1/nothing" => (204, None),
        "/v1/same" => (304, None),
        "/v1/large" => (200, Some(LARGE)),
        "/v1/half" => (200, Some(10)),
        "/slow" | "/v1/grpc" | "/v1/evil" => (200, None),
        "/v1/never" => return std::future::pending().await,
        _ => (200, Some(5)),
    };
    let mut head = Response::builder().status(status);
    head = length.into_iter().fold(head, |head, length| head.header("content-length", length));
    let is_empty = ["/v1/nothing", "/v1/same", "/v1/head"].contains(&path);
    let mut body = respond.send_response(head.body(()).unwrap(), is_empty)?;
    let is_open = ["/slow", "/v1/half", "/v1/grpc", "/v1/evil"].contains(&path);
    match path {
        _ if is_empty => return Ok(()),
        "/v1/large" => body.send_data(vec![b'x'; LARGE].into(), true)?,
        _ => body.send_data(Bytes::from_static(b"hello"), !is_open)?,
    }
    go_on(path, &mut body).await
}

async fn go_on(path: &str, body: &mut SendStream<Bytes>) -> Result<(), h2::Error> {
    match path {
        "/v1/half" => {
            sleep(PAUSE).await;
            body.send_reset(h2::Reason::INTERNAL_ERROR);
        }
        "/v1/grpc" => body.send_trailers(fields(&["grpc-status"]))?,
        "/v1/evil" => {
            let names = ["grpc-status", "authorization", "set-cookie", "x-evil", "host"];
            body.send_trailers(fields(&names))?;
        }
        "/slow" => loop {
            body.send_data(Bytes::from_static(b"."), false)?;
            sleep(PAUSE).await;
        },
        _ => {}
    }
    Ok(())
}

fn fields(names: &[&'static str]) -> HeaderMap {
    let zero = HeaderValue::from_static("0");
    names.iter().map(|name| (HeaderName::from_static(name), zero.clone())).collect()
}
