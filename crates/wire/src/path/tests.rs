use proptest::prelude::*;

use super::*;

fn check(refused: BadPath, paths: &[&str]) {
    for path in paths {
        assert_eq!(canonical_path(path), Err(refused.clone()), "{path:?}");
    }
}

#[test]
fn canonical_paths_are_sent_on_as_they_came() {
    let paths = [
        "/",
        "/v1",
        "/v1/",
        "/repos/acme/api/contents/a.b..c/...",
        "/a:b@c!$&'()+,=~-_",
        "/f%C3%BC/100%25/a%20b",
        "/C%23?x=%2f..%2F&y=%00;z=[1]{2}|\\^`",
        "/v1?",
        "/v1?a?b=/c",
        "/foo.",
        "/.well-known/x",
        "/..a/.b",
    ];
    for path in paths {
        assert_eq!(canonical_path(path).unwrap().as_str(), path);
    }
    assert_eq!(canonical_path("/f%c3%bc?x=%c3").unwrap().as_str(), "/f%C3%BC?x=%c3");
}

#[test]
fn threat_84_a_byte_with_two_harmless_spellings_gets_one() {
    let spelled = |raw| canonical_path(raw).unwrap().to_string();
    assert_eq!(spelled("/jobs/7%3adelete"), "/jobs/7:delete");
    assert_eq!(spelled("/u%40a.test/%7Eu%21%24%26%27%28%29%2c%3D"), "/u@a.test/~u!$&'(),=");
    assert_eq!(spelled("/a+b/a%2bb"), "/a+b/a%2Bb");
}

#[test]
fn a_request_path_never_looks_like_a_pattern() {
    assert_eq!(canonical_path("/a/*/**").unwrap().as_str(), "/a/%2A/%2A%2A");
}

#[test]
fn threat_84_one_slash_may_be_encoded_in_a_scoped_name_and_means_both() {
    for (raw, spelled, other) in [
        ("/@acme%2fapi", "/@acme%2Fapi", "/@acme/api"),
        ("/%40acme%2Fapi?a=%2f", "/@acme%2Fapi?a=%2f", "/@acme/api"),
        ("/-/package/@a%2fb/dist-tags", "/-/package/@a%2Fb/dist-tags", "/-/package/@a/b/dist-tags"),
        ("/@a%2fb/@c%2fd", "/@a%2Fb/@c%2Fd", "/@a/b/@c/d"),
        ("/@a%2F...", "/@a%2F...", "/@a/..."),
    ] {
        let path = canonical_path(raw).unwrap();
        assert_eq!((path.as_str(), path.other_reading().as_deref()), (spelled, Some(other)));
    }
    assert_eq!(canonical_path("/@acme/api?%2F").unwrap().other_reading(), None);
    check(
        BadPath::Separator,
        &[
            "/acme%2fapi",
            "/x@acme%2fapi",
            "/@%2fapi",
            "/@acme%2f",
            "/@acme%2f%2fapi",
            "/@acme%2fapi%2fb",
            "/@acme%2fapi%2f",
            "/@acme%2f..",
            "/@acme%2f.",
            "/@acme%5capi",
            "/@acme%2f..%5c",
            "/@acme%2f%2e%2e",
            "/@acme%2f%2e%2e%2fx",
        ],
    );
    check(BadPath::NeedlessEscape('.'), &["/@acme%2fa%2eb"]);
    check(BadPath::DoubleEncoding, &["/@acme%252fapi", "/@acme%2f%252e%252e"]);
    check(BadPath::Parameter, &["/@acme%2fapi;x", "/@acme;x%2fapi"]);
}

#[test]
fn segments_tell_a_trailing_slash_apart() {
    let segments = |path| -> Vec<String> {
        canonical_path(path).unwrap().segments().map(str::to_owned).collect()
    };
    assert_eq!(segments("/"), [""]);
    assert_eq!(segments("/v1"), ["v1"]);
    assert_eq!(segments("/v1/?a/b"), ["v1", ""]);
    assert_eq!(segments("/a%20b/c"), ["a%20b", "c"]);
    let path = canonical_path("/v1?").unwrap();
    assert_eq!((path.path(), path.query()), ("/v1", Some("")));
    assert_eq!(canonical_path("/v1").unwrap().query(), None);
}

#[test]
fn threat_84_paths_that_servers_read_differently_are_refused() {
    check(
        BadPath::DotSegment,
        &[
            "/repos/a/b/../../other",
            "/..",
            "/.",
            "/a/./b",
            "/a/..?x",
            "/%2e%2e/x",
            "/.%2E/x",
            "/a/%2e",
            "/a/%2E./b",
        ],
    );
    check(BadPath::EmptySegment, &["//", "//evil.test/x", "/a//b", "/a//", "///"]);
    check(
        BadPath::Separator,
        &["/a\\b", "/..\\x", "/a%2fb", "/..%2Fx", "/a%5cb", "/..%5C..%5Cx", "/%2F"],
    );
    check(
        BadPath::Control,
        &["/a%00", "/a%0d%0ab", "/%7F", "/%C2%85", "/a\0b", "/a\tb", "/a\r\nb"],
    );
    check(BadPath::Parameter, &["/a;x=1/b", "/..;/x", "/;", "/a%3bx", "/a%3Bx"]);
    check(
        BadPath::DoubleEncoding,
        &["/%252e%252e/x", "/a%252Fb", "/%2541", "/%25%32%65", "/%25%3265", "/%252525"],
    );
    check(
        BadPath::BadUtf8,
        &[
            "/%C0%AE%C0%AE",
            "/%c0%af",
            "/%E0%80%AF",
            "/%ED%A0%80",
            "/%FF",
            "/%C3",
            "/%C3/%A9",
            "/%80",
        ],
    );
    check(BadPath::BadEscape, &["/%", "/%2", "/%zz", "/%+1", "/%u002e", "/a?b=%", "/a?%g1"]);
    check(BadPath::NeedlessEscape('A'), &["/%41", "/x%41y"]);
    check(BadPath::NeedlessEscape('.'), &["/a%2eb", "/foo%2E", "/%2e%2e%2fx"]);
    check(BadPath::Fragment, &["/a#b", "/a?b#c", "#"]);
    check(BadPath::NotAscii, &["/\u{fc}", "/\u{ff0e}\u{ff0e}/", "/a?\u{2028}"]);
    check(BadPath::BareByte(' '), &["/a b", "/a?b c"]);
    check(BadPath::BareByte('{'), &["/{id}"]);
    check(BadPath::BareByte('"'), &["/\"", "/?\""]);
    check(BadPath::NotAbsolute, &["", "a", "?x", "*", "http://a.test/"]);
}

#[test]
fn threat_84_the_longest_path_is_8_kib() {
    let path = |bytes: usize| format!("/{}", "a".repeat(bytes - 1));
    assert!(canonical_path(&path(8192)).is_ok());
    check(BadPath::TooLong, &[&path(8193)]);
}

#[test]
fn threat_85_a_method_override_in_the_query_is_refused() {
    check(
        BadPath::MethodOverride,
        &[
            "/a?_method=DELETE",
            "/a?x=1&_METHOD=put",
            "/a?x;_method",
            "/a?%5Fmethod=DELETE",
            "/?_method",
        ],
    );
    assert!(canonical_path("/a?x=_method&my_method=1").is_ok());
}

/// One spelling of `byte`; those that mean something else when raw are always encoded.
fn respell(byte: u8, is_encoded: bool) -> String {
    let is_raw = byte.is_ascii_graphic() && !is_encoded && !b"+%?".contains(&byte);
    if is_raw { char::from(byte).to_string() } else { format!("%{byte:02x}") }
}

proptest! {
    #[test]
    fn threat_84_what_is_decided_on_is_what_a_client_library_sends(
        raw in concat!(
            "/?([a-zA-Z0-9/.%~;:@!$&'()*+,=?#_-]|%2[0-9a-fA-F]|%[cC]3%[aA]9",
            "|[\\[\\]{}|^`\\\\]){0,24}",
        ),
    ) {
        if let Ok(path) = canonical_path(&raw) {
            let sent: http::uri::PathAndQuery = path.as_str().parse().unwrap();
            prop_assert_eq!(sent.as_str(), path.as_str());
            prop_assert_eq!((sent.path(), sent.query()), (path.path(), path.query()));
            prop_assert_eq!(canonical_path(path.as_str()), Ok(path.clone()));
            prop_assert_eq!(decode(path.as_str()), decode(&raw));
        }
    }

    #[test]
    fn threat_84_the_other_reading_of_a_path_has_no_other_reading(
        raw in "(/@?[a.@]{0,2}(%2[fF])?[a.%@]{0,2}){1,4}(\\?%2f)?",
    ) {
        if let Ok(path) = canonical_path(&raw)
            && let Some(other) = path.other_reading()
        {
            let read = canonical_path(&other).unwrap();
            prop_assert_eq!(read.as_str(), other.as_str());
            prop_assert_eq!(read.other_reading(), None);
            prop_assert_eq!(decode(path.path()), decode(&other));
        }
    }

    #[test]
    fn threat_84_two_canonical_paths_that_decode_alike_are_the_same(
        raw in "/([a:@!$&'()*,=~./]|%[0-9a-fA-F]{2}|%2[0-9a-fA-F]|%3[aAdD]){1,6}",
        is_encoded in prop::collection::vec(any::<bool>(), 32),
    ) {
        if let Ok(path) = canonical_path(&raw) {
            let respelled: String = decode(&raw)
                .unwrap()
                .iter()
                .zip(is_encoded.iter().cycle())
                .map(|(&byte, &is_encoded)| respell(byte, is_encoded))
                .collect();
            // A scoped name is asked for in both readings, so they need not be one.
            let read = |path: &Path| path.other_reading().unwrap_or(path.path().to_owned());
            let respelled = canonical_path(&respelled).map(|path| read(&path));
            prop_assert!(respelled.is_err() || respelled == Ok(read(&path)));
        }
    }
}
