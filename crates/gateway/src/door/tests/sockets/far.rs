//! The far end of a socket: repeats what it hears, or does what it is told.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use marque_crypto::hash::sha1;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

use super::super::upstream::Seen;
use super::super::world::CREDENTIAL;

const HELLO: &str = "403 Forbidden\r\nContent-Length: 5\r\n\r\nhello";

/// Answers a request for a socket as its path says, and serves what was opened.
pub(in crate::door::tests) async fn answer<IO: AsyncRead + AsyncWrite + Unpin>(
    mut stream: IO,
    (path, request): (&str, &str),
    seen: &Seen,
) {
    seen.note(request.to_owned());
    let key = request.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap();
    let key = if path.ends_with("/accept") { "another" } else { key };
    let accept =
        STANDARD.encode(sha1(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes()));
    let more = match path.rsplit('/').next().unwrap() {
        "extension" => "Sec-WebSocket-Extensions: permessage-deflate\r\n",
        "protocol" => "Sec-WebSocket-Protocol: none\r\n",
        "no" => {
            stream.write_all(format!("HTTP/1.1 {HELLO}").as_bytes()).await.unwrap();
            return;
        }
        _ => "",
    };
    let protocol = if path.ends_with("/other") { "h2c" } else { "websocket" };
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\
         Sec-WebSocket-Accept: {accept}\r\nX-Token: {CREDENTIAL}\r\n{more}\r\n"
    );
    let _told = stream.write_all(head.as_bytes()).await;
    serve(WebSocketStream::from_raw_socket(stream, Role::Server, None).await, seen).await;
}

async fn serve<IO: AsyncRead + AsyncWrite + Unpin>(mut socket: WebSocketStream<IO>, seen: &Seen) {
    while let Some(Ok(message)) = socket.next().await {
        let said = match message {
            Message::Text(text) => {
                seen.note(text.to_string());
                say(&text)
            }
            Message::Binary(bytes) => Some(Message::Binary(bytes)),
            Message::Ping(bytes) => {
                seen.note(format!("ping of {} bytes", bytes.len()));
                continue;
            }
            _ => continue,
        };
        let Some(said) = said else { return };
        let _heard = socket.send(said).await;
    }
}

/// What is said to that; nothing where the connection ends without a word.
fn say(text: &str) -> Option<Message> {
    let goodbye = |code: u16, reason: &str| {
        Message::Close(Some(CloseFrame { code: code.into(), reason: reason.into() }))
    };
    Some(match text {
        "leak" => Message::text(format!("{{\"a\":\"{CREDENTIAL}\"}}")),
        "leak bytes" => Message::binary(CREDENTIAL.as_bytes().to_vec()),
        "leak goodbye" => goodbye(4001, CREDENTIAL),
        "large" => Message::binary(vec![b'x'; 1024 * 1024]),
        "too large" => Message::binary(vec![b'x'; 1024 * 1024 + 1]),
        "leave" => goodbye(1000, "done"),
        "vanish" => return None,
        text => Message::text(text),
    })
}
