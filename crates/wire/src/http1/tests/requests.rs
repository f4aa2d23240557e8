use super::*;
use crate::host::BadHost;

/// The reason for which a whole request head is answered 400.
fn refused_head(head: &str) -> Option<Fault> {
    let malformed = request(head.as_bytes()).err()?;
    malformed.at_head().then(|| malformed.fault().clone())
}

#[test]
fn ordinary_requests_are_admitted() {
    let heads = [
        "GET / HTTP/1.1\r\nHost: api.test\r\n\r\n",
        "GET /a?b=c HTTP/1.1\r\nhost:api.test:8443\r\nAccept: */*\r\nX-Odd: \u{e9}\tx\r\n\r\n",
        "GET http://api.test/v1 HTTP/1.1\r\nHost: API.test:80\r\nProxy-Connection: Keep-Alive\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: api.test\r\nConnection: keep-alive, TE\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n",
        "CONNECT api.test:443 HTTP/1.1\r\nHost: api.test\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\nEmpty:\r\n\r\n",
    ];
    for head in heads {
        assert_eq!(request(head.as_bytes()), Ok(()), "{head:?}");
    }
}

#[test]
fn threat_72_doubtful_lengths_are_answered_400() {
    let twice = |name| Fault::RepeatedField { name };
    let cases = [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", Fault::TwoLengths),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", Fault::TwoLengths),
        ("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", Fault::TwoLengths),
        ("Transfer-Encoding: xchunked\r\n", Fault::BadTransferEncoding),
        ("Transfer-Encoding:\tchunked\r\n", Fault::BadTransferEncoding),
        ("Transfer-Encoding:  chunked\r\n", Fault::BadTransferEncoding),
        ("Transfer-Encoding: chunked \r\n", Fault::BadTransferEncoding),
        ("Transfer-Encoding: chunked\t\r\n", Fault::BadTransferEncoding),
        ("Transfer-Encoding: chunked, identity\r\n", Fault::BadTransferEncoding),
        ("Transfer-Encoding: identity, chunked\r\n", Fault::BadTransferEncoding),
        ("Transfer-Encoding: gzip, chunked\r\n", Fault::BadTransferEncoding),
        ("Transfer-Encoding: chunked, chunked\r\n", Fault::BadTransferEncoding),
        ("Transfer-Encoding: identity\r\n", Fault::BadTransferEncoding),
        ("Transfer-Encoding: \"chunked\"\r\n", Fault::BadTransferEncoding),
        ("Transfer-Encoding: chunked;q=1\r\n", Fault::BadTransferEncoding),
        ("Transfer-Encoding:\r\n", Fault::BadTransferEncoding),
        (
            "Transfer-Encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            twice("transfer-encoding"),
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
            Fault::BadTransferEncoding,
        ),
        ("Content-Length: 5,5\r\n", Fault::BadContentLength),
        ("Content-Length: 5, 6\r\n", Fault::BadContentLength),
        ("Content-Length: +5\r\n", Fault::BadContentLength),
        ("Content-Length: -5\r\n", Fault::BadContentLength),
        ("Content-Length: 0x5\r\n", Fault::BadContentLength),
        ("Content-Length: 05\r\n", Fault::BadContentLength),
        ("Content-Length: 5 \r\n", Fault::BadContentLength),
        ("Content-Length:  5\r\n", Fault::BadContentLength),
        ("Content-Length: 5.0\r\n", Fault::BadContentLength),
        ("Content-Length: \u{664}\r\n", Fault::BadContentLength),
        ("Content-Length:\r\n", Fault::BadContentLength),
        ("Content-Length: 9007199254740993\r\n", Fault::BadContentLength),
        ("Content-Length: 99999999999999999999999\r\n", Fault::BadContentLength),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", twice("content-length")),
        ("Content-Length: 5\r\nContent-Length: 6\r\n", twice("content-length")),
        ("Content_Length: 5\r\n", Fault::DisguisedField { name: "content-length" }),
        ("Transfer_Encoding: chunked\r\n", Fault::DisguisedField { name: "transfer-encoding" }),
    ];
    for (fields, fault) in cases {
        assert_eq!(refused_fields(fields), Some(fault), "{fields:?}");
    }
}

#[test]
fn threat_72_nothing_after_a_refused_message_is_admitted() {
    let mut guard = RequestGuard::new();
    let first = guard.admit(&get_with("Content-Length: 5,5\r\n")).unwrap_err();
    assert_eq!(guard.admit(&get_with("")), Err(first.clone()));
    assert_eq!(guard.admit(b"x"), Err(first.clone()));
    assert_eq!(guard.admit(b""), Err(first));
    assert!(!guard.is_between_messages());
}

#[test]
fn threat_72_a_length_in_http_1_0_is_only_a_content_length() {
    let head = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(refused_head(head), Some(Fault::ChunkedInHttp10));
    let head = "POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(request(head.as_bytes()), Ok(()));
}

#[test]
fn threat_73_lines_that_readers_end_differently_are_answered_400() {
    let cases = [
        ("X: y\n", Fault::BareLf),
        ("X: y\nTransfer-Encoding: chunked\r\n", Fault::BareLf),
        ("\n", Fault::BareLf),
        ("X: y\rTransfer-Encoding: chunked\r\n", Fault::BareCr),
        ("X: y\r\r\n", Fault::BareCr),
        ("X: a\0b\r\n", Fault::ControlByte),
        ("X: a\x0bb\r\n", Fault::ControlByte),
        ("X: a\x7fb\r\n", Fault::ControlByte),
        ("X: a\x1b[2J\r\n", Fault::ControlByte),
        (" X: y\r\n", Fault::ObsoleteFold),
        ("X: y\r\n z\r\n", Fault::ObsoleteFold),
        ("X: y\r\n\tContent-Length: 5\r\n", Fault::ObsoleteFold),
        ("Content-Length : 5\r\n", Fault::SpaceBeforeColon),
        ("Transfer-Encoding\t: chunked\r\n", Fault::SpaceBeforeColon),
        ("X\r\n", Fault::MissingColon),
        (": y\r\n", Fault::BadFieldName),
        ("X Y: z\r\n", Fault::BadFieldName),
        ("X(Y): z\r\n", Fault::BadFieldName),
        ("X\u{e9}: z\r\n", Fault::BadFieldName),
    ];
    for (fields, fault) in cases {
        assert_eq!(refused_fields(fields), Some(fault), "{fields:?}");
    }
}

#[test]
fn threat_73_a_head_ended_by_bare_lf_is_refused_before_a_lenient_reader_sees_its_end() {
    assert_eq!(refused_head("GET / HTTP/1.1\n"), Some(Fault::BareLf));
    assert_eq!(refused_head("GET / HTTP/1.1\r\nHost: a.test\r\n\n"), Some(Fault::BareLf));
}

#[test]
fn request_lines_have_one_form() {
    let cases = [
        ("\r\nGET / HTTP/1.1\r\n", Fault::BadRequestLine),
        ("GET /\r\n", Fault::BadRequestLine),
        ("GET  / HTTP/1.1\r\n", Fault::BadRequestLine),
        ("GET / HTTP/1.1 \r\n", Fault::BadRequestLine),
        (" GET / HTTP/1.1\r\n", Fault::BadRequestLine),
        ("GET / x HTTP/1.1\r\n", Fault::BadRequestLine),
        ("GET\t/ HTTP/1.1\r\n", Fault::BadRequestLine),
        ("GET / HTTP/0.9\r\n", Fault::UnknownVersion),
        ("GET / HTTP/1.2\r\n", Fault::UnknownVersion),
        ("GET / HTTP/2.0\r\n", Fault::UnknownVersion),
        ("GET / http/1.1\r\n", Fault::UnknownVersion),
        ("GET / HTTP/1.10\r\n", Fault::UnknownVersion),
        ("GET /a#b HTTP/1.1\r\n", Fault::BadTarget),
        ("GET /\u{e9} HTTP/1.1\r\n", Fault::BadTarget),
        ("GET v1 HTTP/1.1\r\n", Fault::BadTarget),
        ("GET * HTTP/1.1\r\n", Fault::BadTarget),
        ("GET https://api.test/ HTTP/1.1\r\n", Fault::BadTarget),
        ("GET ftp://api.test/ HTTP/1.1\r\n", Fault::BadTarget),
        ("CONNECT / HTTP/1.1\r\n", Fault::BadTargetHost(BadHost::BadLabel)),
        ("CONNECT api.test HTTP/1.1\r\n", Fault::BadTarget),
        ("PRI * HTTP/2.0\r\n", Fault::UnknownMethod),
    ];
    for (head, fault) in cases {
        assert_eq!(refused_head(head), Some(fault), "{head:?}");
    }
}

#[test]
fn threat_75_target_and_host_name_one_host() {
    let bad = |host| Some(Fault::BadHost(host));
    let cases = [
        ("GET http://a.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n", Some(Fault::HostMismatch)),
        ("GET http://a.test/ HTTP/1.1\r\nHost: a.test:81\r\n\r\n", Some(Fault::HostMismatch)),
        ("GET http://a.test:81/ HTTP/1.1\r\nHost: a.test\r\n\r\n", Some(Fault::HostMismatch)),
        ("CONNECT a.test:443 HTTP/1.1\r\nHost: b.test\r\n\r\n", Some(Fault::HostMismatch)),
        ("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:80\r\n\r\n", Some(Fault::HostMismatch)),
        ("GET / HTTP/1.1\r\n\r\n", Some(Fault::MissingHost)),
        ("GET http://a.test/ HTTP/1.1\r\n\r\n", Some(Fault::MissingHost)),
        (
            "GET / HTTP/1.1\r\nHost: a.test\r\nhost: a.test\r\n\r\n",
            Some(Fault::RepeatedField { name: "host" }),
        ),
        ("GET / HTTP/1.1\r\nHost: a.test/x\r\n\r\n", bad(BadHost::BadLabel)),
        ("GET / HTTP/1.1\r\nHost: a.test:80,90\r\n\r\n", bad(BadHost::BadPort)),
        ("GET / HTTP/1.1\r\nHost: a.test, b.test\r\n\r\n", bad(BadHost::BadLabel)),
        ("GET / HTTP/1.1\r\nHost: a.test@b.test\r\n\r\n", bad(BadHost::UserInformation)),
        ("GET / HTTP/1.1\r\nHost: u:p@b.test\r\n\r\n", bad(BadHost::UserInformation)),
        ("GET / HTTP/1.1\r\nHost: a.test \r\n\r\n", bad(BadHost::BadLabel)),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", bad(BadHost::Empty)),
        ("GET / HTTP/1.1\r\nHost: 127.1\r\n\r\n", bad(BadHost::LooseIpv4)),
        (
            "GET http://u@a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
            Some(Fault::BadTargetHost(BadHost::UserInformation)),
        ),
    ];
    for (head, fault) in cases {
        assert_eq!(refused_head(head), fault, "{head:?}");
    }
}

#[test]
fn threat_85_only_known_upper_case_methods_pass() {
    let methods = [
        "get", "Get", "TRACE", "TRACK", "PROPFIND", "MKCOL", "MOVE", "LOCK", "PURGE", "G\"T",
        "GETS", "",
    ];
    for method in methods {
        let head = format!("{method} / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        assert_eq!(refused_head(&head), Some(Fault::UnknownMethod), "{method}");
    }
}

#[test]
fn threat_85_method_overrides_are_refused_in_every_spelling() {
    let fields = [
        "X-HTTP-Method-Override",
        "x-http-method-override",
        "X_HTTP_Method_Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "X-Original-URL",
        "X_Rewrite-URL",
    ];
    for field in fields {
        let fault = refused_fields(&format!("{field}: DELETE\r\n"));
        assert!(matches!(fault, Some(Fault::Override { .. })), "{field}: {fault:?}");
    }
}

#[test]
fn threat_89_connection_names_no_field_that_somebody_relies_on() {
    let refused = [
        "authorization, x-run-id",
        "close, host",
        "cookie",
        "keep-alive,content-length",
        "Transfer-Encoding",
        "close,",
        "",
        "close;x",
        "x-anything",
    ];
    for options in refused {
        let fault = refused_fields(&format!("Connection: {options}\r\n"));
        assert_eq!(fault, Some(Fault::BadConnectionOption), "{options}");
    }
    for options in ["close", "Keep-Alive", "Upgrade, HTTP2-Settings", "TE,\tclose"] {
        assert_eq!(refused_fields(&format!("Connection: {options}\r\n")), None, "{options}");
    }
}

#[test]
fn every_part_of_a_head_has_a_bound() {
    let target = |bytes: usize| format!("GET /{} HTTP/1.1\r\n", "a".repeat(bytes - 1));
    assert_eq!(refused_head(&target(8192)), None);
    assert_eq!(refused_head(&target(8193)), Some(Fault::TargetTooLong { limit: 8192 }));
    assert_eq!(refused_head(&"a".repeat(9000)), Some(Fault::StartLineTooLong { limit: 8192 + 32 }));
    let line = |bytes: usize| format!("X: {}\r\n", "a".repeat(bytes - 5));
    assert_eq!(refused_fields(&line(16384)), None);
    assert_eq!(refused_fields(&line(16385)), Some(Fault::FieldLineTooLong { limit: 16384 }));
    assert_eq!(refused_fields(&line(16000).repeat(5)), Some(Fault::HeadTooLarge { limit: 65536 }));
    assert_eq!(refused_fields(&"X: y\r\n".repeat(99)), None);
    assert_eq!(refused_fields(&"X: y\r\n".repeat(100)), Some(Fault::TooManyFields { limit: 100 }));
}

#[test]
fn nothing_follows_a_connect_before_its_answer() {
    let connect = b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let early = [&connect[..], b"\x16\x03\x01"].concat();
    assert_eq!(request(&early), Err(Malformed::Body(Fault::BytesBeforeTunnel)));

    let mut opened = RequestGuard::new();
    opened.admit(connect).unwrap();
    opened.tunnel_opened();
    assert_eq!(opened.admit(b"\x16\x03\x01\n\0"), Ok(()));

    let mut refused = RequestGuard::new();
    refused.admit(connect).unwrap();
    refused.tunnel_refused();
    assert!(refused.is_between_messages());
    assert_eq!(refused.admit(&get_with("")), Ok(()));
    assert!(refused.admit(b"\x16\x03\x01\n").is_err());
}

// threat 90
#[test]
fn nothing_follows_an_upgrade_unless_it_is_done() {
    let upgrade = get_with("Connection: upgrade\r\nUpgrade: websocket\r\n");
    for early in [&b"\x81\x85"[..], b"GET /b HTTP/1.1\r\nHost: a.test\r\n\r\n"] {
        let bytes = [&upgrade[..], early].concat();
        assert_eq!(request(&bytes), Err(Malformed::Body(Fault::BytesBeforeTunnel)));
    }
    let mut done = RequestGuard::new();
    done.admit(&upgrade).unwrap();
    done.tunnel_opened();
    assert_eq!(done.admit(b"\x81\x85\n\0"), Ok(()));

    let with_body = get_with("Upgrade: h2c\r\nContent-Length: 3\r\n");
    let pair = [&with_body[..], b"abc", &get_with("")].concat();
    assert_eq!(request(&pair), Ok(()));
}

#[test]
fn a_connect_announces_no_body() {
    let head = "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\n";
    assert_eq!(refused_head(head), Some(Fault::BodyNotAllowed));
}

#[test]
fn no_refusal_repeats_a_field_value() {
    let malformed = request(&get_with("Authorization : Bearer hunter2\r\n")).unwrap_err();
    assert!(!format!("{malformed} {malformed:?}").contains("hunter2"));
}
