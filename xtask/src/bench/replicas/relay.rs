//! A longer way to the database: bytes pass when they are as old as half a round trip.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use crate::bench::clock::Clock;
use crate::bench::http::dial;

/// Pieces on their way at once.
const PIECES: usize = 4096;
const PIECE_BYTES: usize = 64 * 1024;

/// Listens, and passes what comes on to that port of this machine; the port it listens on.
pub(super) fn lay(to: u16, round_trip: Duration) -> anyhow::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            // Who cannot be connected is hung up on.
            let _ = join(near, to, round_trip / 2);
        }
    });
    Ok(port)
}

fn join(near: TcpStream, to: u16, late: Duration) -> io::Result<()> {
    let far = dial(([127, 0, 0, 1], to).into())?;
    near.set_nodelay(true)?;
    let clock = Clock::start();
    for (from, to) in [(near.try_clone()?, far.try_clone()?), (far, near)] {
        let (sender, pieces) = sync_channel(PIECES);
        thread::spawn(move || deliver(clock, &pieces, to, late));
        thread::spawn(move || {
            let mut from = from;
            let mut room = vec![0; PIECE_BYTES];
            while let Ok(length @ 1..) = from.read(&mut room) {
                let piece = room.get(..length).unwrap_or_default().to_vec();
                if sender.send((clock.now(), piece)).is_err() {
                    return;
                }
            }
        });
    }
    Ok(())
}

fn deliver(
    clock: Clock,
    pieces: &Receiver<(Duration, Vec<u8>)>,
    mut to: TcpStream,
    late: Duration,
) {
    for (sent, piece) in pieces {
        thread::sleep((sent + late).saturating_sub(clock.now()));
        if to.write_all(&piece).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
