//! What is handed over, and how much of it.

use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::time::Duration;

use marque_plane::{Door, DoorKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::time::timeout;

use super::super::agent::{Agent, trusting};
use super::super::world::{PATIENCE, World, read_answer};
use super::{Captured, hand_over, is_reset, tcp_door};
use crate::GatewaySettings;
use crate::leaf::KEPT_MAX;

const REQUEST: &[u8] = b"GET /v1/a HTTP/1.1\r\nHost: plain.test\r\n\r\n";

#[tokio::test]
async fn doors_that_are_handed_over_later_are_served_beside_the_first() {
    let world = World::new().await;
    let mut run = Captured::new(&world).await;
    let (door, at) = tcp_door(8081).await;
    hand_over(&world, &run.agent, vec![door]).await.unwrap();
    run.doors.insert(8081, at.port());
    // The names are still those of before.
    let known = run.resolves("plain.test").await;
    let mut stream = run.dials(known, 8081).await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: plain.test:8081\r\n\r\n").await.unwrap();
    assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 403"));
}

#[tokio::test]
async fn a_run_has_so_many_doors_and_no_more() {
    let world = World::new().await;
    let run = Captured::new(&world).await;
    let doors = |count| async move {
        let mut doors = Vec::new();
        for port in 0..count {
            doors.push(tcp_door(port + 1).await.0);
        }
        doors
    };
    for count in [65, 58] {
        let told = hand_over(&world, &run.agent, doors(count).await).await.unwrap_err();
        assert!(told.contains("at most 64 doors"), "{told}");
    }
    hand_over(&world, &run.agent, doors(57).await).await.unwrap();
    assert!(hand_over(&world, &run.agent, doors(1).await).await.is_err());
}

#[tokio::test]
async fn what_is_no_door_of_ours_is_not_served() {
    let world = World::new().await;
    let agent = world.opens_a_captured_run().await;
    let idle = || TcpSocket::new_v4().unwrap();
    let datagrams = || std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let file = || std::fs::File::open("/proc/self/exe").unwrap();
    let tcp = DoorKind::Tcp { port: 80 };
    let unfit = [
        (DoorKind::Control, tcp_door(80).await.0.listener),
        (DoorKind::Names, tcp_door(80).await.0.listener),
        (tcp, datagrams().into()),
        (tcp, file().into()),
        (DoorKind::Names, file().into()),
        (tcp, {
            let (raw, unix) = std::os::unix::net::UnixStream::pair().unwrap();
            drop(raw);
            unix.into()
        }),
        (tcp, {
            let socket = idle();
            socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
            std::os::fd::AsFd::as_fd(&socket).try_clone_to_owned().unwrap()
        }),
    ];
    for (kind, listener) in unfit {
        let told = hand_over(&world, &agent, vec![Door { kind, listener }]).await;
        assert!(told.is_err(), "{kind:?}");
    }
    // One that is unfit spoils them all.
    let (good, at) = tcp_door(80).await;
    let control = Door { kind: DoorKind::Control, listener: tcp_door(81).await.0.listener };
    hand_over(&world, &agent, vec![good, control]).await.unwrap_err();
    let error = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, at.port())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

// threat 93
#[tokio::test]
async fn a_captured_run_has_its_share_of_connections_and_takes_none_of_strangers() {
    let settings =
        GatewaySettings { run_connections_max: 1, strangers_max: 1, ..GatewaySettings::default() };
    let world = World::with(settings).await;
    let run = Captured::new(&world).await;
    let mut stranger = world.connects().await;
    stranger.write_all(b"GET http://plain.test").await.unwrap();
    let mut first = run.reaches("plain.test", 80).await;
    first.write_all(REQUEST).await.unwrap();
    assert!(read_answer(&mut first).await.ends_with("hello"));
    is_reset(run.reaches("plain.test", 80).await).await;
    stranger.write_all(b"/v1/a HTTP/1.1\r\nHost: plain.test\r\n\r\n").await.unwrap();
    assert!(read_answer(&mut stranger).await.starts_with("HTTP/1.1 407"));
}

// threat 93
#[tokio::test]
async fn a_client_that_says_nothing_is_let_go() {
    let proof = Duration::from_millis(100);
    let world = World::with(GatewaySettings { proof, ..GatewaySettings::default() }).await;
    let run = Captured::new(&world).await;
    for port in [22, 80, 443, 5432, 53] {
        let mut stream = run.reaches("plain.test", port).await;
        let mut said = Vec::new();
        let ended = timeout(PATIENCE, stream.read_to_end(&mut said)).await.unwrap();
        assert!(ended.is_ok() || said.is_empty(), "{port}");
    }
    let mut stream = run.reaches("plain.test", 80).await;
    stream.write_all(REQUEST).await.unwrap();
    assert!(read_answer(&mut stream).await.ends_with("hello"));
    tokio::time::sleep(2 * proof).await;
    stream.write_all(REQUEST).await.unwrap();
    assert!(read_answer(&mut stream).await.ends_with("hello"), "who spoke may rest");
}

/// The certificate that a run is shown for that host.
async fn leaf(agent: &Agent, host: &str) -> Vec<u8> {
    let stream = agent.speaks_http1(host).await;
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

// threat 163: a certificate costs a signature, so whoever asks for many pays with its own.
#[tokio::test]
async fn a_run_that_asks_for_more_certificates_than_are_kept_loses_its_own_and_no_other_s() {
    let world = World::new().await;
    let before = [leaf(&world.bot, "private.test").await, leaf(&world.bot, "modern.test").await];
    let run = Captured::new(&world).await;
    let config = trusting(&[&run.agent], &[]);
    let shown = async |name: &str| {
        let stream = run.shakes_hands(name, name, &config).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    };
    let first = shown("host0.test").await;
    for number in 1..=KEPT_MAX {
        shown(&format!("host{number}.test")).await;
    }
    assert_ne!(first, shown("host0.test").await, "no more than so many are kept");
    let last = format!("host{KEPT_MAX}.test");
    assert_eq!(shown(&last).await, shown(&last).await, "it is served all the same");
    let after = [leaf(&world.bot, "private.test").await, leaf(&world.bot, "modern.test").await];
    assert_eq!(before, after, "those of another run are still kept");
}

#[tokio::test]
async fn a_gateway_that_stops_closes_the_doors() {
    let world = World::new().await;
    let run = Captured::new(&world).await;
    let mut idle = run.reaches("plain.test", 80).await;
    world.stops();
    assert_eq!(timeout(PATIENCE, idle.read(&mut [0; 1])).await.unwrap().unwrap_or(0), 0);
    let door = run.doors[&80];
    let closed = async {
        while tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, door)).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, closed).await.unwrap();
}
