use std::io::ErrorKind;
use std::time::Duration;

use marque_wire::http1::RequestGuard;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::Guarded;

const LONG: Duration = Duration::from_secs(60);

// threat 72, threat 73
#[tokio::test]
async fn nothing_of_a_doubtful_head_is_ever_read() {
    for head in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\nHost: a.test\n\n",
        "GET / HTTP/1.1\r\nHost: a.test\r\nX : 1\r\n\r\n",
        "GET http://a.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n",
    ] {
        let (mut client, server) = duplex(4096);
        client.write_all(head.as_bytes()).await.unwrap();
        let mut guarded = Guarded::new(server, RequestGuard::new(), LONG);
        let mut read = Vec::with_capacity(4096);
        let error = guarded.read_buf(&mut read).await.unwrap_err();
        assert_eq!((error.kind(), read.len()), (ErrorKind::InvalidData, 0), "{head}");
        assert!(guarded.malformed().unwrap().at_head(), "{head}");
    }
}

// threat 93
#[tokio::test]
async fn a_silent_connection_is_cut() {
    let (_client, server) = duplex(64);
    let mut guarded = Guarded::new(server, RequestGuard::new(), Duration::from_millis(20));
    let error = guarded.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}
