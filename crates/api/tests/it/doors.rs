//! The hand-over: which descriptors are taken as doors, from whom, and what becomes of the others.

use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use std::time::Duration;

use marque_domain::Tier;
use marque_plane::{DoorKind, HandedDoors};
use marque_testkit::Human;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use super::launcher::{datagrams_here, elsewhere, framed, message};
use super::served::{Served, our_parent};

const NAMES: &str = "AF_INET SOCK_DGRAM 0.0.0.0 53 0";

fn tcp(port: u16) -> Value {
    json!([{ "kind": "tcp", "port": port }])
}

fn web() -> OwnedFd {
    elsewhere(&["AF_INET SOCK_STREAM 0.0.0.0 443 9"]).remove(0)
}

/// A captured run whose launcher is this very process.
async fn captured(served: &Served, alice: &Human) -> marque_plane::view::OpenedRunView {
    served.opens_held(alice, std::process::id(), Tier::Captured).await
}

#[expect(clippy::disallowed_methods, reason = "a test connects to a listener of its own")]
fn connected_to(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port)).unwrap()
}

/// A gateway that serves whatever it is given, and what it was given.
fn serving(served: &Served) -> tokio::task::JoinHandle<HandedDoors> {
    let mut gateway = served.gateway.lock().unwrap().take().unwrap();
    served.tasks.spawn(async move {
        let handed = gateway.recv().await.unwrap();
        let HandedDoors { proof, doors, served } = handed;
        served.send(Ok(())).unwrap();
        let (unasked, _) = tokio::sync::oneshot::channel();
        HandedDoors { proof, doors, served: unasked }
    })
}

// threats 98, 100
#[tokio::test]
async fn doors_that_were_made_inside_reach_the_gateway_as_they_were_sent() {
    let (served, alice) = Served::new().await;
    let opened = captured(&served, &alice).await;
    let gateway = serving(&served);
    let doors = elsewhere(&[
        "AF_INET SOCK_STREAM 0.0.0.0 443 9",
        "AF_INET6 SOCK_STREAM :: 8443 9",
        NAMES,
        "AF_INET6 SOCK_DGRAM :: 53 0",
    ]);
    let kinds = json!([
        { "kind": "tcp", "port": 443 }, { "kind": "tcp", "port": 8443 },
        { "kind": "names" }, { "kind": "names" },
    ]);
    let answer = served.hands_over(&message(&opened, &kinds), &doors).await;
    assert_eq!(answer, json!({ "ok": true }));
    let handed = gateway.await.unwrap();
    assert_eq!(handed.proof.live().run, opened.run.id);
    let came: Vec<_> = handed.doors.iter().map(|door| door.kind).collect();
    let tcp = |port| DoorKind::Tcp { port };
    assert_eq!(came, [tcp(443), tcp(8_443), DoorKind::Names, DoorKind::Names]);
    for door in &handed.doors {
        let flags = rustix::io::fcntl_getfd(&door.listener).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC), "{door:?}");
        let flags = rustix::fs::fcntl_getfl(&door.listener).unwrap();
        assert!(flags.contains(rustix::fs::OFlags::NONBLOCK), "{door:?}");
    }
    served.ends().await;
}

// threat 98: what others could reach would let them be the run.
#[tokio::test]
async fn nothing_is_a_door_but_a_listener_of_its_kind_that_only_the_run_reaches() {
    let (served, alice) = Served::new().await;
    let opened = captured(&served, &alice).await;
    let here = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = here.local_addr().unwrap().port();
    let connected = connected_to(port);
    let peer = connected.local_addr().unwrap().port();
    let one = |wanted: &str| elsewhere(&[wanted]).remove(0);
    let names = || json!([{ "kind": "names" }]);
    let control = || json!([{ "kind": "control" }]);
    let datagrams = UnixDatagram::unbound().unwrap();
    let pipe = || OwnedFd::from(std::io::pipe().unwrap().0);
    let file = || OwnedFd::from(std::fs::File::open("/proc/self/status").unwrap());
    let (half, _other) = UnixStream::pair().unwrap();
    for (doors, descriptor, why) in [
        (tcp(port), here.into(), "own network namespace"),
        (names(), datagrams_here(), "not to port 53"),
        (tcp(peer), connected.into(), "does not listen"),
        (tcp(443), one("AF_INET SOCK_STREAM 0.0.0.0 443 0"), "does not listen"),
        (tcp(443), one("AF_INET SOCK_STREAM 0.0.0.0 444 9"), "not to port 443"),
        (tcp(53), one(NAMES), "no socket for TCP"),
        (names(), one("AF_INET SOCK_STREAM 0.0.0.0 53 9"), "no socket for UDP"),
        (tcp(0), web(), "not to port 0"),
        (tcp(443), pipe(), "no socket"),
        (names(), file(), "no socket"),
        (control(), file(), "no socket"),
        (control(), half.into(), "does not listen"),
        (control(), datagrams.into(), "no Unix stream socket"),
        (control(), web(), "no Unix stream socket"),
    ] {
        let told = served.hands_over(&message(&opened, &doors), &[descriptor]).await;
        assert_eq!(told["code"], "invalid", "{doors}: {told}");
        assert!(told["detail"].as_str().unwrap().contains(why), "{doors} with {why}: {told}");
    }
    assert!(served.gateway.lock().unwrap().as_mut().unwrap().try_recv().is_err());
    served.ends().await;
}

#[tokio::test]
async fn what_is_bound_to_one_address_is_no_door() {
    let (served, alice) = Served::new().await;
    let opened = captured(&served, &alice).await;
    // The loopback interface of a new namespace is down, and an address can be bound all the same.
    let door = elsewhere(&["AF_INET SOCK_STREAM 127.0.0.1 443 9"]);
    let told = served.hands_over(&message(&opened, &tcp(443)), &door).await;
    assert!(told["detail"].as_str().unwrap().contains("of all addresses"), "{told}");
    served.ends().await;
}

/// A descriptor, and what sees it closed by everybody.
fn watched() -> (OwnedFd, std::io::PipeReader) {
    let (reader, writer) = std::io::pipe().unwrap();
    (writer.into(), reader)
}

// Of each refusal: nothing that came is left open. The last writer of a pipe ends it.
#[tokio::test]
async fn every_descriptor_of_a_refused_message_is_closed_before_the_answer() {
    let (served, alice) = Served::new().await;
    let opened = captured(&served, &alice).await;
    let named = |run: &str, secret: &str| {
        let doors = tcp(443);
        framed(&json!({ "run": run, "secret": secret, "doors": doors }).to_string())
    };
    let (id, secret) = (opened.run.id.to_string(), opened.secret.as_str());
    let two = json!([{ "kind": "names" }, { "kind": "control" }]);
    let too_long = [&(16 * 1_024_u32 + 1).to_be_bytes()[..], &[b' '; 64]].concat();
    let short = {
        let mut short = message(&opened, &tcp(443));
        short.truncate(20);
        short
    };
    for (bytes, count, code) in [
        (message(&opened, &tcp(443)), 1, "invalid"),
        (message(&opened, &tcp(443)), 2, "invalid"),
        (message(&opened, &two), 1, "invalid"),
        (message(&opened, &tcp(443)), 65, "invalid"),
        (named(&id, "guessed"), 1, "forbidden"),
        (named("run_1", secret), 1, "forbidden"),
        (framed("{}"), 1, "bad_request"),
        (framed("no json"), 1, "bad_request"),
        (too_long, 1, "too_large"),
        (short, 1, "bad_request"),
    ] {
        let (writers, mut readers): (Vec<_>, Vec<_>) = (0..count).map(|_| watched()).unzip();
        let told = served.hands_over(&bytes, &writers).await;
        assert_eq!(told["code"], code, "{told}");
        drop(writers);
        for reader in &mut readers {
            rustix::io::ioctl_fionbio(&*reader, true).unwrap();
            let read = reader.read(&mut [0]);
            assert_eq!(read.ok(), Some(0), "one of {count} is open after {told}");
        }
    }
    served.ends().await;
}

#[tokio::test]
async fn a_message_without_descriptors_is_refused() {
    let (served, alice) = Served::new().await;
    let opened = captured(&served, &alice).await;
    let told = served.hands_over(&message(&opened, &tcp(443)), &[]).await;
    assert!(told["detail"].as_str().unwrap().contains("0 descriptors came"), "{told}");
    served.ends().await;
}

// threat 98
#[tokio::test]
async fn nobody_but_the_launcher_hands_over_doors_of_a_run_whatever_they_know() {
    let (served, alice) = Served::new().await;
    // The process that asks here launched nothing.
    let opened = served.opens_held(&alice, our_parent(), Tier::Captured).await;
    let told = served.hands_over(&message(&opened, &tcp(443)), &[web()]).await;
    assert_eq!(told["code"], "forbidden", "{told}");
    // Now it launched another run, and one that is not captured.
    let _another = captured(&served, &alice).await;
    let told = served.hands_over(&message(&opened, &tcp(443)), &[web()]).await;
    assert_eq!(told["code"], "forbidden", "{told}");
    let advisory = served.opens(&alice, std::process::id()).await;
    let told = served.hands_over(&message(&advisory, &tcp(443)), &[web()]).await;
    assert!(told["detail"].as_str().unwrap().contains("is not captured"), "{told}");
    served.ends().await;
}

// threat 162: what a stranger sends is not received, so that nobody has to close it.
#[tokio::test]
async fn who_launched_nothing_is_answered_before_anything_is_read() {
    let (served, alice) = Served::new().await;
    let _opened = served.opens_held(&alice, our_parent(), Tier::Captured).await;
    let mut stream = tokio::net::UnixStream::connect(served.path("doors.sock")).await.unwrap();
    let told = tokio::time::timeout(Duration::from_secs(3), async {
        let mut told = vec![0; usize::try_from(stream.read_u32().await.unwrap()).unwrap()];
        stream.read_exact(&mut told).await.unwrap();
        serde_json::from_slice::<Value>(&told).unwrap()
    });
    assert_eq!(told.await.expect("it waits for a message")["code"], "forbidden");
    served.ends().await;
}

#[tokio::test]
async fn doors_that_nobody_serves_are_not_said_to_be_served() {
    let (served, alice) = Served::new().await;
    let opened = captured(&served, &alice).await;
    let mut gateway = served.gateway.lock().unwrap().take().unwrap();
    let refusing = served.tasks.spawn(async move {
        let handed = gateway.recv().await.unwrap();
        handed.served.send(Err("it has no room".to_owned())).unwrap();
    });
    let told = served.hands_over(&message(&opened, &tcp(443)), &[web()]).await;
    assert_eq!(told["code"], "unavailable", "{told}");
    assert!(told["detail"].as_str().unwrap().contains("it has no room"), "{told}");
    refusing.await.unwrap();
    let told = served.hands_over(&message(&opened, &tcp(443)), &[web()]).await;
    assert!(told["detail"].as_str().unwrap().contains("nothing serves them"), "{told}");
    served.ends().await;
}

#[tokio::test]
async fn a_run_hands_over_no_more_doors_than_a_run_can_have() {
    let (served, alice) = Served::new().await;
    let opened = captured(&served, &alice).await;
    let path = served.path("many.sock");
    let door = OwnedFd::from(UnixListener::bind(&path).unwrap());
    let many =
        |count: usize| -> Vec<OwnedFd> { (0..count).map(|_| door.try_clone().unwrap()).collect() };
    let kinds = |count: usize| Value::from(vec![json!({ "kind": "control" }); count]);
    for _ in 0..2 {
        let told = served.hands_over(&message(&opened, &kinds(64)), &many(64)).await;
        assert_eq!(told, json!({ "ok": true }));
    }
    let told = served.hands_over(&message(&opened, &kinds(1)), &many(1)).await;
    assert_eq!(told["code"], "conflict", "{told}");
    served.ends().await;
}
