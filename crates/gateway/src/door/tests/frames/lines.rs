//! Frames whose own numbers lie (threat 91): what was decided is sent on whole, or the stream or
//! the line ends.

use marque_domain::Outcome;

use super::super::world::World;
use super::{
    CONTINUATION, DATA, END_HEAD, END_STREAM, GET, HEADERS, OK, PREFACE, RESET, SETTINGS, WHOLE,
    Word, answered, ended, fields, frame, request, still_serves,
};

const PRIORITY: u8 = 2;
const PUSH: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW: u8 = 8;
const PADDED: u8 = 0x8;
const PRIORITISED: u8 = 0x20;

/// A request with a body whose frames begin so, and never come to an end by themselves.
fn begun(more: &[u8]) -> Vec<u8> {
    let head = [fields(&GET), fields(&[("content-length", "5")])].concat();
    [frame(HEADERS, END_HEAD, 1, &head), more.to_vec()].concat()
}

/// Heads and padding.
fn heads() -> Vec<(&'static str, Vec<u8>)> {
    let head = fields(&GET);
    let (half, rest) = head.split_at(10);
    let padded = |kind, flags, padding: u8, content: &[u8]| {
        frame(kind, flags | PADDED, 1, &[&[padding], content].concat())
    };
    vec![
        ("padding beyond a head", padded(HEADERS, WHOLE, 255, &head)),
        (
            "padding as long as a head",
            padded(HEADERS, WHOLE, u8::try_from(head.len() + 1).unwrap(), &head),
        ),
        ("padding without its length", frame(HEADERS, WHOLE | PADDED, 1, &[])),
        ("padding beyond data", begun(&padded(DATA, END_STREAM, 6, b"hello"))),
        ("padding of nothing", begun(&frame(DATA, END_STREAM | PADDED, 1, &[]))),
        ("half a priority in a head", frame(HEADERS, WHOLE | PRIORITISED, 1, &[0, 0, 0])),
        (
            "a head that depends on itself",
            frame(HEADERS, WHOLE | PRIORITISED, 1, &[&[0, 0, 0, 1, 1], &head[..]].concat()),
        ),
        (
            "a head that goes on in another stream",
            [frame(HEADERS, END_STREAM, 1, half), frame(CONTINUATION, END_HEAD, 3, rest)].concat(),
        ),
        (
            "a head inside a head",
            [frame(HEADERS, END_STREAM, 1, half), frame(HEADERS, WHOLE, 3, &head)].concat(),
        ),
        (
            "data inside a head",
            [frame(HEADERS, 0, 1, half), frame(DATA, END_STREAM, 1, b"x")].concat(),
        ),
        (
            "a priority inside a head",
            [
                frame(HEADERS, END_STREAM, 1, half),
                frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 1]),
                frame(CONTINUATION, END_HEAD, 1, rest),
            ]
            .concat(),
        ),
        ("a continuation of nothing", frame(CONTINUATION, END_HEAD, 1, &head)),
        (
            "a continuation of a whole head",
            [begun(&[]), frame(CONTINUATION, END_HEAD, 1, rest)].concat(),
        ),
    ]
}

/// What follows a head.
fn bodies() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        (
            "a second head that ends nothing",
            begun(&frame(HEADERS, END_HEAD, 1, &fields(&[("x-a", "b")]))),
        ),
        (
            "a pseudo-header in trailers",
            begun(&frame(HEADERS, WHOLE, 1, &fields(&[(":path", "/v1/b")]))),
        ),
        (
            "trailers before the body",
            begun(&frame(HEADERS, WHOLE, 1, &fields(&[("content-digest", "a")]))),
        ),
        (
            "data after the end",
            begun(
                &[frame(DATA, END_STREAM, 1, b"hell"), frame(DATA, END_STREAM, 1, b"o")].concat(),
            ),
        ),
        ("a window that grows by nothing", begun(&frame(WINDOW, 0, 1, &[0; 4]))),
        (
            "a window of a stream beyond its bound",
            begun(&frame(WINDOW, 0, 1, &[0x7f, 0xff, 0xff, 0xff]).repeat(2)),
        ),
        ("a window update of three bytes", begun(&frame(WINDOW, 0, 1, &[0; 3]))),
        ("a reset of three bytes", begun(&frame(RESET, 0, 1, &[0; 3]))),
        ("a priority of four bytes", begun(&frame(PRIORITY, 0, 1, &[0; 4]))),
        ("a priority that depends on itself", begun(&frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 1]))),
    ]
}

#[tokio::test]
async fn a_frame_whose_numbers_lie_ends_its_stream_or_its_line() {
    let world = World::new().await;
    for (what, frames) in heads().into_iter().chain(bodies()) {
        let word = answered(&world, &frames).await;
        assert!(!matches!(word, Word::Answer(OK)), "{what}: {word:?}");
        for request in world.upstream_saw() {
            assert!(request.ends_with("\r\n\r\n"), "{what}: a body was sent: {request}");
        }
    }
    let outcomes = world.outcomes(0).await;
    assert!(
        !outcomes.iter().any(|outcome| matches!(outcome, Outcome::Answered { .. })),
        "{outcomes:?}"
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_line_ends_the_line() {
    let world = World::new().await;
    for (what, frames) in [
        ("a window of the line that grows by nothing", frame(WINDOW, 0, 0, &[0; 4])),
        ("a window of the line beyond its bound", frame(WINDOW, 0, 0, &[0x7f, 0xff, 0xff, 0xff])),
        ("a window of a stream that is none", frame(WINDOW, 0, 9, &[0, 0, 1, 0])),
        ("a reset of the line", frame(RESET, 0, 0, &[0; 4])),
        ("a reset of a stream that is none", frame(RESET, 0, 9, &[0; 4])),
        ("a priority of the line", frame(PRIORITY, 0, 0, &[0, 0, 0, 3, 1])),
        ("a head of the line", frame(HEADERS, WHOLE, 0, &fields(&GET))),
        ("settings of five bytes", frame(SETTINGS, 0, 0, &[0; 5])),
        ("an acknowledgement that sets something", frame(SETTINGS, 1, 0, &[0, 3, 0, 0, 0, 1])),
        (
            "a window setting beyond its bound",
            frame(SETTINGS, 0, 0, &[0, 4, 0xff, 0xff, 0xff, 0xff]),
        ),
        ("a frame size below the least", frame(SETTINGS, 0, 0, &[0, 5, 0, 0, 0, 1])),
        ("a push setting that is neither", frame(SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 2])),
        ("a ping of seven bytes", frame(PING, 0, 0, &[0; 7])),
        ("a ping of a stream", frame(PING, 0, 1, &[0; 8])),
        ("a farewell of a stream", frame(GOAWAY, 0, 1, &[0; 8])),
        ("a farewell of four bytes", frame(GOAWAY, 0, 0, &[0; 4])),
        (
            "a push by a client",
            frame(PUSH, END_HEAD, 1, &[&[0, 0, 0, 2], &fields(&GET)[..]].concat()),
        ),
        ("a preface again", PREFACE.to_vec()),
        ("HTTP/1.1", b"GET /v1/a HTTP/1.1\r\nhost: modern.test\r\n\r\n".to_vec()),
    ] {
        let sent = [frames, request(1, &[])].concat();
        let word = ended(&world, &sent).await;
        assert!(matches!(word, Word::ConnectionError | Word::Closed), "{what}: {word:?}");
        assert_eq!(world.upstream_saw(), [""; 0], "{what}");
    }
    still_serves(&world).await;
}

// What is unusual and beyond doubt is served, and is what was decided.
#[tokio::test]
async fn padding_priorities_and_pieces_change_nothing() {
    let world = World::new().await;
    let head = fields(&GET);
    let (half, rest) = head.split_at(10);
    let padding = [0; 20];
    for (what, frames) in [
        ("padding", frame(HEADERS, WHOLE | PADDED, 1, &[&[20], &head[..], &padding].concat())),
        (
            "a priority",
            frame(HEADERS, WHOLE | PRIORITISED, 1, &[&[0, 0, 0, 3, 1], &head[..]].concat()),
        ),
        (
            "a head in pieces",
            [
                frame(HEADERS, END_STREAM, 1, half),
                frame(CONTINUATION, 0, 1, &[]),
                frame(CONTINUATION, END_HEAD, 1, rest),
            ]
            .concat(),
        ),
        ("an unknown frame", [frame(0x42, 0xff, 9, b"?"), request(1, &[])].concat()),
        ("unknown flags", frame(HEADERS, WHOLE | 0x40 | 0x80, 1, &head)),
        (
            "unknown settings",
            [frame(SETTINGS, 0, 0, &[0x42, 0x42, 0, 0, 0, 1]), request(1, &[])].concat(),
        ),
        (
            "a body in empty frames",
            begun(
                &[
                    frame(DATA, 0, 1, &[]).repeat(3),
                    frame(DATA, 0, 1, b"hel"),
                    frame(DATA, END_STREAM | PADDED, 1, &[&[20], &b"lo"[..], &padding].concat()),
                ]
                .concat(),
            ),
        ),
    ] {
        assert_eq!(answered(&world, &frames).await, Word::Answer(OK), "{what}");
    }
    let saw = world.upstream_saw();
    assert_eq!(saw.len(), 7, "{saw:?}");
    assert!(saw.iter().all(|request| request.starts_with("GET /v1/a HTTP/")), "{saw:?}");
    assert!(
        saw[6].contains("content-length: 5\r\n") && saw[6].ends_with("\r\n\r\nhello"),
        "{saw:?}"
    );
}
