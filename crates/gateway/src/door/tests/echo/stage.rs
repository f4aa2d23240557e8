//! Three connections to one upstream that says, byte for byte, what a test tells it to.
#![expect(clippy::disallowed_methods, reason = "tests dial their own sockets and own their tasks")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use marque_crypto::Secret;
use marque_domain::{Answers, Event, Limits, OnEcho, Outcome, Service, Slot, Tier};
use marque_plane::spec::{ConnectionSpec, GrantSpec, Lines, RunSpec};
use marque_plane::view::OpenedRunView;
use marque_plane::{Peer, ProcessKey};
use marque_store::LogQuery;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::super::world::{PATIENCE, World, read_answer};

/// What goes to `http://echo.test`, as a bearer token.
pub(super) const SECRET: &str = "ghp_Zk8/w+Qx7Tt2\"Lm9~Rf4";
/// What goes to `http://other.test`, in `x-api-key`.
pub(super) const OTHER: &str = "key_9f3a71c5d2b84e60";
/// Lets the pieces of an answer arrive one by one.
const PAUSE: Duration = Duration::from_millis(3);

/// What the upstream says, in pieces.
#[derive(Clone, Default)]
struct Script {
    pieces: Vec<Vec<u8>>,
    /// Each piece waits for a place here.
    gate: Option<Arc<Semaphore>>,
}

pub(super) struct Stage {
    world: World,
    run: OpenedRunView,
    script: Arc<Mutex<Script>>,
    seen: Arc<Mutex<Vec<String>>>,
}

/// One answer as a client saw it.
#[derive(Debug)]
pub(super) struct Told {
    /// The status line and the fields.
    pub(super) head: String,
    /// The body as it was meant, and its trailers.
    pub(super) body: String,
    /// Whether it ended as its framing says.
    pub(super) is_whole: bool,
    /// Every byte.
    pub(super) raw: Vec<u8>,
}

impl Stage {
    /// All connections treat answers that way; `code.test` is a git host that takes no credential.
    pub(super) async fn new(answers: Answers) -> Self {
        let world = World::new().await;
        let (script, seen) = (Arc::default(), Arc::default());
        let address = upstream(Arc::clone(&script), Arc::clone(&seen)).await;
        let (alice, _) = world.admin();
        for (name, slot, secret) in [
            ("echo", Slot::Bearer {}, SECRET),
            ("other", Slot::Header { name: "x-api-key".to_owned() }, OTHER),
        ] {
            let spec = connection(name, address, (slot, answers.clone()));
            let secret = Secret::from_string(secret.to_owned());
            world.plane.add_connection(alice, spec, Some(secret)).await.unwrap();
        }
        let spec = ConnectionSpec {
            service: Service::Git,
            slot: None,
            ..connection("code", address, (Slot::Bearer {}, answers))
        };
        world.plane.add_connection(alice, spec, None).await.unwrap();
        let own = |line: &str| ["echo", "other"].map(|name| format!("{name}:{line}"));
        let mut allow = [own("GET /**"), own("HEAD /**"), own("POST /**")].concat();
        allow.push("code:repo.read acme/web".to_owned());
        let grant = GrantSpec {
            agent: "bot".parse().unwrap(),
            lines: Lines { allow, ..Lines::default() },
            until: world.plane.clock().now().plus(PATIENCE * 99),
            openers: BTreeSet::new(),
            tier_floor: None,
            user_namespaces: false,
        };
        world.plane.add_grant(alice, grant).await.unwrap();
        let run = open(&world).await;
        Self { world, run, script, seen }
    }

    pub(super) async fn redacting() -> Self {
        Self::new(Answers::default()).await
    }

    pub(super) async fn cutting() -> Self {
        Self::new(Answers { on_echo: OnEcho::Cut, ..Answers::default() }).await
    }

    /// From now on the client is in another run of the same agent.
    pub(super) async fn opens_another_run(&mut self) {
        self.run = open(&self.world).await;
    }

    /// Asks for this when the upstream answers with these pieces, each in a segment of its own.
    pub(super) async fn told_in(&self, request: &str, pieces: Vec<Vec<u8>>) -> Told {
        self.says(pieces, None);
        self.asks(request).await
    }

    /// GETs from `echo.test` what the upstream answers in one piece.
    pub(super) async fn told(&self, answer: impl AsRef<[u8]>) -> Told {
        self.told_in("GET http://echo.test/v1/a", vec![answer.as_ref().to_vec()]).await
    }

    /// The upstream answers that from now on.
    pub(super) fn says(&self, pieces: Vec<Vec<u8>>, gate: Option<Arc<Semaphore>>) {
        *self.script.lock().unwrap() = Script { pieces, gate };
    }

    /// Sends a request that reads `METHOD URL`, with more field lines after a line break, and
    /// reads to the end of the connection.
    pub(super) async fn asks(&self, request: &str) -> Told {
        let mut stream = self.sends(request, "").await;
        hear(&mut stream).await
    }

    /// Sends a request and its body.
    pub(super) async fn sends(&self, request: &str, body: &str) -> TcpStream {
        let (line, fields) = request.split_once('\n').unwrap_or((request, ""));
        let (method, url) = line.split_once(' ').unwrap();
        let host = url.split('/').nth(2).unwrap();
        let pair = format!("{}:{}", self.run.run.id, self.run.secret);
        let proof = base64::engine::general_purpose::STANDARD.encode(pair);
        let connection = if fields.contains("TE:") { "TE, close" } else { "close" };
        let length = body.len();
        let head = format!(
            "{method} {url} HTTP/1.1\r\nHost: {host}\r\nProxy-Authorization: Basic {proof}\r\n\
             Connection: {connection}\r\nContent-Length: {length}\r\n{fields}\r\n{body}"
        );
        let mut stream = TcpStream::connect(self.world.admin().1).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }

    /// What reached the upstream last.
    pub(super) fn saw_last(&self) -> String {
        self.seen.lock().unwrap().last().unwrap().clone()
    }

    /// How the run's only act so far went, and how many credentials its answer held; the last of
    /// `count`.
    pub(super) async fn outcome(&self, count: usize) -> (Outcome, u64) {
        let query = || LogQuery {
            event: Some("outcome".to_owned()),
            run: Some(self.run.run.id),
            limit: 100,
            ..LogQuery::default()
        };
        let waiting = async {
            loop {
                let (alice, _) = self.world.admin();
                let entries = self.world.plane.log_query(alice, query()).await.unwrap();
                let mut entries = entries;
                entries.sort_by_key(|entry| entry.index);
                if entries.len() >= count {
                    return entries.pop().unwrap();
                }
                sleep(PAUSE).await;
            }
        };
        match timeout(PATIENCE, waiting).await.unwrap().event {
            Event::Outcome { result, redacted, .. } => (result, redacted),
            other => panic!("{other:?}"),
        }
    }
}

impl Told {
    /// Asserts that no byte of it tells a secret, in whatever case.
    #[track_caller]
    pub(super) fn hides(&self) -> &Self {
        let all = String::from_utf8_lossy(&self.raw).to_lowercase();
        for secret in [SECRET, OTHER] {
            assert!(!all.contains(&secret.to_lowercase()), "{all}");
        }
        self
    }

    #[track_caller]
    pub(super) fn is(&self, status: u16, body: &str) -> &Self {
        assert!(self.head.starts_with(&format!("HTTP/1.1 {status} ")), "{self:?}");
        assert_eq!((self.body.as_str(), self.is_whole), (body, true), "{self:?}");
        self
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Reads one answer to the end of its connection.
pub(super) async fn hear(stream: &mut TcpStream) -> Told {
    let mut raw = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut raw)).await.unwrap();
    let at = raw.windows(4).position(|window| window == b"\r\n\r\n");
    let (head, rest) = raw.split_at(at.map_or(raw.len(), |at| at + 4));
    let head = String::from_utf8_lossy(head).into_owned();
    let lower = head.to_ascii_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
    let (body, is_framed) = if lower.contains("transfer-encoding: chunked") {
        unchunked(rest)
    } else {
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        (rest.to_vec(), rest.len() == length)
    };
    let is_whole = read.is_ok() && is_framed;
    Told { head, body: String::from_utf8_lossy(&body).into_owned(), is_whole, raw }
}

/// RFC 9112 §7.1: the data with its trailers, and whether there is an end.
fn unchunked(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut data = Vec::new();
    while let Some(at) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = std::str::from_utf8(&rest[..at]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        rest = &rest[at + 2..];
        if size == 0 {
            data.extend_from_slice(rest.strip_suffix(b"\r\n").unwrap_or(rest));
            return (data, rest.ends_with(b"\r\n"));
        }
        data.extend_from_slice(&rest[..size.min(rest.len())]);
        rest = rest.get(size + 2..).unwrap_or_default();
    }
    (data, false)
}

async fn upstream(script: Arc<Mutex<Script>>, seen: Arc<Mutex<Vec<String>>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
            tokio::spawn(async move {
                loop {
                    let request = read_answer(&mut stream).await;
                    if request.is_empty() {
                        return;
                    }
                    seen.lock().unwrap().push(request);
                    let script = script.lock().unwrap().clone();
                    if !answer(&mut stream, script).await {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// Whether the line stays open for another request.
async fn answer(stream: &mut TcpStream, script: Script) -> bool {
    let Script { pieces, gate } = script;
    let closes = String::from_utf8_lossy(&pieces.concat()).contains("Connection: close\r\n");
    for piece in pieces {
        match &gate {
            Some(gate) => gate.acquire().await.unwrap().forget(),
            None => sleep(PAUSE).await,
        }
        if stream.write_all(&piece).await.is_err() {
            return false;
        }
    }
    !closes
}

fn connection(name: &str, address: SocketAddr, about: (Slot, Answers)) -> ConnectionSpec {
    let (slot, answers) = about;
    ConnectionSpec {
        tokens: None,
        name: name.parse().unwrap(),
        service: Service::Http,
        hosts: vec![format!("{name}.test")],
        pin: Some(address),
        authority_pem: None,
        plain_http: true,
        slot: Some(slot),
        ceiling: Vec::new(),
        limits: Limits::default(),
        trust_floor: 0,
        rotation: None,
        answers,
        never_holds: None,
    }
}

async fn open(world: &World) -> OpenedRunView {
    let launcher =
        Peer { uid: 0, session: None, ancestors: vec![ProcessKey { pid: 2, started: 1 }] };
    let spec = RunSpec {
        keys: None,
        agent: Some("bot".parse().unwrap()),
        task: Some("ticket:OPS-2".parse().unwrap()),
        on_behalf_of: None,
        mandate: Lines::default(),
        file_mandate: None,
        limits: Limits::default(),
        ttl_secs: 300,
        tier: Tier::Advisory,
        tier_floor: None,
    };
    world.plane.open_run(world.admin().0, &launcher, spec).await.unwrap()
}
