//! Sockets of this namespace: each is refused for what it is, and at last for where it is.

use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;

use marque_plane::DoorKind;

use super::{Network, judge};

#[test]
fn a_listener_of_the_servers_own_namespace_is_refused_and_of_another_taken() {
    let own = Network::own().unwrap();
    assert_eq!(Network::own().unwrap(), own, "a namespace is told apart by one number");
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let kind = DoorKind::Tcp { port: listener.local_addr().unwrap().port() };
    let door = OwnedFd::from(listener);
    assert!(judge(kind, &door, own).unwrap_err().contains("own network namespace"));
    assert_eq!(judge(kind, &door, Network(own.0 ^ 1)), Ok(()));
}

#[test]
fn a_door_for_names_is_a_socket_for_datagrams_that_is_connected_to_nobody() {
    let elsewhere = Network(0);
    let socket = OwnedFd::from(UdpSocket::bind("0.0.0.0:0").unwrap());
    assert!(judge(DoorKind::Names, &socket, elsewhere).unwrap_err().contains("port 53"));
    let listener = OwnedFd::from(TcpListener::bind("0.0.0.0:0").unwrap());
    assert!(judge(DoorKind::Names, &listener, elsewhere).unwrap_err().contains("UDP"));
}

#[test]
fn a_runs_own_socket_is_taken_wherever_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let door = OwnedFd::from(UnixListener::bind(dir.path().join("run.sock")).unwrap());
    assert_eq!(judge(DoorKind::Control, &door, Network::own().unwrap()), Ok(()));
}
