//! Captured runs: the doors that were handed over, and what the run has asked for by name.
//!
//! Owns one small task a door, which ends with its run. A run that has doors costs the server
//! those, its table of names, and nothing else until somebody comes in.

mod names;

use std::collections::HashMap;
use std::io;
use std::net::{TcpListener as StdListener, UdpSocket as StdSocket};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use marque_crypto::SystemRandom;
use marque_crypto::random::bytes;
use marque_domain::{Id, Run};
use marque_plane::{Door, DoorKind, DoorProof, HandedDoors, LiveRun, Presented};
use rustix::net::{SocketType, sockopt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;
use tokio::time::sleep;

pub(crate) use self::names::{Names, is_made_up};
use crate::door;
use crate::gateway::{Shared, next_of};
use crate::session::Session;

/// Most doors of one run.
const DOORS_MAX: usize = 64;
/// Longest question that is read of a datagram: what our answers say we take.
const DATAGRAM_MAX_BYTES: usize = 1232;
/// How long a door for names rests after an error.
const ERROR_PAUSE: Duration = Duration::from_millis(10);

/// The captured runs that have doors here.
#[derive(Default)]
pub(crate) struct CapturedRuns(Mutex<HashMap<Id<Run>, Weak<CapturedRun>>>);

/// One captured run, for as long as a door of it is served.
pub(crate) struct CapturedRun {
    pub(crate) shared: Arc<Shared>,
    proof: DoorProof,
    names: Mutex<Names>,
    doors: Mutex<usize>,
}

/// A door that is listened at.
enum Listening {
    Tcp(TcpListener, u16),
    Names(UdpSocket),
}

/// Serves doors as they are handed over, until the gateway stops.
pub(crate) async fn take_in(shared: Arc<Shared>, mut handed: mpsc::Receiver<HandedDoors>) {
    loop {
        let next = tokio::select! {
            biased;
            () = shared.shutdown.cancelled() => return,
            next = handed.recv() => next,
        };
        let Some(HandedDoors { proof, doors, served }) = next else { return };
        let (run, count) = (proof.live().run, doors.len());
        let opened = open(&shared, &proof, doors);
        match &opened {
            Ok(()) => tracing::debug!(%run, doors = count, "doors of a captured run are served"),
            Err(reason) => tracing::warn!(%run, reason, "doors of a captured run are not served"),
        }
        // Whoever handed them over may be gone.
        let _told = served.send(opened);
    }
}

// All of them or none: a run with half of its doors would be hard to understand.
fn open(shared: &Arc<Shared>, proof: &DoorProof, doors: Vec<Door>) -> Result<(), String> {
    if proof.live().is_cancelled() {
        return Err("the run is over".to_owned());
    }
    let count = doors.len();
    if count > DOORS_MAX {
        return Err(too_many());
    }
    let doors: Vec<Listening> = doors.into_iter().map(listen).collect::<Result<_, _>>()?;
    let run = shared.captured.of(shared, proof);
    run.make_room(count)?;
    for door in doors {
        let run = Arc::clone(&run);
        match door {
            Listening::Tcp(listener, port) => {
                shared.tasks.spawn(accept(run, listener, port));
            }
            Listening::Names(socket) => {
                shared.tasks.spawn(answer(run, socket));
            }
        }
    }
    Ok(())
}

fn too_many() -> String {
    format!("a run has at most {DOORS_MAX} doors; open fewer ports")
}

fn listen(door: Door) -> Result<Listening, String> {
    let Door { kind, listener } = door;
    let unfit = |error: io::Error| format!("a door is not usable: {error}");
    match kind {
        DoorKind::Tcp { port } => {
            is_listening(&listener).map_err(unfit)?;
            let listener = StdListener::from(listener);
            listener.set_nonblocking(true).map_err(unfit)?;
            let listener = TcpListener::from_std(listener).map_err(unfit)?;
            Ok(Listening::Tcp(listener, port))
        }
        DoorKind::Names => {
            is_of(SocketType::DGRAM, &listener).map_err(unfit)?;
            let socket = StdSocket::from(listener);
            socket.set_nonblocking(true).map_err(unfit)?;
            UdpSocket::from_std(socket).map(Listening::Names).map_err(unfit)
        }
        DoorKind::Control => Err("the control door is not the gateway's to serve".to_owned()),
    }
}

// What is taken for something else would fail for ever instead of once.
fn is_listening(socket: &OwnedFd) -> io::Result<()> {
    is_of(SocketType::STREAM, socket)?;
    if sockopt::socket_acceptconn(socket)? {
        Ok(())
    } else {
        Err(io::ErrorKind::NotConnected.into())
    }
}

fn is_of(kind: SocketType, socket: &OwnedFd) -> io::Result<()> {
    let is_inet = StdSocket::from(socket.try_clone()?).local_addr().is_ok();
    if is_inet && sockopt::socket_type(socket)? == kind {
        Ok(())
    } else {
        Err(io::ErrorKind::InvalidInput.into())
    }
}

async fn accept(run: Arc<CapturedRun>, listener: TcpListener, port: u16) {
    let shared = &run.shared;
    loop {
        let accepted = tokio::select! {
            biased;
            () = run.live().cancelled() => return,
            () = shared.shutdown.cancelled() => return,
            accepted = next_of(&listener) => accepted,
        };
        let Ok(stream) = accepted else { return };
        match Session::of_run(Arc::clone(shared), run.live()) {
            Ok(session) => {
                let served = door::captured::serve(Arc::clone(&run), session, (stream, port));
                shared.tasks.spawn(served);
            }
            // Nobody knows yet in which protocol it could be told.
            Err(_crowded) => {
                tracing::debug!(run = %run.live().run, port, "a connection found no place");
                let _reset = stream.set_zero_linger();
            }
        }
    }
}

async fn answer(run: Arc<CapturedRun>, socket: UdpSocket) {
    let mut datagram = [0; DATAGRAM_MAX_BYTES];
    loop {
        let received = tokio::select! {
            biased;
            () = run.live().cancelled() => return,
            () = run.shared.shutdown.cancelled() => return,
            received = socket.recv_from(&mut datagram) => received,
        };
        let Ok((size, asker)) = received else {
            // Mostly of earlier answers, whose asker is gone.
            sleep(ERROR_PAUSE).await;
            continue;
        };
        let question = datagram.get(..size).unwrap_or_default();
        if let Some(answer) = run.names().answer(question) {
            // Where there is no room for it now, the asker asks again.
            let _sent = socket.try_send_to(&answer, asker);
        }
    }
}

impl CapturedRuns {
    /// That run as it is served, or will be.
    fn of(&self, shared: &Arc<Shared>, proof: &DoorProof) -> Arc<CapturedRun> {
        let live = proof.live();
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = runs.get(&live.run).and_then(Weak::upgrade)
            && Arc::ptr_eq(known.live(), live)
        {
            return known;
        }
        runs.retain(|_, run| run.strong_count() > 0);
        let run = Arc::new(CapturedRun {
            shared: Arc::clone(shared),
            proof: proof.duplicate(),
            names: Mutex::new(Names::beginning_at(u32::from_be_bytes(bytes(&SystemRandom)))),
            doors: Mutex::default(),
        });
        runs.insert(live.run, Arc::downgrade(&run));
        run
    }
}

impl CapturedRun {
    /// The living run.
    pub(crate) fn live(&self) -> &Arc<LiveRun> {
        self.proof.live()
    }

    /// What proves the run to the road.
    pub(crate) fn presented(&self) -> Presented {
        Presented::Door(self.proof.duplicate())
    }

    /// The names it asked for.
    pub(crate) fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make_room(&self, count: usize) -> Result<(), String> {
        let mut doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        if *doors + count > DOORS_MAX {
            return Err(too_many());
        }
        *doors += count;
        Ok(())
    }
}
