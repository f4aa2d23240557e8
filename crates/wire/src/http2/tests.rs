use http::Request;
use proptest::prelude::*;

use super::{FrameFault, FrameGuard, as_http1};
use crate::http1::{Fault, Guard, Malformed};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn client(frames: &[Vec<u8>]) -> Result<(), FrameFault> {
    verdict(FrameGuard::of_client(), &[PREFACE, &frames.concat()].concat())
}

fn server(frames: &[Vec<u8>]) -> Result<(), FrameFault> {
    verdict(FrameGuard::of_server(), &frames.concat())
}

fn verdict(mut guard: FrameGuard, bytes: &[u8]) -> Result<(), FrameFault> {
    guard.admit(bytes).map_err(|malformed| {
        assert!(!malformed.at_head(), "nothing can be answered inside HTTP/2");
        match malformed.fault() {
            Fault::Frame(fault) => *fault,
            other => panic!("{other}"),
        }
    })
}

fn settings() -> Vec<u8> {
    frame(4, 0, 0, &[])
}

#[test]
fn an_ordinary_exchange_is_admitted() {
    let head = frame(1, 0x4, 1, &[0x82; 20]);
    let last = frame(0, 0x1, 1, b"hello");
    assert_eq!(client(&[settings(), head.clone(), last.clone()]), Ok(()));
    let interim = frame(1, 0x4, 1, &[0x88]);
    let trailers = frame(1, 0x5, 1, &[0x88]);
    assert_eq!(server(&[settings(), interim, head, last, trailers]), Ok(()));
}

// threat 91
#[test]
fn what_costs_work_and_carries_nothing_is_bounded() {
    let flood = |one: Vec<u8>| vec![one; 20_000];
    let idle = [
        settings(),
        frame(6, 0, 0, &[0; 8]),
        frame(2, 0, 1, &[0; 5]),
        frame(0, 0, 1, &[]),
        frame(8, 0, 0, &[0, 0, 0, 1]),
        frame(0xbe, 0, 0, b"?"),
    ];
    for one in idle {
        assert_eq!(client(&flood(one.clone())), Err(FrameFault::Idle), "{one:?}");
    }
    let opened_and_reset = |number: u32| {
        let stream = 2 * number + 1;
        [frame(1, 0x5, stream, &[0x82]), frame(3, 0, stream, &[0; 4])].concat()
    };
    let rapid: Vec<_> = (0..1_000).map(opened_and_reset).collect();
    assert_eq!(client(&rapid), Err(FrameFault::Resets));
    assert_eq!(server(&rapid), Ok(()));
    assert_eq!(client(&flood(frame(3, 0, 1, &[0; 4]))), Err(FrameFault::Idle));
}

// A stream that one side breaks off ends without a word of the other.
#[test]
fn streams_that_the_other_side_ended_do_not_end_the_connection() {
    let begun: Vec<_> = (0..5_000).map(|number| frame(1, 0x4, 2 * number + 1, &[0x88])).collect();
    assert_eq!(client(&begun), Ok(()));
    assert_eq!(server(&begun), Ok(()));
    let latest = vec![frame(1, 0x4, 9_999, &[0x88]); 10];
    assert_eq!(server(&[begun.clone(), latest].concat()), Err(FrameFault::Heads));
    let forgotten = [frame(1, 0x4, 1, &[0x88]), frame(1, 0x4, 3, &[0x88])].concat();
    let flood = [begun, vec![forgotten; 50_000]].concat();
    assert_eq!(server(&flood), Err(FrameFault::Idle));
}

// threat 91
#[test]
fn a_head_is_short_and_nothing_stands_inside_it() {
    let begun = frame(1, 0, 1, &[0x82]);
    let more = frame(9, 0, 1, &[0x82]);
    let endless = [vec![begun.clone()], vec![more.clone(); 20]].concat();
    assert_eq!(client(&endless), Err(FrameFault::Continuations));
    assert_eq!(client(&[begun.clone(), settings()]), Err(FrameFault::OutOfOrder));
    assert_eq!(client(&[begun, frame(9, 0, 3, &[])]), Err(FrameFault::OutOfOrder));
    assert_eq!(client(&[more]), Err(FrameFault::OutOfOrder));
    let long = frame(0, 0, 1, &vec![0; 16_385]);
    assert_eq!(client(&[long]), Err(FrameFault::TooLong));
    assert_eq!(verdict(FrameGuard::of_client(), b"GET / HTTP/1.1"), Err(FrameFault::Preface));
}

// threat 81 and threat 97: nothing is pushed, and interim answers end
#[test]
fn an_upstream_neither_pushes_nor_stalls_with_interim_answers() {
    assert_eq!(server(&[frame(5, 0x4, 1, &[0; 8])]), Err(FrameFault::Push));
    let interim = frame(1, 0x4, 1, &[0x88]);
    assert_eq!(server(&vec![interim; 11]), Err(FrameFault::Heads));
}

// A download of any size is followed by window updates, which carry no body themselves.
#[test]
fn window_updates_of_a_long_download_are_no_flood() {
    assert_eq!(client(&vec![frame(8, 0, 1, &[0, 0, 0x40, 0]); 100_000]), Ok(()));
}

// A receiver of many small messages answers some of them with frames that carry nothing.
#[test]
fn what_is_written_earns_the_frames_that_acknowledge_it() {
    let mut guard = FrameGuard::of_client();
    guard.admit(PREFACE).unwrap();
    let acknowledged = [frame(6, 0, 0, &[0; 8]), frame(8, 0, 1, &[0, 0, 0, 100])].concat();
    for _ in 0..50_000 {
        guard.wrote(2 * 109);
        guard.admit(&acknowledged).unwrap();
    }
}

fn judged(request: Request<()>) -> Result<Request<()>, Fault> {
    let (mut head, ()) = request.into_parts();
    match as_http1(&mut head) {
        Ok(()) => Ok(Request::from_parts(head, ())),
        Err(Malformed::Head(fault) | Malformed::Body(fault)) => Err(fault),
    }
}

// threat 75, threat 85, threat 91
#[test]
fn a_head_of_http2_is_held_to_the_rules_of_http1() {
    let get = |uri: &str| Request::get(uri);
    let passed = judged(get("https://api.test/v1?a=b").body(()).unwrap()).unwrap();
    assert_eq!(passed.uri(), "/v1?a=b");
    assert_eq!(passed.headers()["host"], "api.test");
    let same = get("https://api.test/").header("host", "API.test").body(()).unwrap();
    assert!(judged(same).is_ok());
    let alone = get("/v1").header("host", "api.test").body(()).unwrap();
    assert!(judged(alone).is_ok());

    let refused = |request: http::request::Builder| judged(request.body(()).unwrap()).unwrap_err();
    let other = get("https://api.test/").header("host", "evil.test");
    assert_eq!(refused(other), Fault::HostMismatch);
    let twice = get("https://api.test/").header("host", "api.test").header("host", "api.test");
    assert_eq!(refused(twice), Fault::RepeatedField { name: "host" });
    assert_eq!(refused(get("/v1")), Fault::MissingHost);
    let user = get("https://user@api.test/");
    assert!(matches!(refused(user), Fault::BadHost(_)));
    let method = Request::builder().method("TRACE").uri("https://api.test/");
    assert_eq!(refused(method), Fault::UnknownMethod);
    let over = get("https://api.test/").header("x-http-method-override", "DELETE");
    assert!(matches!(refused(over), Fault::Override { .. }));
    let lengths = get("https://api.test/").header("content-length", "+5");
    assert_eq!(refused(lengths), Fault::BadContentLength);
    let chunked = get("https://api.test/")
        .header("content-length", "5")
        .header("transfer-encoding", "chunked");
    assert_eq!(refused(chunked), Fault::TwoLengths);
    let many = (0..200).fold(get("https://api.test/"), |request, number| {
        request.header(format!("x-{number}"), "1")
    });
    assert!(matches!(refused(many), Fault::TooManyFields { .. }));
}

proptest! {
    #[test]
    fn the_verdict_on_frames_does_not_depend_on_how_they_are_cut(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        cuts in prop::collection::vec(1usize..40, 0..40),
    ) {
        let whole = FrameGuard::of_server().admit(&bytes).is_ok();
        let mut guard = FrameGuard::of_server();
        let (mut rest, mut cuts) = (&bytes[..], cuts.into_iter().cycle());
        let mut pieces = true;
        while !rest.is_empty() && pieces {
            let size = cuts.next().unwrap_or(7).min(rest.len());
            pieces = guard.admit(&rest[..size]).is_ok();
            rest = &rest[size..];
        }
        prop_assert_eq!(whole, pieces);
    }
}
