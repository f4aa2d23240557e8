//! A relay before a database: a network that a test can slow down, silence, and cut.
//!
//! It moves bytes and reads none. What it holds back while it is silent arrives afterwards, as over
//! a link that was down for a while.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::time::Instant;

/// Pieces under way in one direction.
const UNDER_WAY: usize = 4_096;

/// Listens, and passes on to one target what it is told. It ends with its handle.
pub struct Relay {
    address: SocketAddr,
    network: Arc<Network>,
}

struct Network {
    weather: Mutex<Weather>,
    changed: Condvar,
}

#[derive(Default)]
struct Weather {
    delay: Duration,
    is_silent: bool,
    is_over: bool,
    streams: Vec<TcpStream>,
}

/// A piece of a direction, and when it may arrive; the end of it if there is none.
type Piece = (Instant, Option<Vec<u8>>);

impl Relay {
    /// A relay on this machine's loopback.
    pub fn to(target: SocketAddr) -> Self {
        Self::at(Ipv4Addr::LOCALHOST.into(), target)
    }

    /// A relay on an address of this machine.
    #[expect(clippy::disallowed_methods, reason = "it is a network, and nobody asks it to judge")]
    pub fn at(address: IpAddr, target: SocketAddr) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let network = Arc::new(Network { weather: Mutex::default(), changed: Condvar::new() });
        let relay = Self { address, network: Arc::clone(&network) };
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if network.weather().is_over {
                    return;
                }
                if let Ok(far) = TcpStream::connect(target) {
                    // Whoever breaks off at once is not served.
                    let _ = network.join(near, far);
                }
            }
        });
        relay
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A URL of the target, such that it leads through here.
    pub fn leads_to(&self, url: &str) -> String {
        let (user, rest) = url.split_once('@').unwrap();
        let (_, path) = rest.split_once('/').unwrap();
        format!("{user}@{}/{path}", self.address)
    }

    /// Everything takes this much longer from now on, in each direction.
    pub fn delays(&self, delay: Duration) {
        self.network.weather().delay = delay;
    }

    /// Nothing arrives any more, and no end either.
    pub fn falls_silent(&self) {
        self.network.weather().is_silent = true;
    }

    /// What was held back arrives.
    pub fn speaks_again(&self) {
        self.network.weather().is_silent = false;
        self.network.changed.notify_all();
    }

    /// Breaks off every connection there is.
    pub fn cuts(&self) {
        for stream in std::mem::take(&mut self.network.weather().streams) {
            // It may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Relay {
    #[expect(clippy::disallowed_methods, reason = "it calls itself")]
    fn drop(&mut self) {
        self.network.weather().is_over = true;
        self.network.changed.notify_all();
        self.cuts();
        // So that it is noticed.
        let _ = TcpStream::connect(self.address);
    }
}

impl Network {
    fn weather(&self) -> MutexGuard<'_, Weather> {
        self.weather.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(self: &Arc<Self>, near: TcpStream, far: TcpStream) -> io::Result<()> {
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        self.weather().streams.extend([near.try_clone()?, far.try_clone()?]);
        self.carry(near.try_clone()?, far.try_clone()?);
        self.carry(far, near);
        Ok(())
    }

    fn carry(self: &Arc<Self>, mut from: TcpStream, mut to: TcpStream) {
        let (sender, pieces) = sync_channel::<Piece>(UNDER_WAY);
        let sending = Arc::clone(self);
        thread::spawn(move || {
            let mut room = vec![0; 64 * 1024];
            loop {
                let read = from.read(&mut room).unwrap_or(0);
                let piece = room.get(..read).filter(|piece| !piece.is_empty()).map(<[u8]>::to_vec);
                let due = Instant::now() + sending.weather().delay;
                if sender.send((due, piece)).is_err() || read == 0 {
                    return;
                }
            }
        });
        let arriving = Arc::clone(self);
        thread::spawn(move || arriving.deliver(&pieces, &mut to));
    }

    fn deliver(&self, pieces: &Receiver<Piece>, to: &mut TcpStream) {
        for (due, piece) in pieces {
            thread::sleep(due.duration_since(Instant::now()));
            let is_silent = |weather: &mut Weather| weather.is_silent && !weather.is_over;
            drop(self.changed.wait_while(self.weather(), is_silent));
            let Some(piece) = piece else {
                let _ = to.shutdown(Shutdown::Write);
                return;
            };
            if to.write_all(&piece).is_err() {
                return;
            }
        }
    }
}
