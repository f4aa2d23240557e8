//! Captured runs: the doors are listeners of this machine, and 127.18.0.0/15 stands for the
//! made-up addresses (`seen` in `door/captured/tests.rs`).
#![expect(clippy::disallowed_methods, reason = "tests dial their own sockets")]

mod bounds;
mod foreign;
mod opaque;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use marque_domain::Outcome;
use marque_plane::{Door, DoorKind, DoorProof, HandedDoors};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::agent::{Agent, Http2, trusting};
use super::world::{CREDENTIAL, PATIENCE, World, read_answer, read_head};
use super::{ANSWERED, is};

const PORTS: [u16; 6] = [53, 80, 443, 22, 5432, 8080];
/// Of 203.0.0.0/16, which nobody has a name for.
const LITERAL: Ipv4Addr = Ipv4Addr::new(127, 203, 113, 7);

/// A captured run whose doors are served.
pub(super) struct Captured {
    pub(super) agent: Agent,
    doors: BTreeMap<u16, u16>,
    names: SocketAddr,
}

impl Captured {
    pub(super) async fn new(world: &World) -> Self {
        let agent = world.opens_a_captured_run().await;
        let (mut doors, mut ports) = (Vec::new(), BTreeMap::new());
        for port in PORTS {
            let (door, at) = tcp_door(port).await;
            doors.push(door);
            ports.insert(port, at.port());
        }
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let names = socket.local_addr().unwrap();
        let listener = socket.into_std().unwrap().into();
        doors.push(Door { kind: DoorKind::Names, listener });
        hand_over(world, &agent, doors).await.unwrap();
        Self { agent, doors: ports, names }
    }

    /// Asks for the address of a name as glibc does: A and AAAA at once, over one socket.
    async fn resolves(&self, name: &str) -> Ipv4Addr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(self.names).await.unwrap();
        for kind in [1, 28] {
            socket.send(&asked(name, kind)).await.unwrap();
        }
        let mut found = None;
        for _ in 0..2 {
            let mut answer = [0; 512];
            let size = timeout(PATIENCE, socket.recv(&mut answer)).await.unwrap().unwrap();
            let answer = &answer[..size];
            assert_eq!(answer[3] & 0xf, 0, "{answer:?}");
            match (answer[1], answer[7]) {
                (1, 1) => found = answer[size - 4..].try_into().ok().map(u32::from_be_bytes),
                (28, 0) => {}
                other => panic!("{other:?}"),
            }
        }
        Ipv4Addr::from(found.unwrap())
    }

    /// Dials an address at that port, as a process inside would.
    async fn dials(&self, address: Ipv4Addr, port: u16) -> TcpStream {
        let door = self.doors[&port];
        let [_, b, c, d] = address.octets();
        let address =
            if address.octets()[0] == 198 { Ipv4Addr::new(127, b, c, d) } else { address };
        TcpStream::connect((address, door)).await.unwrap()
    }

    async fn reaches(&self, name: &str, port: u16) -> TcpStream {
        self.dials(self.resolves(name).await, port).await
    }

    /// Sends these bytes to a name and reads an answer.
    async fn says(&self, name: &str, port: u16, bytes: &str) -> String {
        let mut stream = self.reaches(name, port).await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
        read_answer(&mut stream).await
    }

    /// Shakes hands with a name at port 443, as for another.
    async fn shakes_hands(
        &self,
        name: &str,
        as_for: &str,
        config: &Arc<ClientConfig>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = self.reaches(name, 443).await;
        let name = ServerName::try_from(as_for.to_owned()).unwrap();
        TlsConnector::from(Arc::clone(config)).connect(name, stream).await
    }

    async fn says_privately(&self, name: &str, request: &str) -> String {
        let config = trusting(&[&self.agent], &[]);
        let mut stream = self.shakes_hands(name, name, &config).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        read_answer(&mut stream).await
    }
}

/// A question for that name, with the kind as its id.
fn asked(name: &str, kind: u8) -> Vec<u8> {
    let mut message = vec![0, kind, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend_from_slice(label.as_bytes());
    }
    message.extend([0, 0, kind, 0, 1]);
    message
}

async fn tcp_door(port: u16) -> (Door, SocketAddr) {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let listener = listener.into_std().unwrap().into();
    (Door { kind: DoorKind::Tcp { port }, listener }, at)
}

async fn hand_over(world: &World, agent: &Agent, doors: Vec<Door>) -> Result<(), String> {
    hand_over_with(world, world.proves(agent), doors).await
}

async fn hand_over_with(world: &World, proof: DoorProof, doors: Vec<Door>) -> Result<(), String> {
    let (served, told) = oneshot::channel();
    let handed = HandedDoors { proof, doors, served };
    world.handed.send(handed).await.unwrap();
    timeout(PATIENCE, told).await.unwrap().unwrap()
}

async fn is_reset(mut stream: TcpStream) {
    let read = timeout(PATIENCE, stream.read(&mut [0; 1])).await.unwrap();
    let kind = read.map_err(|error| error.kind());
    assert_eq!(kind, Err(std::io::ErrorKind::ConnectionReset));
}

// threat 88, threat 100
#[tokio::test]
async fn a_captured_run_reaches_hosts_by_name_with_credentials_it_never_held() {
    let world = World::new().await;
    let run = Captured::new(&world).await;
    let request = |host| format!("GET /v1/items HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let plain = run.says("Plain.test", 80, &request("plain.test")).await;
    let private = run.says_privately("private.test", &request("private.test")).await;
    for answer in [plain, private] {
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("hello"), "{answer}");
        assert!(!answer.contains(CREDENTIAL));
    }
    let config = trusting(&[&run.agent], &["h2"]);
    let stream = run.shakes_hands("modern.test", "modern.test", &config).await.unwrap();
    let http2 = Http2::over(stream).await;
    let answer = http2.gets("https://modern.test/v1/items").await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "hello"));
    let saw = world.upstream_saw();
    assert_eq!(saw.len(), 3);
    assert!(saw.iter().all(|saw| saw.contains(&format!("Bearer {CREDENTIAL}"))), "{saw:?}");
    assert_eq!(world.outcomes_of(&run.agent, 3).await, [ANSWERED, ANSWERED, ANSWERED]);
}

// threat 90
#[tokio::test]
async fn a_captured_run_opens_a_websocket() {
    let world = World::new().await;
    let run = Captured::new(&world).await;
    let mut stream = run.reaches("plain.test", 80).await;
    let fields = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let request = format!("GET /v1/sockets/open/echo HTTP/1.1\r\nHost: plain.test\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    // `hi`, masked with zeros (RFC 6455 §5.2), and back without a mask.
    stream.write_all(b"\x81\x82\0\0\0\0hi").await.unwrap();
    let mut frame = [0; 4];
    timeout(PATIENCE, stream.read_exact(&mut frame)).await.unwrap().unwrap();
    assert_eq!(&frame, b"\x81\x02hi");
}

// threat 100
#[tokio::test]
async fn a_host_that_no_connection_serves_says_why_and_it_is_recorded() {
    let world = World::new().await;
    let run = Captured::new(&world).await;
    let request = "GET /v1 HTTP/1.1\r\nHost: unknown.test\r\n\r\n";
    for answer in [
        run.says("unknown.test", 80, request).await,
        run.says_privately("unknown.test", request).await,
        run.says("unknown.test", 8080, &request.replace("unknown.test", "unknown.test:8080")).await,
    ] {
        is(&answer, 403, "refused.mandate.nothing_allows");
        assert!(answer.contains("no connection serves http"), "{answer}");
        assert!(answer.contains("\nref: dec_") && !answer.contains("prox"), "{answer}");
    }
    let mut targets = world.refused_targets(&run.agent).await;
    targets.sort();
    let expected =
        ["http://unknown.test:80", "http://unknown.test:8080", "https://unknown.test:443"];
    assert_eq!(targets, expected);
}

// threat 75, threat 78, threat 100: domain fronting.
#[tokio::test]
async fn a_connection_leads_only_to_the_name_that_was_dialled() {
    let world = World::new().await;
    let run = Captured::new(&world).await;
    let config = trusting(&[&run.agent], &[]);
    for (dialled, name) in [("unknown.test", "private.test"), ("private.test", "plain.test")] {
        let error = run.shakes_hands(dialled, name, &config).await.unwrap_err();
        assert!(error.to_string().contains("UnrecognisedName"), "{error}");
    }
    for request in [
        "GET /v1/a HTTP/1.1\r\nHost: private.test\r\n\r\n",
        "GET /v1/a HTTP/1.1\r\nHost: plain.test:8080\r\n\r\n",
        "GET http://plain.test/v1/a HTTP/1.1\r\nHost: plain.test\r\n\r\n",
        "GET http://private.test/v1/a HTTP/1.1\r\nHost: private.test\r\n\r\n",
        "CONNECT private.test:443 HTTP/1.1\r\nHost: private.test:443\r\n\r\n",
        "CONNECT plain.test:80 HTTP/1.1\r\nHost: plain.test:80\r\n\r\n",
    ] {
        let answer = run.says("plain.test", 80, request).await;
        is(&answer, 421, "malformed.host");
        assert!(!answer.contains("tunnel") && !answer.contains("prox"), "{answer}");
    }
    let answer = run.says_privately("private.test", "GET / HTTP/1.1\r\nHost: plain.test\r\n\r\n");
    is(&answer.await, 421, "malformed.host");
    assert_eq!(world.upstream_saw(), [""; 0]);
}

// threat 76, threat 100: direct addresses.
#[tokio::test]
async fn an_address_that_was_dialled_without_a_name_is_a_host_of_its_own() {
    let world = World::new().await;
    let run = Captured::new(&world).await;
    let request = "GET /v1 HTTP/1.1\r\nHost: 203.0.113.7\r\n\r\n";
    let mut stream = run.dials(LITERAL, 80).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    is(&read_answer(&mut stream).await, 403, "refused.mandate.nothing_allows");

    let config = trusting(&[&run.agent], &[]);
    let shake = async |name: &str| {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let stream = run.dials(LITERAL, 443).await;
        TlsConnector::from(Arc::clone(&config)).connect(name, stream).await
    };
    let mut stream = shake("203.0.113.7").await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    is(&read_answer(&mut stream).await, 403, "refused.mandate.nothing_allows");
    assert!(shake("private.test").await.is_err(), "a name at an address nobody gave it");

    let mut stream = run.dials(LITERAL, 80).await;
    stream.write_all(b"GET /v1/a HTTP/1.1\r\nHost: plain.test\r\n\r\n").await.unwrap();
    is(&read_answer(&mut stream).await, 421, "malformed.host");
    assert_eq!(world.upstream_saw(), [""; 0]);
}

#[tokio::test]
async fn what_is_dialled_inside_the_run_is_not_answered_from_outside() {
    let world = World::new().await;
    let run = Captured::new(&world).await;
    let unknown = Ipv4Addr::new(198, 19, 7, 7);
    for address in [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2), unknown] {
        for port in [22, 80, 443, 5432] {
            is_reset(run.dials(address, port).await).await;
        }
    }
}

#[tokio::test]
async fn names_are_also_asked_for_over_tcp_and_each_run_has_its_own() {
    let world = World::new().await;
    let (run, other) = (Captured::new(&world).await, Captured::new(&world).await);
    let address = run.resolves("plain.test").await;
    let mut stream = run.dials(Ipv4Addr::LOCALHOST, 53).await;
    for _ in 0..2 {
        let question = asked("PLAIN.test", 1);
        stream.write_u16(u16::try_from(question.len()).unwrap()).await.unwrap();
        stream.write_all(&question).await.unwrap();
        let mut answer = vec![0; usize::from(stream.read_u16().await.unwrap())];
        stream.read_exact(&mut answer).await.unwrap();
        assert!(answer.ends_with(&address.octets()), "{answer:?}");
    }
    is_reset(other.dials(address, 80).await).await;
}

// threat 178: listeners used after the run's end.
#[tokio::test]
async fn a_kill_closes_the_doors_and_cuts_what_is_open() {
    let world = World::new().await;
    let run = Captured::new(&world).await;
    let mut stream = run.reaches("plain.test", 80).await;
    stream.write_all(b"GET /slow HTTP/1.1\r\nHost: plain.test\r\n\r\n").await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200"));
    let idle = run.reaches("plain.test", 80).await;
    let (address, door) = (run.resolves("plain.test").await, run.doors[&80]);
    let proof = world.proves(&run.agent);
    world.kills(&run.agent).await;
    let mut rest = Vec::new();
    let cut = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap();
    assert!(cut.is_err(), "the stream must be reset");
    let mut idle = idle;
    assert_eq!(timeout(PATIENCE, idle.read(&mut [0; 1])).await.unwrap().unwrap_or(0), 0);
    assert_eq!(world.outcomes_of(&run.agent, 1).await, [Outcome::Cut]);
    let [_, b, c, d] = address.octets();
    let closed = async {
        while TcpStream::connect((Ipv4Addr::new(127, b, c, d), door)).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, closed).await.unwrap();
    let (again, _) = tcp_door(80).await;
    let told = hand_over_with(&world, proof, vec![again]).await.unwrap_err();
    assert_eq!(told, "the run is over");
}
