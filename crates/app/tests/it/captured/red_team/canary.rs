//! What the attacks are after: servers that count who came.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What whoever gets through finds.
pub(super) const CANARY: &str = "canary-of-the-red-team";

/// A server of a test. Its threads end with the test's process.
#[derive(Clone, Default)]
pub(super) struct Canary {
    heard: Arc<AtomicUsize>,
}

impl Canary {
    /// How many came.
    pub(super) fn heard(&self) -> usize {
        self.heard.load(Ordering::SeqCst)
    }

    /// Answers whoever connects; where it listens.
    pub(super) fn tcp(&self, at: impl std::net::ToSocketAddrs) -> SocketAddr {
        let listener = TcpListener::bind(at).unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::clone(&self.heard);
        std::thread::spawn(move || {
            for mut peer in listener.incoming().map_while(Result::ok) {
                heard.fetch_add(1, Ordering::SeqCst);
                answer(&mut peer);
            }
        });
        address
    }

    /// Answers whatever is sent; where it listens.
    pub(super) fn udp(&self, at: impl std::net::ToSocketAddrs) -> SocketAddr {
        let socket = UdpSocket::bind(at).unwrap();
        let address = socket.local_addr().unwrap();
        let heard = Arc::clone(&self.heard);
        std::thread::spawn(move || {
            while let Ok((_, peer)) = socket.recv_from(&mut [0; 2048]) {
                heard.fetch_add(1, Ordering::SeqCst);
                let _gone = socket.send_to(CANARY.as_bytes(), peer);
            }
        });
        address
    }

    /// Answers whoever connects to that path, or to that abstract name after an `@`.
    pub(super) fn unix(&self, at: &str) {
        let address = match at.strip_prefix('@') {
            Some(name) => UnixAddr::from_abstract_name(name).unwrap(),
            None => UnixAddr::from_pathname(at).unwrap(),
        };
        let listener = UnixListener::bind_addr(&address).unwrap();
        let heard = Arc::clone(&self.heard);
        std::thread::spawn(move || {
            for mut peer in listener.incoming().map_while(Result::ok) {
                heard.fetch_add(1, Ordering::SeqCst);
                let _there = peer.set_read_timeout(Some(Duration::from_secs(1)));
                let _asked = peer.read(&mut [0; 1024]);
                let _gone = peer.write_all(CANARY.as_bytes());
            }
        });
    }
}

fn answer(peer: &mut std::net::TcpStream) {
    let _there = peer.set_read_timeout(Some(Duration::from_secs(1)));
    let _asked = peer.read(&mut [0; 1024]);
    let length = CANARY.len();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{CANARY}");
    let _gone = peer.write_all(answer.as_bytes());
}
