use std::net::{IpAddr, Ipv4Addr};

use marque_wire::host::Host;

use super::{Destination, Speech, destination, speech};
use crate::captured::Names;

/// Tests have no network of their own, so that an address of this machine stands for one out
/// there: 127.18.0.0/15 for the made-up ones, 127.203.0.0/16 for 203.0.0.0/16.
pub(super) fn seen(dialled: IpAddr) -> IpAddr {
    match dialled {
        IpAddr::V4(address) => match address.octets() {
            [127, b @ 18..=19, c, d] => Ipv4Addr::new(198, b, c, d).into(),
            [127, 203, c, d] => Ipv4Addr::new(203, 0, c, d).into(),
            _ => dialled,
        },
        IpAddr::V6(_) => dialled,
    }
}

fn host(text: &str) -> Destination {
    Destination::Host(Host::parse(text).unwrap())
}

// threat 76, threat 100
#[test]
fn the_address_that_was_dialled_says_where_a_connection_leads() {
    let mut names = Names::beginning_at(0);
    let question = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x03api\x04test\0\0\x01\0\x01";
    names.answer(question).unwrap();
    let unknown = Destination::Unknown(Ipv4Addr::new(198, 18, 0, 2));
    for (address, port, expected) in [
        ("198.18.0.1", 443, host("api.test")),
        ("::ffff:198.18.0.1", 80, host("api.test")),
        ("198.18.0.2", 443, unknown),
        ("198.18.0.0", 443, Destination::Unknown(Ipv4Addr::new(198, 18, 0, 0))),
        ("198.19.255.255", 443, Destination::Unknown(Ipv4Addr::new(198, 19, 255, 255))),
        ("198.17.255.255", 443, host("198.17.255.255")),
        ("198.20.0.1", 443, host("198.20.0.1")),
        ("169.254.169.254", 80, host("169.254.169.254")),
        ("::ffff:169.254.169.254", 80, host("169.254.169.254")),
        ("fd00:ec2::254", 80, host("[fd00:ec2::254]")),
        ("10.0.0.1", 5432, host("10.0.0.1")),
        ("127.0.0.1", 443, Destination::Own),
        ("127.8.8.8", 22, Destination::Own),
        ("::ffff:127.0.0.1", 80, Destination::Own),
        ("::1", 80, Destination::Own),
        ("0.0.0.0", 80, Destination::Own),
        ("::", 80, Destination::Own),
        ("127.0.0.1", 53, Destination::Names),
        ("::1", 53, Destination::Names),
        ("8.8.8.8", 53, Destination::Names),
        ("198.18.0.1", 53, Destination::Names),
    ] {
        let found = destination(address.parse().unwrap(), port, &names);
        assert_eq!(found, expected, "{address} at {port}");
    }
}

#[test]
fn the_first_bytes_say_what_is_spoken() {
    for (first, expected) in [
        (&b""[..], None),
        (b"\x16\x03\x01\0\xfa\x01\0\0", Some(Speech::Tls)),
        (b"\x16", Some(Speech::Tls)),
        (b"SSH-2.0-", Some(Speech::Ssh)),
        (b"\0\0\0\x08\x04\xd2\x16\x2f", Some(Speech::Postgres)),
        (b"\0\0\0\x29\0\x03\0\0", Some(Speech::Postgres)),
        (b"GET / HT", Some(Speech::Http)),
        (b"SEARCH /", Some(Speech::Http)),
        (b"PRI * HT", Some(Speech::Http)),
        (b"\0\0\0\0\0\0\0\0", Some(Speech::Http)),
    ] {
        assert_eq!(speech(first), expected, "{first:?}");
    }
}
