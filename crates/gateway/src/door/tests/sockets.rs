//! WebSockets: which are opened, what passes in them, and how they end.

mod far;

use futures_util::{SinkExt as _, StreamExt as _};
use marque_domain::{Limits, Outcome};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::agent::Agent;
use super::is;
use super::world::{CREDENTIAL, PATIENCE, World, read_answer, read_head};
use crate::GatewaySettings;

pub(super) use far::answer;

const OPENED: Outcome = Outcome::Answered { status: 101 };
const PATH: &str = "/v1/sockets/open/echo";
const FIELDS: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                      Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// One side of an open socket, as a test holds it.
struct Near<IO>(WebSocketStream<IO>);

impl<IO: AsyncRead + AsyncWrite + Unpin> Near<IO> {
    async fn says(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The next message that is no answer to a ping.
    async fn hears(&mut self) -> Option<Result<Message, Error>> {
        let hearing = async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Pong(_) | Message::Ping(_))) => {}
                    heard => return heard,
                }
            }
        };
        timeout(PATIENCE, hearing).await.unwrap()
    }

    async fn hears_text(&mut self) -> String {
        self.hears().await.unwrap().unwrap().into_text().unwrap().to_string()
    }

    /// The code and the words of the goodbye.
    async fn is_told_goodbye(&mut self) -> (u16, String) {
        match self.hears().await {
            Some(Ok(Message::Close(Some(frame)))) => (frame.code.into(), frame.reason.to_string()),
            other => panic!("no goodbye but {other:?}"),
        }
    }
}

/// Asks for a socket on a connection to `host`.
async fn asks<IO>(mut stream: IO, target: &str, fields: &str) -> Result<Near<IO>, String>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let request = format!("GET {target} HTTP/1.1\r\n{fields}{FIELDS}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await;
    if !head.starts_with("HTTP/1.1 101 ") {
        return Err(read_answer(&mut std::io::Cursor::new(head).chain(stream)).await);
    }
    assert!(head.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
    assert!(!head.contains("sec-websocket-extensions") && !head.contains(CREDENTIAL), "{head}");
    Ok(Near(WebSocketStream::from_raw_socket(stream, Role::Client, None).await))
}

type Inside = tokio_rustls::client::TlsStream<tokio::net::TcpStream>;

async fn opens(agent: &Agent, path: &str) -> Result<Near<Inside>, String> {
    let fields = "Host: private.test\r\n";
    asks(agent.speaks_http1("private.test").await, path, fields).await
}

fn failed(code: &str) -> Outcome {
    Outcome::Failed { code: code.to_owned() }
}

fn messages(world: &World) -> Vec<String> {
    let saw = world.upstream_saw().into_iter();
    saw.filter(|seen| !seen.starts_with("GET ")).collect()
}

// threat 90
#[tokio::test]
async fn a_socket_nobody_listed_is_refused_with_the_line_that_would_allow_it() {
    let world = World::new().await;
    let answer = opens(&world.bot, "/v1/a").await.err().unwrap();
    is(&answer, 403, "refused.mandate.nothing_allows");
    assert!(answer.contains("nothing allows `private:websocket /v1/a`"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    let fields = format!("Host: plain.test\r\nProxy-Authorization: {}\r\n", world.credentials());
    let answer = asks(world.connects().await, "http://plain.test/v1/a", &fields).await;
    is(&answer.err().unwrap(), 403, "refused.mandate.nothing_allows");
    assert_eq!(world.upstream_saw(), [""; 0]);
}

#[tokio::test]
async fn a_listed_socket_passes_messages_both_ways_and_each_is_in_the_log() {
    let world = World::new().await;
    let fields = format!("Host: plain.test\r\nProxy-Authorization: {}\r\n", world.credentials());
    let target = format!("http://plain.test{PATH}");
    let mut plain = asks(world.connects().await, &target, &fields).await.ok().unwrap();
    let mut private = opens(&world.bot, PATH).await.ok().unwrap();
    plain.says("one").await;
    assert_eq!(plain.hears_text().await, "one");
    private.0.send(Message::binary(vec![0, 255])).await.unwrap();
    assert_eq!(private.hears().await.unwrap().unwrap().into_data(), vec![0, 255]);
    for socket in [&mut plain.0.close(None).await, &mut private.0.close(None).await] {
        assert!(socket.is_ok());
    }
    assert_eq!(world.outcomes(4).await, [OPENED, OPENED, OPENED, OPENED]);
    let heads: Vec<_> =
        world.upstream_saw().into_iter().filter(|seen| seen.starts_with("GET ")).collect();
    assert!(heads.iter().all(|head| head.contains(&format!(": Bearer {CREDENTIAL}\r\n"))));
    assert!(!heads.concat().contains("dGhlIHNhbXBsZSBub25jZQ=="), "{heads:?}");
}

// threat 90
#[tokio::test]
async fn extensions_are_not_offered_and_answers_that_take_more_than_was_offered_open_nothing() {
    let world = World::new().await;
    let offers = "Host: private.test\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\
                  Sec-WebSocket-Protocol: chat, log\r\n";
    let stream = world.bot.speaks_http1("private.test").await;
    let mut opened = asks(stream, PATH, offers).await.ok().unwrap();
    opened.says("one").await;
    assert_eq!(opened.hears_text().await, "one");
    let saw = world.upstream_saw().concat();
    assert!(saw.contains("sec-websocket-protocol: chat, log\r\n"), "{saw}");
    assert!(!saw.to_lowercase().contains("extensions"), "{saw}");
    for path in ["accept", "extension", "protocol", "other"] {
        let stream = world.bot.speaks_http1("private.test").await;
        let answer = asks(stream, &format!("/v1/sockets/{path}"), offers).await;
        is(&answer.err().unwrap(), 502, "failed.upgrade");
    }
    assert_eq!(world.outcomes(5).await[1..], vec![failed("failed.upgrade"); 4]);
}

#[tokio::test]
async fn an_upstream_that_opens_nothing_is_heard_as_in_any_answer() {
    let world = World::new().await;
    let answer = opens(&world.bot, "/v1/sockets/no").await.err().unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.ends_with("hello"), "{answer}");
    assert!(!answer.contains("marque-refusal"), "{answer}");
    assert_eq!(world.outcomes(1).await, [Outcome::Answered { status: 403 }]);
}

// threat 90, threat 127
#[tokio::test]
async fn a_held_message_closes_the_socket_and_goes_through_once_when_a_human_said_yes() {
    let world = World::new().await;
    let path = "/v1/sockets/asking";
    let held = async |text: &str| {
        let mut socket = opens(&world.bot, path).await.ok().unwrap();
        socket.says(text).await;
        let (code, reason) = socket.is_told_goodbye().await;
        assert_eq!(code, 1008, "{reason}");
        let words = "refused.mandate.needs_approval: marque approval give apr_";
        assert!(reason.starts_with(words), "{reason}");
    };
    held("pay 10").await;
    world.gives_the_approval().await;
    held("pay 99").await;
    assert_eq!(messages(&world), [""; 0]);
    let mut socket = opens(&world.bot, path).await.ok().unwrap();
    socket.says("pay 10").await;
    assert_eq!(socket.hears_text().await, "pay 10");
    held("pay 10").await;
    assert_eq!(messages(&world), ["pay 10"]);
}

// threat 90
#[tokio::test]
async fn a_socket_may_be_listed_for_listening_alone() {
    let world = World::new().await;
    let mut socket = opens(&world.bot, "/v1/sockets/mute").await.ok().unwrap();
    socket.says("one").await;
    let (code, reason) = socket.is_told_goodbye().await;
    assert_eq!(code, 1008);
    assert!(reason.starts_with("refused.mandate.nothing_allows: dec_"), "{reason}");
    assert_eq!(messages(&world), [""; 0]);
    assert_eq!(world.outcomes(1).await, [OPENED]);
}

#[tokio::test]
async fn every_message_is_a_call_and_its_bytes_count() {
    let world = World::new().await;
    let agent = world.opens_a_run(Limits { calls: Some(3), ..Limits::default() }).await;
    let mut socket = opens(&agent, PATH).await.ok().unwrap();
    for text in ["one", "two"] {
        socket.says(text).await;
        assert_eq!(socket.hears_text().await, text);
    }
    socket.says("three").await;
    let (code, reason) = socket.is_told_goodbye().await;
    assert!(reason.starts_with("refused.limits.calls_spent: dec_"), "{code} {reason}");
    assert_eq!(messages(&world), ["one", "two"]);

    let agent = world.opens_a_run(Limits { bytes: Some(100_000), ..Limits::default() }).await;
    let mut socket = opens(&agent, PATH).await.ok().unwrap();
    socket.says("large").await;
    let (code, reason) = socket.is_told_goodbye().await;
    assert!(reason.starts_with("refused.limits.bytes_spent"), "{code} {reason}");
    assert_eq!(world.outcomes_of(&agent, 2).await, [OPENED, failed("failed.bytes")]);
}

// threat 90, threat 178
#[tokio::test]
async fn a_kill_cuts_an_open_socket() {
    let world = World::new().await;
    let mut socket = opens(&world.bot, PATH).await.ok().unwrap();
    socket.says("one").await;
    assert_eq!(socket.hears_text().await, "one");
    world.kills_the_run().await;
    assert!(matches!(socket.hears().await, Some(Err(_))), "it is reset");
    assert_eq!(world.outcomes(2).await, [OPENED, Outcome::Cut]);
    world.lines_left_open(0).await;
}

// threat 81
#[tokio::test]
async fn a_credential_in_a_message_is_redacted_in_whatever_kind_it_comes() {
    let world = World::new().await;
    let mut socket = opens(&world.bot, PATH).await.ok().unwrap();
    let stars = "*".repeat(CREDENTIAL.len());
    for (asked, told) in [("leak", format!("{{\"a\":\"{stars}\"}}")), ("leak bytes", stars)] {
        socket.says(asked).await;
        let heard = socket.hears().await.unwrap().unwrap();
        assert_eq!(heard.into_data(), told.into_bytes(), "{asked}");
    }
    socket.says("leak goodbye").await;
    let (code, reason) = socket.is_told_goodbye().await;
    assert!(code == 4001 && reason.contains("***") && !reason.contains(CREDENTIAL), "{reason}");
}

#[tokio::test]
async fn what_is_too_long_or_no_frame_ends_the_socket() {
    let world = World::new().await;
    let mut socket = opens(&world.bot, PATH).await.ok().unwrap();
    let _cut = socket.0.send(Message::binary(vec![0; 1024 * 1024 + 1])).await;
    assert_eq!(socket.is_told_goodbye().await, (1009, "failed.request".to_owned()));

    let mut socket = opens(&world.bot, PATH).await.ok().unwrap();
    // An unmasked frame (RFC 6455 §5.1).
    socket.0.get_mut().write_all(b"\x81\x01a").await.unwrap();
    assert_eq!(socket.is_told_goodbye().await.0, 1002);

    let mut socket = opens(&world.bot, PATH).await.ok().unwrap();
    socket.says("too large").await;
    assert_eq!(socket.is_told_goodbye().await, (1011, "failed.upstream".to_owned()));
    assert_eq!(messages(&world), ["too large"]);
}

// threat 90: a client that sends on before it was answered may mean either protocol.
#[tokio::test]
async fn nothing_that_follows_an_upgrade_early_is_ever_read_as_a_request() {
    let world = World::new().await;
    let smuggled = "GET /v1/smuggled HTTP/1.1\r\nHost: private.test\r\n\r\n";
    for path in [PATH, "/v1/a"] {
        let mut stream = world.bot.speaks_http1("private.test").await;
        let upgrade = format!("GET {path} HTTP/1.1\r\nHost: private.test\r\n{FIELDS}\r\n");
        stream.write_all(format!("{upgrade}{smuggled}").as_bytes()).await.unwrap();
        let mut all = Vec::new();
        let _broken = timeout(PATIENCE, stream.read_to_end(&mut all)).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&all), "", "{path}");
    }
    let mut stream = world.bot.speaks_http1("private.test").await;
    let upgrade = format!("GET /v1/a HTTP/1.1\r\nHost: private.test\r\n{FIELDS}\r\n");
    stream.write_all(upgrade.as_bytes()).await.unwrap();
    is(&read_answer(&mut stream).await, 403, "refused.mandate.nothing_allows");
    let _late = stream.write_all(smuggled.as_bytes()).await;
    let mut all = Vec::new();
    let _broken = timeout(PATIENCE, stream.read_to_end(&mut all)).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&all), "");
    assert_eq!(world.upstream_saw(), [""; 0]);
}

#[tokio::test]
async fn pings_are_answered_at_once_and_carry_nothing_on() {
    let world = World::new().await;
    let mut socket = opens(&world.bot, PATH).await.ok().unwrap();
    socket.0.send(Message::Ping("secret plans".into())).await.unwrap();
    let heard = timeout(PATIENCE, socket.0.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(heard, Message::Pong("secret plans".into()));
    socket.says("one").await;
    assert_eq!(socket.hears_text().await, "one");
    assert_eq!(messages(&world), ["ping of 0 bytes", "one"]);
}

// threat 92: a line has the credential of its opening.
#[tokio::test]
async fn a_message_after_the_credential_was_rotated_does_not_go_with_the_old_one() {
    let world = World::new().await;
    let mut socket = opens(&world.bot, PATH).await.ok().unwrap();
    world.rotates("private").await;
    socket.says("one").await;
    let (code, reason) = socket.is_told_goodbye().await;
    assert!(code == 1012 && reason.starts_with("failed.stale"), "{code} {reason}");
    assert_eq!(messages(&world), [""; 0]);
    assert_eq!(world.outcomes(2).await, [failed("failed.stale"), OPENED]);
}

#[tokio::test]
async fn both_sides_are_told_when_the_gateway_stops_or_one_side_leaves() {
    let world = World::new().await;
    let mut leaving = opens(&world.bot, PATH).await.ok().unwrap();
    leaving.says("leave").await;
    assert_eq!(leaving.is_told_goodbye().await, (1000, "done".to_owned()));
    let mut lost = opens(&world.bot, PATH).await.ok().unwrap();
    lost.says("vanish").await;
    assert_eq!(lost.is_told_goodbye().await, (1011, "failed.upstream".to_owned()));
    let mut staying = opens(&world.bot, PATH).await.ok().unwrap();
    world.stops();
    assert_eq!(staying.is_told_goodbye().await.0, 1001);
    world.lines_left_open(0).await;
    let outcomes = world.outcomes(5).await;
    assert!(outcomes.contains(&failed("failed.upstream")), "{outcomes:?}");
    assert!(outcomes.contains(&Outcome::Abandoned), "{outcomes:?}");
}

// threat 93
#[tokio::test]
async fn a_silent_socket_is_ended() {
    let silence = std::time::Duration::from_millis(500);
    let world = World::with(GatewaySettings { silence, ..GatewaySettings::default() }).await;
    let mut socket = opens(&world.bot, PATH).await.ok().unwrap();
    let words = "nothing came for too long".to_owned();
    assert_eq!(socket.is_told_goodbye().await, (1001, words));
    assert_eq!(world.outcomes(1).await, [OPENED]);
    world.lines_left_open(0).await;
}

// threat 164
#[tokio::test]
async fn no_run_opens_more_sockets_than_its_share() {
    let world = World::new().await;
    let mut sockets = Vec::new();
    for _ in 0..16 {
        sockets.push(opens(&world.bot, PATH).await.ok().unwrap());
    }
    is(&opens(&world.bot, PATH).await.err().unwrap(), 503, "failed.crowded");
    let other = world.opens_a_run(Limits::default()).await;
    assert!(opens(&other, PATH).await.is_ok());
}
