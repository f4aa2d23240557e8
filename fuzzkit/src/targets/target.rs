//! Hosts, addresses, paths and what git asks at them: one spelling each, which stays as it is.

use std::net::{IpAddr, Ipv6Addr};

use http::Method;
use marque_wire::address::judge;
use marque_wire::git::{RepoName, route};
use marque_wire::host::{Authority, DnsName, Host};
use marque_wire::path::{Path, canonical_path};
use marque_wire::target::RequestTarget;

const METHODS: [Method; 5] =
    [Method::GET, Method::POST, Method::PUT, Method::CONNECT, Method::OPTIONS];

pub(super) fn check(data: &[u8]) {
    if let Some(bytes) = data.first_chunk::<16>() {
        address(Ipv6Addr::from(*bytes).into());
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    host(text);
    authority(text);
    if let Ok(path) = canonical_path(text) {
        canonical(&path);
    }
    for method in &METHODS {
        match RequestTarget::parse(method, text) {
            Ok(RequestTarget::Absolute(authority, path)) => {
                let again = format!("http://{authority}{path}");
                let expected = Ok(RequestTarget::Absolute(authority, path));
                assert_eq!(RequestTarget::parse(method, &again), expected);
            }
            Ok(RequestTarget::Origin(path)) => canonical(&path),
            Ok(RequestTarget::Connect(_) | RequestTarget::Asterisk) | Err(_) => {}
        }
    }
}

fn host(text: &str) {
    let Ok(host) = Host::parse(text) else { return };
    assert_eq!(Host::parse(&host.to_string()), Ok(host.clone()), "printed, it is another");
    match &host {
        Host::Address(found) => address(*found),
        Host::Name(name) => {
            let text = name.as_str();
            assert_eq!(DnsName::parse(text).as_ref(), Ok(name));
            assert!(text.parse::<IpAddr>().is_err(), "an address passed as a name");
            assert!(!text.bytes().any(|byte| byte.is_ascii_uppercase()));
        }
    }
}

fn authority(text: &str) {
    for found in [Authority::parse(text), Authority::parse_or(text, 80)].into_iter().flatten() {
        assert_ne!(found.port, 0, "port 0 passed");
        assert_eq!(Authority::parse(&found.to_string()), Ok(found));
    }
}

fn address(address: IpAddr) {
    if let IpAddr::V4(short) = address {
        let mapped = judge(short.to_ipv6_mapped().into());
        assert_eq!(judge(address), mapped, "judged otherwise within IPv6");
    }
    let is_own = match address {
        IpAddr::V4(short) => short.is_private() || short.is_link_local() || short.is_broadcast(),
        IpAddr::V6(long) => long.is_unique_local() || long.is_unicast_link_local(),
    };
    let is_own = is_own || address.is_loopback() || address.is_unspecified();
    let is_own = is_own || address.is_multicast();
    assert!(!(is_own && judge(address).is_public()), "{address} is taken for public");
}

fn canonical(path: &Path) {
    assert_eq!(canonical_path(path.as_str()).as_ref(), Ok(path), "a canonical path is another");
    assert!(path.path().starts_with('/') && !path.path().contains("//"));
    assert!(!path.path().contains('*'), "a path looks like a pattern");
    for segment in path.segments() {
        let plain = segment.to_ascii_lowercase().replace("%2e", ".");
        assert!(plain != "." && plain != "..", "a dot segment passed");
    }
    if let Some(other) = path.other_reading() {
        let read = canonical_path(&other);
        assert_eq!(read.as_ref().map(Path::as_str), Ok(other.as_str()));
    }
    for method in &METHODS {
        if let Ok(Some(found)) = route(method, path) {
            let again = RepoName::from_segments(found.repo.segments());
            assert_eq!(again.as_ref(), Ok(&found.repo), "a repository has two names");
        }
    }
}
