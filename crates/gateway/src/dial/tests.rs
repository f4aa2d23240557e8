use std::net::SocketAddr;

use marque_domain::Endpoint;

use super::{checked, resolve, server_name};
use crate::failure::Failure;

fn judged(addresses: &[&str]) -> Result<usize, &'static str> {
    let addresses = addresses.iter().map(|address| address.parse::<SocketAddr>().unwrap());
    checked("api.test", addresses.collect())
        .map(|addresses| addresses.len())
        .map_err(|failure| failure.code())
}

// threat 76, threat 77
#[test]
fn one_address_that_is_not_public_spoils_them_all() {
    assert_eq!(judged(&["1.1.1.1:443", "[2606:4700::1111]:443"]), Ok(2));
    for address in [
        "127.0.0.1:443",
        "10.0.0.1:443",
        "169.254.169.254:80",
        "100.100.100.200:80",
        "0.0.0.0:443",
        "[::1]:443",
        "[::]:443",
        "[::ffff:127.0.0.1]:443",
        "[64:ff9b::7f00:1]:443",
        "[fd00:ec2::254]:80",
        "[fe80::1]:443",
    ] {
        assert_eq!(judged(&[address]), Err("failed.address"), "{address}");
        assert_eq!(judged(&["1.1.1.1:443", address]), Err("failed.address"), "{address}");
        assert_eq!(judged(&[address, "1.1.1.1:443"]), Err("failed.address"), "{address}");
    }
    assert_eq!(judged(&[]), Err("failed.dial"));
}

// threat 76: a literal is judged like any other address, and so is this machine's own name.
#[tokio::test]
async fn a_literal_and_this_machine_are_judged_too() {
    for host in ["127.0.0.1", "[::1]", "localhost"] {
        let endpoint = Endpoint { host: host.to_owned(), port: 9 };
        let addresses = resolve(&endpoint).await.unwrap();
        let failure = checked(host, addresses).unwrap_err();
        assert!(matches!(failure, Failure::Address { .. }), "{host}");
    }
}

#[test]
fn a_certificate_is_asked_for_by_the_very_host() {
    for (host, expected) in
        [("api.test", "api.test"), ("192.0.2.7", "192.0.2.7"), ("[2001:db8::1]", "2001:db8::1")]
    {
        assert_eq!(server_name(host).unwrap().to_str(), expected);
    }
    assert!(server_name("api.test.").is_none());
}
