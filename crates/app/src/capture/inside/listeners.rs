//! The run's listeners. They are made here, in the run's network, and served outside.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;

use marque_plane::DoorKind;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};

use super::network::has_no_such_family;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1_024;
/// Where questions for names go.
const NAMES: u16 = 53;

/// Opens them all: these ports for TCP, names, and the run's own socket at `control`.
pub(super) fn doors(ports: &[u16], control: &Path) -> io::Result<Vec<(DoorKind, OwnedFd)>> {
    let mut doors = Vec::new();
    for port in ports {
        for any in everywhere(*port) {
            match tcp(any) {
                Ok(listener) => doors.push((DoorKind::Tcp { port: *port }, listener)),
                Err(error) if any.is_ipv6() && has_no_such_family(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
    for any in everywhere(NAMES) {
        match udp(any) {
            Ok(socket) => doors.push((DoorKind::Names, socket)),
            Err(error) if any.is_ipv6() && has_no_such_family(&error) => {}
            Err(error) => return Err(error),
        }
    }
    doors.push((DoorKind::Control, UnixListener::bind(control)?.into()));
    Ok(doors)
}

fn everywhere(port: u16) -> [SocketAddr; 2] {
    let six = SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0);
    [SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), SocketAddr::V6(six)]
}

fn tcp(at: SocketAddr) -> io::Result<OwnedFd> {
    let listener = socket(at, SocketType::STREAM)?;
    listen(&listener, BACKLOG)?;
    let listener = TcpListener::from(listener);
    listener.set_nonblocking(true)?;
    Ok(listener.into())
}

fn udp(at: SocketAddr) -> io::Result<OwnedFd> {
    let socket = UdpSocket::from(socket(at, SocketType::DGRAM)?);
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

// Neither address nor port is shared: nothing inside can listen beside us.
fn socket(at: SocketAddr, kind: SocketType) -> io::Result<OwnedFd> {
    let family = if at.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    if at.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    bind(&socket, &at)?;
    Ok(socket)
}
