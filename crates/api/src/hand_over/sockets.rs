//! What came as a door: whether each descriptor is the listener it is said to be, and elsewhere.
//!
//! A door proves its run, so nothing may reach it but the run: every listener of the internet
//! families lies in another network namespace than the server. Judged by what the kernel says of
//! the descriptor, never by what its sender says.

use std::os::fd::{AsFd as _, OwnedFd};

use marque_plane::DoorKind;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{
    AddressFamily, Protocol, SocketType, getpeername, getsockname, ipproto, sockopt,
};

/// Where names are asked for.
const NAMES_PORT: u16 = 53;

/// A network namespace, told apart from every other for as long as the machine is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network(u64);

impl Network {
    /// That of this process.
    pub(super) fn own() -> Result<Self, String> {
        // Made here and now: a stream that was accepted may be of its peer's.
        let made = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None);
        Self::of(&made.map_err(|errno| format!("no socket can be made: {errno}"))?)
    }

    /// That of a socket.
    fn of(socket: &OwnedFd) -> Result<Self, String> {
        cookie(socket).map(Self).map_err(|errno| {
            format!("its network namespace cannot be told (Linux 5.14 or newer can): {errno}")
        })
    }
}

#[cfg(target_os = "linux")]
fn cookie(socket: &OwnedFd) -> nix::Result<u64> {
    use nix::sys::socket::getsockopt;
    getsockopt(socket, option::NetnsCookie)
}

#[cfg(not(target_os = "linux"))]
fn cookie(_: &OwnedFd) -> nix::Result<u64> {
    Err(nix::errno::Errno::ENOPROTOOPT)
}

#[cfg(target_os = "linux")]
mod option {
    use nix::{getsockopt_impl, libc, sockopt_impl};

    // socket(7) of Linux 5.14: eight bytes, which no later namespace is given again.
    sockopt_impl!(
        /// The network namespace of a socket.
        NetnsCookie,
        GetOnly,
        libc::SOL_SOCKET,
        libc::SO_NETNS_COOKIE,
        u64
    );
}

/// Whether that descriptor is what its sender says; why not otherwise. It neither blocks nor passes
/// on to other programs from then on.
pub(super) fn judge(kind: DoorKind, door: &OwnedFd, own: Network) -> Result<(), String> {
    let family = sockopt::socket_domain(door).map_err(|_| "it is no socket".to_owned())?;
    match kind {
        DoorKind::Tcp { port } => {
            must_be(door, family, (SocketType::STREAM, ipproto::TCP))?;
            must_listen(door)?;
            must_be_everywhere(door, port)?;
            must_be_elsewhere(door, own)?;
        }
        DoorKind::Names => {
            must_be(door, family, (SocketType::DGRAM, ipproto::UDP))?;
            must_be_everywhere(door, NAMES_PORT)?;
            if getpeername(door).is_ok() {
                return Err("it is connected to one peer".to_owned());
            }
            must_be_elsewhere(door, own)?;
        }
        DoorKind::Control => {
            if family != AddressFamily::UNIX || type_of(door)? != SocketType::STREAM {
                return Err("it is no Unix stream socket".to_owned());
            }
            must_listen(door)?;
        }
    }
    let set = fcntl_setfd(door, FdFlags::CLOEXEC).and_then(|()| {
        let flags = fcntl_getfl(door)?;
        fcntl_setfl(door, flags | OFlags::NONBLOCK)
    });
    set.map_err(unclear)
}

fn must_be(
    door: &OwnedFd,
    family: AddressFamily,
    (kind, protocol): (SocketType, Protocol),
) -> Result<(), String> {
    let is_internet = family == AddressFamily::INET || family == AddressFamily::INET6;
    let spoken = sockopt::socket_protocol(door).map_err(unclear)?;
    if is_internet && type_of(door)? == kind && spoken == Some(protocol) {
        return Ok(());
    }
    Err(format!("it is no socket for {}", if kind == SocketType::DGRAM { "UDP" } else { "TCP" }))
}

fn type_of(door: &OwnedFd) -> Result<SocketType, String> {
    sockopt::socket_type(door).map_err(unclear)
}

fn must_listen(door: &OwnedFd) -> Result<(), String> {
    match sockopt::socket_acceptconn(door) {
        Ok(true) => Ok(()),
        Ok(false) => Err("it does not listen".to_owned()),
        Err(errno) => Err(unclear(errno)),
    }
}

// On all addresses of its family: what was dialled is told by the address it was accepted at.
fn must_be_everywhere(door: &OwnedFd, port: u16) -> Result<(), String> {
    let bound = getsockname(door.as_fd()).map_err(unclear)?;
    let bound = std::net::SocketAddr::try_from(bound).map_err(unclear)?;
    if port != 0 && bound.port() == port && bound.ip().is_unspecified() {
        return Ok(());
    }
    Err(format!("it is bound to {bound} and not to port {port} of all addresses"))
}

fn must_be_elsewhere(door: &OwnedFd, own: Network) -> Result<(), String> {
    if Network::of(door)? == own {
        return Err("it lies in the server's own network namespace, where others reach it".into());
    }
    Ok(())
}

fn unclear(errno: rustix::io::Errno) -> String {
    format!("the kernel does not say what it is: {errno}")
}

#[cfg(test)]
mod tests;
