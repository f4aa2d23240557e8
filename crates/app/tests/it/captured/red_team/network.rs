//! Ways out of the run's network.

use super::super::super::support::Namespace;
use super::canary::Canary;
use super::team::{Team, is_root};

/// What attackers know of families of sockets: a name, the family, the kind, the protocol.
const FAMILIES: &[(&str, &str, &str, &str)] = &[
    ("raw sockets", "2", "3", "1"),
    ("raw sockets of IPv6", "10", "3", "58"),
    ("old packet sockets", "2", "10", "768"),
    ("packet sockets", "17", "3", "768"),
    ("virtual machine sockets", "40", "1", "0"),
    ("sockets of the kernel's cryptography", "38", "5", "0"),
    ("express data path", "44", "3", "0"),
    ("netlink: audit", "16", "3", "9"),
    ("netlink: what sockets there are", "16", "3", "4"),
    ("netlink: news of devices", "16", "3", "15"),
    ("netlink: generic", "16", "3", "16"),
    ("SCTP", "2", "1", "132"),
    ("SCTP messages", "2", "5", "132"),
    ("DCCP", "2", "6", "33"),
    ("L2TP", "2", "2", "115"),
    ("UDP-Lite", "2", "2", "136"),
    ("TIPC", "30", "5", "0"),
    ("CAN", "29", "3", "1"),
    ("Bluetooth", "31", "3", "1"),
    ("keys of IPsec", "15", "3", "2"),
    ("RDS", "21", "5", "0"),
    ("QIPCRTR", "42", "2", "0"),
    ("KCM", "41", "2", "0"),
    ("SMC", "43", "1", "0"),
];

// threat 100
#[test]
fn no_address_and_no_protocol_leads_past_the_gateway() {
    let canary = Canary::default();
    let (mut team, ()) = Team::sharing(|_| ());
    team.watches(&canary);
    for (name, at) in [
        ("another address of this machine", "127.0.0.2:0"),
        ("the loopback outside", "127.0.0.1:0"),
        ("the loopback outside, by IPv6", "[::1]:0"),
    ] {
        let address = canary.tcp(at);
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        team.tries(name, &["tcp", &host, &port]);
        // The gateway itself listens there inside.
        team.tries_as(name, &["tcp", &host, &port], &["tcp", &host, "80"]);
        let address = canary.udp(at);
        let port = address.port().to_string();
        team.tries(&format!("{name}, by UDP"), &["udp", &host, &port]);
    }
    let address = canary.tcp("127.0.0.1:0");
    let (host, port) = (format!("::ffff:{}", address.ip()), address.port().to_string());
    team.tries("an IPv4 address in IPv6", &["tcp", &host, &port]);
    team.tries("the same in hexadecimal", &["tcp", "0x7f000001", &port]);
    team.reports();
}

// threat 100
#[test]
fn no_address_of_a_link_is_reached_directly() {
    if !is_root() {
        return;
    }
    let Some(namespace) = Namespace::new() else { return };
    let canary = Canary::default();
    let (mut team, ()) = Team::sharing(|_| ());
    team.watches(&canary);
    let here = namespace.address(0).to_string();
    let there = std::net::Ipv4Addr::from(u32::from(namespace.address(0)) + 1).to_string();
    for port in [80, 443, 8443] {
        canary.tcp((here.as_str(), port));
        canary.udp((here.as_str(), port));
        let port = port.to_string();
        team.tries(&format!("direct IP, port {port}"), &["tcp", &here, &port]);
        team.tries(&format!("QUIC, port {port}"), &["udp", &here, &port]);
    }
    canary.tcp((here.as_str(), 53));
    canary.udp((here.as_str(), 53));
    // DNS tunnelling: the question is to arrive at the attacker's own name server.
    team.tries("a question for a name", &["udp", &here, "53"]);
    team.tries("the same by TCP", &["names-by-tcp", &here, "53"]);
    team.tries("an echo request", &["echo", &there]);
    team.tries("a route of its own", &["route-out", &there]);
    let bare = format!("env -i /usr/bin/python3 probe.py tcp {here} 80");
    let typed = team.run.types(&bare);
    assert!(typed.out.starts_with("stopped"), "without variables: {}", typed.out);
    team.reports();
}

// threat 78, threat 100
#[test]
fn no_trust_of_its_own_and_no_second_name_leads_past_the_gateway() {
    let (mut team, store) = Team::new(|world| {
        let store = world.write("work/own.pem", world.api.authority.as_deref().unwrap());
        store.to_str().unwrap().to_owned()
    });
    let port = team.world.api.address.port().to_string();
    team.tries_as(
        "an authority of its own",
        &["own-store", "127.0.0.1", &port, "api.test", &store],
        &["own-store", "api.test", "443", "api.test", &store],
    );
    for (name, shown, said) in [
        ("one name in TLS, another in HTTP", "api.test", "other.test"),
        ("the reverse", "other.test", "api.test"),
        ("a name with a port in HTTP", "api.test", "api.test:8443"),
    ] {
        team.tries_as(
            name,
            &["fronting", "127.0.0.1", &port, shown, said],
            &["fronting", "api.test", "443", shown, said],
        );
    }
    let canary = Canary::default();
    team.watches(&canary);
    let other = canary.tcp("127.0.0.1:0").port().to_string();
    team.tries_as(
        "what is no TLS where TLS is expected",
        &["not-tls", "127.0.0.1", &other],
        &["not-tls", "api.test", "443"],
    );
    let before: Vec<_> = team.world.api.saw().iter().map(|seen| seen.head.clone()).collect();
    assert_eq!(before.len(), 4, "what came from outside, and nothing else: {before:#?}");
    team.reports();
}

// threat 95
#[test]
fn a_host_that_is_known_by_tls_gets_no_credential_in_the_clear() {
    let (mut team, ()) = Team::new(|_| ());
    for url in ["http://api.test/v1/a", "http://api.test:443/v1/a", "http://127.0.0.1/v1/a"] {
        let typed =
            team.run.types(&format!("curl -sS -m 10 -o /dev/null -w '%{{http_code}}' {url}"));
        assert_ne!(typed.out, "200", "{url}");
    }
    team.world.api.saw_nothing();
    team.world.plain.saw_nothing();
    assert_eq!(team.run.curl("https://api.test/v1/a").0, 200, "in TLS it is served");
}

// threat 98
#[test]
fn a_proof_of_a_captured_run_is_nowhere_to_be_found_and_its_id_proves_nothing() {
    let (mut team, ()) = Team::new(|_| ());
    let proxy = team.world.run().proxy();
    let found =
        team.run.types("env; cat /proc/*/environ /proc/*/cmdline /run/marque/* 2>/dev/null");
    assert!(!found.out.contains("SECRET") && !found.out.contains("@127.0.0.1"), "{}", found.out);
    let typed = team.world.tool(
        "curl",
        &[
            "-sS",
            "-m",
            "5",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "-x",
            &format!("http://{}:guessed@{}", team.run.id, proxy.address),
            "http://plain.test/v1/a",
        ],
    );
    assert_eq!(typed.out, "407", "{}", typed.whole());
    team.world.plain.saw_nothing();
}

#[test]
fn only_what_tools_need_of_sockets_is_there() {
    let (mut team, ()) = Team::sharing(|_| ());
    if is_root() {
        for (name, family, kind, protocol) in FAMILIES {
            team.tries(name, &["family", family, kind, protocol]);
        }
        team.tries("pairs of TIPC", &["pair-of-family", "30"]);
    }
    for port in ["443", "53"] {
        team.tries_as("a listener beside ours", &["listen-beside", "0"], &["listen-beside", port]);
    }
    // What is the run's own still works.
    let own = "import socket;a=socket.create_server(('127.0.0.1',8080));\
               b=socket.create_connection(a.getsockname());\
               a.accept()[0].send(b'x');print(b.recv(1))";
    let typed = team.run.types(&format!("/usr/bin/python3 -c \"{own}\""));
    assert_eq!(typed.out, "b'x'", "a port of its own is its own");
    team.reports();
}
