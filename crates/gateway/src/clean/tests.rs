use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, StatusCode};
use marque_domain::OnEcho;
use marque_wire::http1::hop::HELD_BACK;

use super::{Cleaner, Coming, Unclean};
use crate::packing::{gzip, stored_brotli, zlib, zstd};
use crate::scrub::Needles;

const SECRET: &str = "ghp_Zk8wQx7Tt2Lm9Rf4";
const STARS: &str = "********************";
const BODY: Coming = Coming { status: StatusCode::OK, has_body: true, is_read: false };

fn needles() -> Arc<Needles> {
    Arc::new(Needles::none().and(&[SECRET.as_bytes()]))
}

fn fields(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

fn lines(headers: &HeaderMap) -> Vec<String> {
    let told = |(name, value): (&HeaderName, &HeaderValue)| {
        format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))
    };
    let mut lines: Vec<String> = headers.iter().map(told).collect();
    lines.sort_unstable();
    lines
}

fn passing(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A cleaner that has cleaned a head with those fields, and what it left of them.
fn begun(coming: Coming, sent: &[(&str, &str)]) -> Result<(Cleaner, Vec<String>), Unclean> {
    let mut cleaner = Cleaner::new(needles(), OnEcho::Redact);
    let mut headers = fields(sent);
    cleaner.clean_head(&mut headers, &BTreeSet::new(), coming)?;
    Ok((cleaner, lines(&headers)))
}

/// What passes of a body that comes in those chunks.
fn passed(cleaner: &mut Cleaner, chunks: &[&[u8]]) -> Result<Vec<u8>, Unclean> {
    let mut data = Vec::new();
    for (index, chunk) in chunks.iter().enumerate() {
        cleaner.feed(Bytes::copy_from_slice(chunk));
        if index + 1 == chunks.len() {
            cleaner.finish();
        }
        while let Some(piece) = cleaner.next_piece()? {
            assert!(!piece.is_empty());
            data.extend_from_slice(&piece);
        }
    }
    assert!(cleaner.is_drained());
    Ok(data)
}

// threat 80
#[test]
fn fields_that_are_not_the_runs_are_held_back_and_others_stay() {
    let stay = [("link", "</next>; rel=next"), ("location", "/v2"), ("x-a", "1")];
    let mut sent: Vec<(&str, &str)> = HELD_BACK.iter().map(|name| (*name, "held")).collect();
    sent.push(("Set-Cookie", "session=1"));
    sent.extend(stay);
    let (cleaner, left) = begun(BODY, &sent).unwrap();
    assert_eq!(left, ["link: </next>; rel=next", "location: /v2", "x-a: 1"]);
    assert_eq!(cleaner.found(), 0);
}

// threat 80
#[test]
fn a_connection_passes_exactly_the_fields_it_names() {
    let mut cleaner = Cleaner::new(needles(), OnEcho::Redact);
    let cookie = format!("session={SECRET}");
    let mut headers = fields(&[
        ("set-cookie", "a=b"),
        ("set-cookie", &cookie),
        ("set-cookie2", "a=b"),
        ("www-authenticate", "Bearer"),
    ]);
    cleaner.clean_head(&mut headers, &passing(&["set-cookie"]), BODY).unwrap();
    let redacted = format!("set-cookie: session={STARS}");
    assert_eq!(lines(&headers), ["set-cookie: a=b", redacted.as_str()], "it is searched as well");
}

// threat 81
#[test]
fn a_field_that_holds_the_secret_keeps_its_length_and_one_that_is_named_so_goes() {
    let upper = SECRET.to_ascii_uppercase();
    let (cleaner, left) = begun(
        BODY,
        &[
            ("x-echo", &format!("Bearer {SECRET}, {upper}")),
            ("location", &format!("/login?token=%67{}", &SECRET[1..])),
            (&format!("x-{SECRET}"), "1"),
            ("x-clean", "ghp_"),
        ],
    )
    .unwrap();
    assert_eq!(
        left,
        [
            format!("location: /login?token=**{STARS}"),
            "x-clean: ghp_".to_owned(),
            format!("x-echo: Bearer {STARS}, {STARS}"),
        ]
    );
    assert_eq!(cleaner.found(), 3, "one a field");
}

#[test]
fn the_length_of_a_body_is_no_secret_and_stays_a_length() {
    let needles = Arc::new(Needles::none().and(&[b"1048576"]));
    let mut cleaner = Cleaner::new(needles, OnEcho::Redact);
    let mut headers = fields(&[("content-length", "1048576"), ("x-length", "1048576")]);
    cleaner.clean_head(&mut headers, &BTreeSet::new(), BODY).unwrap();
    assert_eq!(lines(&headers), ["content-length: 1048576", "x-length: *******"]);
}

// threat 81
#[test]
fn a_connection_that_cuts_ends_at_the_first_find() {
    let mut cleaner = Cleaner::new(needles(), OnEcho::Cut);
    let mut headers = fields(&[("x-echo", SECRET)]);
    let cleaned = cleaner.clean_head(&mut headers, &BTreeSet::new(), BODY);
    assert_eq!((cleaned, cleaner.found()), (Err(Unclean::Echo), 1));

    let mut cleaner = Cleaner::new(needles(), OnEcho::Cut);
    cleaner.clean_head(&mut HeaderMap::new(), &BTreeSet::new(), BODY).unwrap();
    let text = format!("clean {SECRET}");
    assert_eq!(passed(&mut cleaner, &[text.as_bytes()]), Err(Unclean::Echo));
    assert_eq!(cleaner.found(), 1);
}

// threat 81
#[test]
fn a_packed_body_is_passed_on_unpacked_without_the_fields_that_speak_of_its_packing() {
    let text = format!("{{\"token\":\"{SECRET}\"}}").repeat(50).into_bytes();
    let expected = format!("{{\"token\":\"{STARS}\"}}").repeat(50);
    for (coding, packed) in [
        ("gzip", gzip(&text)),
        ("deflate", zlib(&text)),
        ("br", stored_brotli(&text)),
        ("zstd", zstd(&text, 20)),
        ("gzip, identity, br", stored_brotli(&gzip(&text))),
    ] {
        let length = packed.len().to_string();
        let sent = [
            ("content-encoding", coding),
            ("content-length", length.as_str()),
            ("content-type", "application/json"),
            ("digest", "md5=HUXZLQLMuI/KZ5KDcJPcOA=="),
            ("content-digest", "md5=:HUXZLQLMuI/KZ5KDcJPcOA==:"),
            ("repr-digest", "md5=:HUXZLQLMuI/KZ5KDcJPcOA==:"),
            ("content-md5", "HUXZLQLMuI/KZ5KDcJPcOA=="),
            ("accept-ranges", "bytes"),
            ("etag", "\"a\""),
        ];
        let (mut cleaner, left) = begun(BODY, &sent).unwrap();
        assert_eq!(left, ["content-type: application/json", "etag: \"a\""], "{coding}");
        assert!(!cleaner.keeps_length());
        let chunks: Vec<&[u8]> = packed.chunks(7).collect();
        let data = passed(&mut cleaner, &chunks).unwrap();
        assert_eq!(String::from_utf8(data).unwrap(), expected, "{coding}");
        assert_eq!(cleaner.found(), 50, "{coding}");
    }
}

#[test]
fn an_answer_that_is_not_packed_keeps_its_fields() {
    let sent = [("content-length", "5"), ("content-encoding", "identity"), ("digest", "a=b")];
    let (mut cleaner, left) = begun(BODY, &sent).unwrap();
    assert_eq!(left, ["content-encoding: identity", "content-length: 5", "digest: a=b"]);
    assert!(cleaner.keeps_length());
    assert_eq!(passed(&mut cleaner, &[b"hello"]).unwrap(), b"hello");
}

// threat 81, fails closed
#[test]
fn what_cannot_be_looked_into_does_not_go_on() {
    for codings in ["compress", "gzip, aes128gcm", "gzip, gzip, gzip", "\u{ff}"] {
        let begun = begun(BODY, &[("content-encoding", codings)]);
        assert_eq!(begun.err(), Some(Unclean::Packed), "{codings}");
    }
    let part = Coming { status: StatusCode::PARTIAL_CONTENT, ..BODY };
    let packed = begun(part, &[("content-encoding", "gzip")]);
    assert_eq!(packed.err(), Some(Unclean::Packed), "a part of what is packed");
    assert!(begun(part, &[("content-range", "bytes 0-4/9")]).is_ok(), "a part of a text");

    let packed = gzip(SECRET.repeat(9).as_bytes());
    for broken in [&packed[..packed.len() - 1], b"not gzip", &[&packed[..], b"more"].concat()] {
        let (mut cleaner, _) = begun(BODY, &[("content-encoding", "gzip")]).unwrap();
        assert_eq!(passed(&mut cleaner, &[broken]), Err(Unclean::Packed));
    }
}

#[test]
fn where_nothing_was_injected_or_no_body_comes_a_packing_is_left_alone() {
    let sent = [("content-encoding", "compress"), ("content-length", "9")];
    let untouched = ["content-encoding: compress", "content-length: 9"];
    let bodiless = Coming { has_body: false, ..BODY };
    let (mut cleaner, left) = begun(bodiless, &sent).unwrap();
    assert_eq!(left, untouched);
    cleaner.finish_empty();
    assert!(cleaner.is_drained() && cleaner.next_piece().unwrap().is_none());

    let mut cleaner = Cleaner::new(Arc::new(Needles::none()), OnEcho::Redact);
    let mut headers = fields(&sent);
    cleaner.clean_head(&mut headers, &BTreeSet::new(), BODY).unwrap();
    assert_eq!(lines(&headers), untouched);
    assert_eq!(passed(&mut cleaner, &[b"\x1f\x9d\x90"]).unwrap(), b"\x1f\x9d\x90");
}

#[test]
fn a_body_that_is_read_here_is_unpacked_in_any_case() {
    let mut cleaner = Cleaner::new(Arc::new(Needles::none()), OnEcho::Redact);
    let mut headers = fields(&[("content-encoding", "gzip")]);
    let read = Coming { is_read: true, ..BODY };
    cleaner.clean_head(&mut headers, &BTreeSet::new(), read).unwrap();
    assert_eq!(passed(&mut cleaner, &[&gzip(b"hello")]).unwrap(), b"hello");
}

#[test]
fn the_last_piece_takes_what_was_held_along_and_nothing_is_asked_for_after_it() {
    let (mut cleaner, _) = begun(BODY, &[]).unwrap();
    cleaner.feed(Bytes::from_static(b"clean ghp_"));
    assert_eq!(cleaner.next_piece().unwrap().unwrap(), "clean ");
    assert_eq!(cleaner.next_piece().unwrap(), None, "a beginning is held");
    cleaner.feed(Bytes::from_static(b"Zk8 ghp_Zk"));
    cleaner.finish();
    assert_eq!(cleaner.next_piece().unwrap().unwrap(), "ghp_Zk8 ghp_Zk");
    assert!(cleaner.is_drained());
    assert_eq!(cleaner.next_piece().unwrap(), None);

    let (mut cleaner, _) = begun(BODY, &[]).unwrap();
    cleaner.feed(Bytes::from_static(b"ghp_Zk"));
    assert_eq!(cleaner.next_piece().unwrap(), None);
    cleaner.finish();
    assert!(!cleaner.is_drained(), "an end that comes by itself gives it out");
    assert_eq!(cleaner.next_piece().unwrap().unwrap(), "ghp_Zk");
    assert!(cleaner.is_drained());
}

// threat 74, threat 81
#[test]
fn trailers_are_cleaned_like_fields() {
    let (mut cleaner, _) = begun(BODY, &[]).unwrap();
    let mut trailers = fields(&[("grpc-message", &format!("no {SECRET}")), ("grpc-status", "7")]);
    cleaner.clean_trailers(&mut trailers).unwrap();
    assert_eq!(lines(&trailers), [format!("grpc-message: no {STARS}"), "grpc-status: 7".into()]);
    assert_eq!(cleaner.found(), 1);
}

#[test]
fn searching_is_counted_with_what_is_searched_again() {
    let (mut cleaner, _) = begun(BODY, &[]).unwrap();
    cleaner.feed(Bytes::from_static(b"clean ghp_"));
    while cleaner.next_piece().unwrap().is_some() {}
    assert_eq!(cleaner.take_searched(), 10);
    cleaner.feed(Bytes::from_static(b"Z"));
    while cleaner.next_piece().unwrap().is_some() {}
    assert_eq!(cleaner.take_searched(), 5);
}
