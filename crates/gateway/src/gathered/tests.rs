use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, duplex};

use super::{Gathered, WAITING_MAX_BYTES};

fn polled<T>(poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn what_was_written_leaves_in_one_piece_and_only_when_told() {
    let (mut far, near) = duplex(1024);
    let (mut library, driver) = Gathered::pair(near);
    library.write_all(b"one ").await.unwrap();
    library.flush().await.unwrap();
    library.write_all(b"two").await.unwrap();
    library.flush().await.unwrap();
    let mut got = [0; 16];
    assert!(
        polled(|cx| {
            let mut buf = tokio::io::ReadBuf::new(&mut got);
            tokio::io::AsyncRead::poll_read(Pin::new(&mut far), cx, &mut buf)
        })
        .is_pending()
    );
    assert!(polled(|cx| driver.poll_leave(cx)).is_ready());
    assert_eq!(far.read(&mut got).await.unwrap(), 7);
    assert_eq!(&got[..7], b"one two");
    assert_eq!(driver.lock().waiting.capacity(), 0, "nothing waits, so nothing is held");
}

#[tokio::test]
async fn no_more_is_taken_than_may_wait() {
    let (_far, near) = duplex(16);
    let (mut library, driver) = Gathered::pair(near);
    let frame = vec![7; 16 * 1024];
    let mut taken = 0;
    while let Poll::Ready(size) = polled(|cx| Pin::new(&mut library).poll_write(cx, &frame)) {
        taken += size.unwrap();
        assert!(taken < 2 * WAITING_MAX_BYTES, "{taken} bytes were taken");
    }
    assert!(polled(|cx| driver.poll_leave(cx)).is_pending());
}

#[tokio::test]
async fn the_end_leaves_nothing_behind() {
    let (mut far, near) = duplex(1024);
    let (mut library, _driver) = Gathered::pair(near);
    library.write_all(b"last words").await.unwrap();
    library.shutdown().await.unwrap();
    let mut got = String::new();
    far.read_to_string(&mut got).await.unwrap();
    assert_eq!(got, "last words");
}
