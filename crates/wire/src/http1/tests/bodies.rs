use super::*;

/// What the guard says to a chunked request body.
fn chunked(body: &[u8]) -> Result<(), Malformed> {
    request(&[&get_with("Transfer-Encoding: Chunked\r\n"), body].concat())
}

/// Whether the guard stands between messages after a chunked request body.
fn ends_with(body: &[u8]) -> bool {
    let mut guard = RequestGuard::new();
    guard.admit(&get_with("Transfer-Encoding: chunked\r\n")).unwrap();
    guard.admit(body).unwrap();
    guard.is_between_messages()
}

#[test]
fn chunked_bodies_end_where_their_sizes_say() {
    assert!(ends_with(b"0\r\n\r\n"));
    assert!(ends_with(b"5\r\nhello\r\n0\r\n\r\n"));
    assert!(ends_with(b"00A;name=\"v\"\r\n0\r\n\r\n12345\r\n000\r\nDigest: x\r\n\r\n"));
    assert!(!ends_with(b"5\r\nhello\r\n0\r\n"));
    assert!(!ends_with(b"5\r\nhello\r\n"));
    assert!(!ends_with(b"5\r\nhel"));
}

#[test]
fn threat_74_doubtful_chunks_cut_the_connection() {
    let over = Fault::BadChunkExtensions { limit: 256 };
    let megabyte = [&b"5;"[..], &b"x".repeat(1 << 20)].concat();
    let cases: [(&[u8], Fault); 19] = [
        (b"\r\n", Fault::BadChunkSize),
        (b";x\r\n", Fault::BadChunkSize),
        (b"+5\r\n", Fault::BadChunkSize),
        (b"-5\r\n", Fault::BadChunkSize),
        (b"0x5\r\n", Fault::BadChunkSize),
        (b" 5\r\n", Fault::BadChunkSize),
        (b"5 \r\n", Fault::BadChunkSize),
        (b"5 ;x\r\n", Fault::BadChunkSize),
        (b"5g\r\n", Fault::BadChunkSize),
        (b"20000000000001\r\n", Fault::BadChunkSize),
        (b"ffffffffffffffff\r\n", Fault::BadChunkSize),
        (b"10000000000000005\r\n", Fault::BadChunkSize),
        (b"5\n", Fault::BareLf),
        (b"5;x\n", Fault::BareLf),
        (b"5;\rx\r\n", Fault::BareCr),
        (b"5\r\nhelloX\r\n", Fault::ChunkOverrun),
        (b"5\r\nhello\n", Fault::ChunkOverrun),
        (b"5\r\nhello\r0\r\n", Fault::ChunkOverrun),
        (&megabyte, over),
    ];
    for (body, fault) in cases {
        assert_eq!(chunked(body), Err(Malformed::Body(fault)), "{:?}", body.get(..20));
    }
}

#[test]
fn threat_74_trailers_neither_frame_nor_route_nor_authenticate() {
    let names = [
        "Authorization",
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "Cookie",
        "Set-Cookie",
        "Connection",
        "Content-Type",
        "X-Anything",
        "grpc_status",
        "Trailer",
        "TE",
    ];
    for name in names {
        let body = format!("0\r\n{name}: x\r\n\r\n");
        let refused = Err(Malformed::Body(Fault::TrailerRefused));
        assert_eq!(chunked(body.as_bytes()), refused, "{name}");
    }
    assert_eq!(chunked(b"0\r\nServer-Timing: db;dur=1\r\ngrpc-status: 0\r\n\r\n"), Ok(()));
    let fold = Err(Malformed::Body(Fault::ObsoleteFold));
    assert_eq!(chunked(b"0\r\nDigest: x\r\n y\r\n\r\n"), fold);
    let flood = [&b"0\r\n"[..], &b"Digest: x\r\n".repeat(1000)].concat();
    let refused = Err(Malformed::Body(Fault::TrailersTooLarge { limit: 8192 }));
    assert_eq!(chunked(&flood), refused);
}

#[test]
fn a_chunk_extension_of_256_bytes_is_the_longest() {
    let chunk = |bytes: usize| [b"1;", &b"x".repeat(bytes - 1)[..], b"\r\nA\r\n"].concat();
    assert_eq!(chunked(&chunk(256)), Ok(()));
    let over = Fault::BadChunkExtensions { limit: 256 };
    assert_eq!(chunked(&chunk(257)), Err(Malformed::Body(over)));
}

#[test]
fn bodies_of_any_bytes_pass_and_the_next_request_is_judged_again() {
    let body = [&get_with("Content-Length: 6\r\n")[..], b"\r\n\0\n\xff\r"].concat();
    let mut guard = RequestGuard::new();
    guard.admit(&[&body[..], &body, &get_with("")].concat()).unwrap();
    assert!(guard.is_between_messages());
    assert_eq!(guard.admit(b"\n"), Err(Malformed::Head(Fault::BareLf)));
}

#[test]
fn a_length_of_2_to_the_53_is_followed_without_overflow() {
    let mut guard = RequestGuard::new();
    guard.admit(&get_with("Content-Length: 9007199254740992\r\n")).unwrap();
    guard.admit(&[b'x'; 4096]).unwrap();
    assert!(!guard.is_between_messages());
}
