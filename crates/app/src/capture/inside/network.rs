//! The run's network: one loopback that every address there is leads to.
//!
//! No interface leads out. What is dialled arrives at a listener of the run or nowhere, and the
//! listener sees the address that was meant.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::link::{LinkFlags, LinkMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rustix::fd::OwnedFd;
use rustix::net::{
    AddressFamily as Family, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

/// The loopback's number in every network namespace.
const LOOPBACK: u32 = 1;
/// The table that leads to this machine itself (rtnetlink(7), RT_TABLE_LOCAL).
const TABLE_LOCAL: u8 = 255;
const ANSWER_MAX_BYTES: usize = 4_096;

/// Brings the loopback up and leads every address to it.
pub(super) fn capture_everything() -> io::Result<()> {
    let kernel = socket_with(Family::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    ask(&kernel, RouteNetlinkMessage::SetLink(up()), 0)?;
    let create = NLM_F_CREATE | NLM_F_EXCL;
    for all in [IpAddr::from(Ipv4Addr::UNSPECIFIED), IpAddr::from(Ipv6Addr::UNSPECIFIED)] {
        match ask(&kernel, RouteNetlinkMessage::NewRoute(to_loopback(all)), create) {
            // A kernel without IPv6 has no such addresses to lead anywhere.
            Err(error) if all.is_ipv6() && has_no_such_family(&error) => {}
            other => other?,
        }
    }
    Ok(())
}

fn up() -> LinkMessage {
    let mut link = LinkMessage::default();
    link.header.index = LOOPBACK;
    link.header.flags = LinkFlags::Up;
    link.header.change_mask = LinkFlags::Up;
    link
}

// ip route add local ADDRESS/0 dev lo
fn to_loopback(all: IpAddr) -> RouteMessage {
    let mut route = RouteMessage::default();
    let (family, address) = match all {
        IpAddr::V4(address) => (AddressFamily::Inet, RouteAddress::Inet(address)),
        IpAddr::V6(address) => (AddressFamily::Inet6, RouteAddress::Inet6(address)),
    };
    route.header.address_family = family;
    route.header.destination_prefix_length = 0;
    route.header.table = TABLE_LOCAL;
    route.header.protocol = RouteProtocol::Boot;
    route.header.scope = RouteScope::Host;
    route.header.kind = RouteType::Local;
    route.attributes = vec![RouteAttribute::Destination(address), RouteAttribute::Oif(LOOPBACK)];
    route
}

fn ask(kernel: &OwnedFd, what: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(what));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    send(kernel, &bytes, SendFlags::empty())?;
    let mut answer = [0; ANSWER_MAX_BYTES];
    let (_, length) = recv(kernel, &mut answer, RecvFlags::empty())?;
    let answer = answer.get(..length).unwrap_or_default();
    let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(answer);
    match answer.map_err(io::Error::other)?.payload {
        NetlinkPayload::Error(error) if error.code.is_some() => Err(error.to_io()),
        NetlinkPayload::Error(_) => Ok(()),
        _ => Err(io::Error::other("the kernel's answer is none")),
    }
}

/// Whether this says that the kernel, or this network, has none of the addresses it is about: of a
/// route it says so in other words than of a socket.
pub(super) fn has_no_such_family(error: &io::Error) -> bool {
    let known = [libc::EAFNOSUPPORT, libc::EOPNOTSUPP, libc::EPFNOSUPPORT, libc::EADDRNOTAVAIL];
    error.raw_os_error().is_some_and(|code| known.contains(&code))
}
