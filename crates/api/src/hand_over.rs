//! The hand-over: launchers of captured runs send the listeners that were made inside.
//!
//! A socket of its own beside the admin API, because descriptors cannot travel in HTTP. One
//! exchange a connection: a message with descriptors comes, one answer goes. Whatever is wrong with
//! it, every descriptor is closed before the sender hears of it.

pub(crate) mod message;
mod sockets;

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener as StdListener;
use std::time::Duration;

use http::StatusCode;
use marque_plane::{Door, DoorKind, DoorProof, HandedDoors, Presented};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};
use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::exchange::ProblemDocument;
use crate::peer::Pinned;
use crate::problem::Problem;
use crate::server::Api;
use message::{MAX_BYTES, MAX_DOORS, Message, PREFIX_BYTES};
use sockets::Network;

/// How long the message may take to come, and the answer to go.
const WIRE_DEADLINE: Duration = Duration::from_secs(5);
/// How long the doors may take until they are served.
const SERVED_DEADLINE: Duration = Duration::from_secs(5);

/// Whether this kernel tells one network from another, without which no door is taken.
///
/// # Errors
/// What it says instead, for a person.
pub fn can_tell_networks() -> Result<(), String> {
    Network::own().map(drop)
}

/// That the doors are served.
#[derive(Serialize)]
struct Served {
    ok: bool,
}

/// What came over the wire.
struct Parcel {
    bytes: Zeroizing<Vec<u8>>,
    descriptors: Vec<OwnedFd>,
}

impl Api {
    /// Takes doors until the shutdown. Those of the gateway go into `gateway`; the run's own socket
    /// is served here.
    pub async fn serve_hand_over(
        &self,
        listener: UnixListener,
        gateway: mpsc::Sender<HandedDoors>,
    ) {
        while let Some(stream) = self.next(|| listener.accept()).await {
            let Some((peer, place)) = self.welcome(&stream, &self.launchers) else { continue };
            let (api, gateway) = (self.clone(), gateway.clone());
            self.shared.tasks.spawn(async move {
                let _place = place;
                api.exchange(stream, &peer, &gateway).await;
            });
        }
    }

    async fn exchange(
        &self,
        mut stream: UnixStream,
        peer: &Pinned,
        gateway: &mpsc::Sender<HandedDoors>,
    ) {
        let taken = tokio::select! {
            taken = self.take(&mut stream, peer, gateway) => taken,
            () = self.shared.shutdown.cancelled() => Err(Problem::stopping()),
        };
        let told = match taken {
            Ok(()) => serde_json::to_vec(&Served { ok: true }),
            Err(problem) => {
                let problem = ProblemDocument::from(problem);
                tracing::info!(code = problem.code, "doors were refused");
                serde_json::to_vec(&problem)
            }
        };
        let Ok(told) = told else { return };
        let Ok(length) = u32::try_from(told.len()) else { return };
        let answer = [&length.to_be_bytes()[..], &told].concat();
        // Whoever is gone by now learns nothing.
        let _ = timeout(WIRE_DEADLINE, stream.write_all(&answer)).await;
    }

    async fn take(
        &self,
        stream: &mut UnixStream,
        peer: &Pinned,
        gateway: &mpsc::Sender<HandedDoors>,
    ) -> Result<(), Problem> {
        let plane = &self.shared.plane;
        let peer = peer.observe().ok_or_else(Problem::unknown_process)?;
        // ORDER: before anything is read. To close what a stranger sends can take as long as the
        // stranger likes, if a file system of their own is behind it; what was never received the
        // kernel lets go of by itself.
        plane.must_launch(&peer)?;
        let parcel = timeout(WIRE_DEADLINE, receive(stream)).await;
        let Parcel { bytes, descriptors } = parcel.map_err(|_| Problem::slow_message())??;
        let Message { run, secret, doors: kinds } = message::read(&bytes)?;
        let who = plane.identify_run(&Presented::RunSecret { run, secret })?;
        let proof = plane.hand_over(&who, &peer)?;
        let doors = paired(&kinds, descriptors)?;
        if !proof.make_room(doors.len()) {
            let message = "this run has handed over all the doors a run can have";
            return Err(Problem::new(StatusCode::CONFLICT, "conflict", message));
        }
        let (own, others): (Vec<_>, Vec<_>) =
            doors.into_iter().partition(|door| door.kind == DoorKind::Control);
        let own = own.into_iter().map(|door| own_socket(door.listener));
        let own = own.collect::<Result<Vec<_>, _>>()?;
        tracing::info!(run = %who.run(), doors = kinds.len(), "doors were handed over");
        if !others.is_empty() {
            pass_on(gateway, &proof, others).await?;
        }
        for listener in own {
            self.serve_run(listener, proof.duplicate());
        }
        Ok(())
    }
}

/// Each descriptor with what it is, once all are what they are said to be.
fn paired(kinds: &[DoorKind], descriptors: Vec<OwnedFd>) -> Result<Vec<Door>, Problem> {
    let (said, came) = (kinds.len(), descriptors.len());
    if said != came {
        let message = format!("the message tells of {said} doors, and {came} descriptors came");
        return Err(Problem::bad_door(message));
    }
    let own = Network::own()
        .map_err(|why| Problem::bad_door(format!("doors cannot be judged: {why}")))?;
    let pairs = kinds.iter().zip(descriptors).enumerate();
    pairs
        .map(|(place, (kind, listener))| match sockets::judge(*kind, &listener, own) {
            Ok(()) => Ok(Door { kind: *kind, listener }),
            Err(why) => Err(Problem::bad_door(format!("door {place} is not taken: {why}"))),
        })
        .collect()
}

fn own_socket(listener: OwnedFd) -> Result<UnixListener, Problem> {
    let listener = UnixListener::from_std(StdListener::from(listener));
    listener.map_err(|error| Problem::bad_door(format!("the run's socket is not served: {error}")))
}

/// Gives doors to whoever serves them, and waits until they are served.
async fn pass_on(
    gateway: &mpsc::Sender<HandedDoors>,
    proof: &DoorProof,
    doors: Vec<Door>,
) -> Result<(), Problem> {
    let (served, answer) = oneshot::channel();
    let handed = HandedDoors { proof: proof.duplicate(), doors, served };
    let passed = timeout(SERVED_DEADLINE, async {
        gateway.send(handed).await.map_err(|_| Problem::unserved("nothing serves them"))?;
        match answer.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(Problem::unserved(&why)),
            Err(_) => Err(Problem::unserved("nothing serves them")),
        }
    });
    passed.await.map_err(|_| Problem::unserved("they are not served in time"))?
}

/// Reads one message and what came with its first bytes.
async fn receive(stream: &mut UnixStream) -> Result<Parcel, Problem> {
    let mut bytes = Zeroizing::new(vec![0; PREFIX_BYTES.saturating_add(MAX_BYTES)]);
    let first = stream.async_io(Interest::READABLE, || first(stream, &mut bytes));
    let (mut filled, descriptors) = first.await.map_err(|_| Problem::broken_message())?;
    let descriptors = descriptors?;
    if filled == 0 {
        return Err(Problem::broken_message());
    }
    loop {
        let came = bytes.get(..filled).unwrap_or_default();
        match message::expected(came)? {
            Some(whole) if filled >= whole => break,
            _ => {}
        }
        let room = bytes.get_mut(filled..).unwrap_or_default();
        let more = stream.read(room).await.map_err(|_| Problem::broken_message())?;
        if more == 0 {
            return Err(Problem::broken_message());
        }
        filled = filled.saturating_add(more);
    }
    bytes.truncate(filled);
    Ok(Parcel { bytes, descriptors })
}

/// The first bytes, and the descriptors that came with them. What does not fit is closed by the
/// kernel, and then none of them are taken.
fn first(
    stream: &UnixStream,
    bytes: &mut [u8],
) -> io::Result<(usize, Result<Vec<OwnedFd>, Problem>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DOORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    // CLOEXEC at once: another thread may start a program.
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let came = recvmsg(stream, &mut [IoSliceMut::new(bytes)], &mut control, flags)?;
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    if came.flags.contains(ReturnFlags::CTRUNC) {
        let message = format!("more than {MAX_DOORS} descriptors came, or none more can be open");
        return Ok((came.bytes, Err(Problem::bad_door(message))));
    }
    Ok((came.bytes, Ok(descriptors)))
}
