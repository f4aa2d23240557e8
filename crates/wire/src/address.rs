//! Where an address leads (IANA special-purpose registries, RFC 6890).
//!
//! Owns the verdict on one resolved address. Does not resolve and does not dial; the gateway
//! dials exactly the address that was judged (threats 76 and 77).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What lies behind an address. Only [`Reach::Public`] is dialled unless a connection names the
/// address or its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// The open internet.
    Public,
    /// This machine.
    Loopback,
    /// A private network: RFC 1918, unique local, site local, local-use NAT64.
    Private,
    /// The space between a carrier's customers and its NAT (RFC 6598).
    Shared,
    /// This link only.
    LinkLocal,
    /// A cloud's metadata or credential service.
    Metadata,
    /// Many receivers, or a broadcast.
    Multicast,
    /// No address at all, which many systems read as this machine.
    Unspecified,
    /// Addresses for examples.
    Documentation,
    /// Set aside, deprecated, or for tests between networks.
    Reserved,
}

impl Reach {
    /// Whether anybody may be sent there without a connection that says so.
    pub fn is_public(self) -> bool {
        self == Self::Public
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "public",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::Shared => "shared",
            Self::LinkLocal => "link-local",
            Self::Metadata => "metadata service",
            Self::Multicast => "multicast",
            Self::Unspecified => "unspecified",
            Self::Documentation => "documentation",
            Self::Reserved => "reserved",
        })
    }
}

/// Judges one address. An IPv6 address that carries an IPv4 address is judged by what it
/// carries, because that is where the packet ends up.
pub fn judge(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => judge_v4(address),
        IpAddr::V6(address) => judge_v6(address),
    }
}

fn judge_v4(address: Ipv4Addr) -> Reach {
    match address.octets() {
        // AWS (also containers, pods and DNS), GCP, Azure, Oracle, Scaleway, Alibaba.
        [169, 254, 169, 253 | 254]
        | [169, 254, 170, 2 | 23]
        | [169, 254, 42, 42]
        | [168, 63, 129, 16]
        | [192, 0, 0, 192]
        | [100, 100, 100, 200] => Reach::Metadata,
        [0, ..] => Reach::Unspecified,
        [127, ..] => Reach::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Reach::Private,
        [100, 64..=127, ..] => Reach::Shared,
        [169, 254, ..] => Reach::LinkLocal,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Reach::Documentation,
        [224..=239, ..] | [255, 255, 255, 255] => Reach::Multicast,
        [192, 0, 0, _] | [192, 88, 99, _] | [198, 18 | 19, ..] | [240..=255, ..] => Reach::Reserved,
        _ => Reach::Public,
    }
}

fn judge_v6(address: Ipv6Addr) -> Reach {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Reach::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Reach::Loopback,
        // IPv4-mapped: the socket speaks IPv4. NAT64 (RFC 6052): a translator does.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            judge_v4(carried(high, low))
        }
        // Local-use NAT64 (RFC 8215): whoever runs it decides where this goes.
        [0x64, 0xff9b, 1, _, _, _, high, low] => judge_v4(carried(high, low)).or(Reach::Private),
        // IPv4-compatible, IPv4-translated (RFC 2765), 6to4 and Teredo: out of use, so a public
        // address inside earns nothing. Teredo inverts the bits (RFC 4380 §4).
        [0, 0, 0, 0, 0 | 0xffff, 0, high, low] | [0x2002, high, low, ..] => {
            judge_v4(carried(high, low)).or(Reach::Reserved)
        }
        [0x2001, 0, .., high, low] => judge_v4(carried(!high, !low)).or(Reach::Reserved),
        // AWS, GCP, Scaleway.
        [0xfd00, 0xec2, ..]
        | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254]
        | [0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42] => Reach::Metadata,
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => Reach::Private,
        [0xfe80..=0xfebf, ..] => Reach::LinkLocal,
        [0xff00..=0xffff, ..] => Reach::Multicast,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => Reach::Documentation,
        [0x2001, 1..=0x1ff, ..] => Reach::Reserved,
        // RFC 4291 §2.4: global unicast is handed out from 2000::/3 only.
        [0x2000..=0x3fff, ..] => Reach::Public,
        _ => Reach::Reserved,
    }
}

impl Reach {
    /// `self`, or `instead` where this is public.
    fn or(self, instead: Self) -> Self {
        if self.is_public() { instead } else { self }
    }
}

fn carried(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests;
