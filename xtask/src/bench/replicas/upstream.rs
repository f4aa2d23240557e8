//! What the calls are for: a small fixed answer, an endless one, and a note of what came for whom.

use std::io::{self, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::bench::clock::Clock;
use crate::bench::http::{head, skip_body};

/// Below it nothing ends by itself.
pub(super) const ENDLESS: &str = "/v1/endless/";
/// Below it every arrival is noted, under the number that follows.
pub(super) const NOTED: &str = "/v1/noted/";
/// Between two pieces of what does not end.
const PAUSE: Duration = Duration::from_millis(5);

pub(in crate::bench) struct Upstream {
    pub(in crate::bench) address: SocketAddr,
    noted: Noted,
}

/// When what came, by number.
type Noted = Arc<Mutex<Vec<(usize, Duration)>>>;

impl Upstream {
    /// Listens until the process ends.
    pub(in crate::bench) fn listen(clock: Clock) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let upstream = Self { address: listener.local_addr()?, noted: Noted::default() };
        let noted = Arc::clone(&upstream.noted);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let noted = Arc::clone(&noted);
                // A connection ends with an error where the gateway hangs up.
                thread::spawn(move || serve(stream, clock, &noted));
            }
        });
        Ok(upstream)
    }

    /// When requests under that number arrived.
    pub(super) fn noted(&self, number: usize) -> Vec<Duration> {
        let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.iter().filter(|(under, _)| *under == number).map(|(_, at)| *at).collect()
    }
}

fn serve(stream: TcpStream, clock: Clock, noted: &Noted) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut out = stream.try_clone()?;
    let mut from = BufReader::new(stream);
    loop {
        let head = head(&mut from)?;
        let path = head.split(' ').nth(1).unwrap_or_default();
        if let Some(number) = path.strip_prefix(NOTED).and_then(|number| number.parse().ok()) {
            noted.lock().unwrap_or_else(PoisonError::into_inner).push((number, clock.now()));
        }
        skip_body(&mut from, &head)?;
        if path.starts_with(ENDLESS) {
            return stream_on(out);
        }
        let body = r#"{"id":7,"title":"An item","state":"open","labels":["a","b"],"votes":3}"#;
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n\
             {body}"
        );
        out.write_all(answer.as_bytes())?;
    }
}

fn stream_on(mut out: TcpStream) -> io::Result<()> {
    out.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    loop {
        out.write_all(b"5\r\ntick\n\r\n")?;
        thread::sleep(PAUSE);
    }
}
