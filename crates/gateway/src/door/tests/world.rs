//! A real plane in memory, a gateway in front of it, and an upstream that writes down what it saw.
#![expect(clippy::disallowed_methods, reason = "tests dial their own sockets and own their tasks")]
#![expect(clippy::disallowed_types, reason = "a TLS client needs the real time")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use marque_crypto::factor::Cost;
use marque_crypto::intercept::InterceptAuthority;
use marque_crypto::key_file::{KeyMaterial, Purpose};
use marque_crypto::machine::MachineHashKey;
use marque_crypto::seal::FileKeyManager;
use marque_crypto::sign::LogKey;
use marque_crypto::{Secret, SystemRandom};
use marque_domain::{Answer, Event, Limits, Outcome, Slot, Tier, Timestamp, User};
use marque_plane::spec::{AgentSpec, ConnectionSpec, GrantSpec, KillTarget, Lines, RunSpec};
use marque_plane::{
    Acting, Clock, DoorProof, Factor, HandedDoors, LogKeyFiles, LogSigner, Parts, Peer, Plane,
    Presented, ProcessKey, Settings,
};
use marque_policy::PolicySet;
use marque_store::{LogQuery, Store};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::agent::{Agent, trusting};
use super::upstream::{Seen, serve};
use crate::{Gateway, GatewaySettings};

/// What the upstream demands and no client may ever see.
pub(super) const CREDENTIAL: &str = "s3cr3t-of-the-upstream";
const CONNECTIONS: [&str; 4] = ["plain", "literal", "private", "modern"];
const PASSPHRASE: &str = "correct horse battery staple";
/// How long anything may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let elapsed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Timestamp::from_millis(u64::try_from(elapsed.as_millis()).unwrap())
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

pub(super) struct World {
    pub(super) plane: Plane,
    /// The program in the first run.
    pub(super) bot: Agent,
    alice: Acting<User>,
    proxy: SocketAddr,
    /// Where the API hands doors of captured runs over.
    pub(super) handed: mpsc::Sender<HandedDoors>,
    seen: Arc<Seen>,
    /// Signs for the upstreams.
    authority: InterceptAuthority,
    stop: CancellationToken,
}

impl World {
    /// `http://plain.test`, `http://[2001:db8::1]` and `https://private.test` lead to an upstream
    /// of ours, `https://modern.test` to one that speaks HTTP/2; the run may GET anything under `/v1` and `/slow`, and must ask before it POSTs.
    pub(super) async fn new() -> Self {
        Self::with(GatewaySettings::default()).await
    }

    /// The same, with other bounds.
    pub(super) async fn with(settings: GatewaySettings) -> Self {
        let plane = Plane::start_inline(Store::in_memory().unwrap(), parts(), Settings::default());
        let plane = plane.unwrap();
        let seen: Arc<Seen> = Arc::default();
        let authority = InterceptAuthority::create("upstream", plane.clock().now(), PATIENCE * 99);
        let authority = authority.unwrap();
        let plain = upstream(&seen, None).await;
        let tls = |host, protocols| Some(acceptor(&plane, &authority, host, protocols));
        let private = upstream(&seen, tls("private.test", &[])).await;
        let modern = upstream(&seen, tls("modern.test", &["h2"])).await;

        let stop = CancellationToken::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = listener.local_addr().unwrap();
        plane.set_proxy_address(proxy);
        let gateway = Gateway::new(plane.clone(), settings);
        let (handed, doors) = mpsc::channel(4);
        tokio::spawn(gateway.serve(listener, doors, stop.clone()));

        plane.claim(&peer(), factor()).await.unwrap();
        let alice = plane.identify(&peer(), Some(factor()), false).await.unwrap();
        let agent = AgentSpec {
            name: "bot".parse().unwrap(),
            purpose: "tests".to_owned(),
            owner: None,
            sponsor: None,
            digests: std::collections::BTreeMap::new(),
            limits: Limits::default(),
        };
        plane.add_agent(&alice, agent).await.unwrap();
        for spec in [
            ConnectionSpec { plain_http: true, ..connection("plain", plain) },
            ConnectionSpec {
                plain_http: true,
                hosts: vec!["[2001:db8::1]".to_owned()],
                ..connection("literal", plain)
            },
            ConnectionSpec {
                authority_pem: Some(authority.ca_pem()),
                ..connection("private", private)
            },
            ConnectionSpec {
                authority_pem: Some(authority.ca_pem()),
                ..connection("modern", modern)
            },
        ] {
            let secret = Secret::from_string(CREDENTIAL.to_owned());
            plane.add_connection(&alice, spec, Some(secret)).await.unwrap();
        }
        let own = |line: &str| CONNECTIONS.map(|name| format!("{name}:{line}"));
        let lines = Lines {
            allow: [
                own("GET /v1/**"),
                own("HEAD /v1/**"),
                own("GET /slow"),
                own("GET /only/*"),
                own("websocket /v1/sockets/**"),
                own("websocket.send /v1/sockets/open/**"),
            ]
            .concat(),
            ask: [own("POST /v1/**"), own("websocket.send /v1/sockets/asking")].concat(),
            never: Vec::new(),
        };
        plane.add_grant(&alice, grant(&plane, lines)).await.unwrap();
        let run = plane.open_run(&alice, &launcher(), run_spec(Limits::default())).await.unwrap();
        Self { plane, bot: Agent::new(proxy, run), alice, proxy, handed, seen, authority, stop }
    }

    /// Another run of the same agent, within these limits.
    pub(super) async fn opens_a_run(&self, limits: Limits) -> Agent {
        let run = self.plane.open_run(&self.alice, &launcher(), run_spec(limits)).await.unwrap();
        Agent::new(self.proxy, run)
    }

    /// A captured run of the same agent, without doors yet.
    pub(super) async fn opens_a_captured_run(&self) -> Agent {
        let spec = RunSpec { tier: Tier::Captured, ..run_spec(Limits::default()) };
        let run = self.plane.open_run(&self.alice, &launcher(), spec).await.unwrap();
        Agent::new(self.proxy, run)
    }

    /// What proves a captured run to whoever serves its doors.
    pub(super) fn proves(&self, agent: &Agent) -> DoorProof {
        let secret = Secret::from_string(agent.run.secret.clone());
        let presented = Presented::RunSecret { run: agent.run.run.id.to_string(), secret };
        let acting = self.plane.identify_run(&presented).unwrap();
        self.plane.hand_over(&acting, &launcher()).unwrap()
    }

    /// Registers an opaque connection `pinned` to an upstream at `pinned.test` whose authority no
    /// run trusts, and lets the agent connect there within these limits. The authority comes back.
    pub(super) async fn registers_an_opaque_one(&self, limits: Limits) -> String {
        let tls = acceptor(&self.plane, &self.authority, "pinned.test", &[]);
        let address = upstream(&self.seen, Some(tls)).await;
        let spec = ConnectionSpec {
            service: marque_domain::Service::Net,
            slot: None,
            limits,
            ..connection("pinned", address)
        };
        self.plane.add_connection(&self.alice, spec, None).await.unwrap();
        let lines =
            Lines { allow: vec!["pinned:connect pinned.test:443".to_owned()], ..Lines::default() };
        self.plane.add_grant(&self.alice, grant(&self.plane, lines)).await.unwrap();
        self.authority.ca_pem()
    }

    /// Registers a connection that goes wherever its name leads, and lets the agent GET there.
    pub(super) async fn registers(&self, name: &str, host: String) {
        let anywhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let spec = ConnectionSpec {
            hosts: vec![host],
            pin: None,
            plain_http: true,
            ..connection(name, anywhere)
        };
        let secret = Secret::from_string(CREDENTIAL.to_owned());
        self.plane.add_connection(&self.alice, spec, Some(secret)).await.unwrap();
        let lines = Lines { allow: vec![format!("{name}:GET /v1/**")], ..Lines::default() };
        self.plane.add_grant(&self.alice, grant(&self.plane, lines)).await.unwrap();
    }

    pub(super) fn credentials(&self) -> String {
        self.bot.credentials()
    }

    /// Sends these bytes to the proxy and reads until it closes or has said its word.
    pub(super) async fn says(&self, request: &str) -> String {
        let mut stream = self.connects().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        read_answer(&mut stream).await
    }

    /// A request for `http://plain.test` and this path, without a body.
    pub(super) fn plain(&self, line: &str) -> String {
        let (method, path) = line.split_once(' ').unwrap();
        format!(
            "{method} http://plain.test{path} HTTP/1.1\r\nHost: plain.test\r\n\
             Proxy-Authorization: {}\r\n\r\n",
            self.credentials()
        )
    }

    /// Asks for `http://plain.test` and this path, with a body and more field lines.
    pub(super) async fn asks(&self, line: &str, fields: &str, body: &str) -> String {
        let (method, path) = line.split_once(' ').unwrap();
        self.says(&format!(
            "{method} http://plain.test{path} HTTP/1.1\r\nHost: plain.test\r\n\
             Proxy-Authorization: {}\r\nContent-Length: {}\r\n{fields}\r\n{body}",
            self.credentials(),
            body.len()
        ))
        .await
    }

    /// Sends 2 MiB with curl through the proxy: what it printed, without the fields of the answer,
    /// and its exit code. Waits for a missing `100 Continue` until it gives up.
    pub(super) async fn curls(&self, url: &str, arguments: &[&str]) -> (String, Option<i32>) {
        let proxy =
            format!("http://{}:{}@{}", self.bot.run.run.id, self.bot.run.secret, self.proxy);
        let mut command = tokio::process::Command::new("sh");
        command
            .args(["-c", r#"head -c 2097152 /dev/zero | curl "$@""#, "curl", "--silent"])
            .args(["--show-error", "--insecure", "--noproxy", "", "--proxy", &proxy])
            .args(["--max-time", "10", "--expect100-timeout", "20", "--data-binary", "@-"])
            .args(arguments)
            .arg(url)
            .kill_on_drop(true);
        let output = timeout(PATIENCE * 3, command.output()).await.unwrap().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (String::from_utf8(said).unwrap(), output.status.code())
    }

    pub(super) async fn connects(&self) -> TcpStream {
        self.bot.connects().await
    }

    pub(super) async fn tunnels(&self, authority: &str) -> (TcpStream, String) {
        self.bot.tunnels(authority).await
    }

    /// Opens a tunnel to `private.test`, shakes hands as for `name`, and sends these bytes.
    pub(super) async fn says_inside(&self, name: &str, request: &str) -> std::io::Result<String> {
        let config = trusting(&[&self.bot], &[]);
        let mut stream = self.bot.shakes_hands("private.test", name, &config).await?;
        stream.write_all(request.as_bytes()).await?;
        Ok(read_answer(&mut stream).await)
    }

    /// What reached the upstreams, head and body of each request.
    pub(super) fn upstream_saw(&self) -> Vec<String> {
        self.seen.requests()
    }

    /// Connections to the upstreams that were ever opened.
    pub(super) fn lines_opened(&self) -> usize {
        self.seen.opened()
    }

    /// Waits until as many connections to the upstreams are open.
    pub(super) async fn lines_left_open(&self, count: usize) {
        let waiting = async {
            while self.seen.open() != count {
                sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = timeout(PATIENCE, waiting).await;
        assert!(waited.is_ok(), "{} are open, not {count}", self.seen.open());
    }

    /// The gateway ends, once what is under way has.
    pub(super) fn stops(&self) {
        self.stop.cancel();
    }

    pub(super) async fn kills_the_run(&self) {
        self.kills(&self.bot).await;
    }

    pub(super) async fn kills(&self, agent: &Agent) {
        let target = KillTarget::Run(agent.run.run.id.to_string());
        self.plane.kill(&self.alice, target).await.unwrap();
    }

    /// Alice gives a connection another credential.
    pub(super) async fn rotates(&self, connection: &str) {
        let secret = Secret::from_string(CREDENTIAL.to_owned());
        self.plane.rotate_connection(&self.alice, connection, secret).await.unwrap();
    }

    /// Alice answers the one open question with yes.
    pub(super) async fn gives_the_approval(&self) {
        let open = self.plane.approvals(&self.alice, false).await.unwrap();
        let approval = &open.first().unwrap().approval;
        let (id, digest) = (approval.id.to_string(), approval.digest);
        self.plane.give_approval(&peer(), factor(), &id, digest).await.unwrap();
    }

    /// The outcomes in the log, once there are `count` of them.
    pub(super) async fn outcomes(&self, count: usize) -> Vec<Outcome> {
        self.outcomes_of(&self.bot, count).await
    }

    /// The outcomes of that run in the log, once there are `count` of them.
    pub(super) async fn outcomes_of(&self, agent: &Agent, count: usize) -> Vec<Outcome> {
        let waiting = async {
            loop {
                let found = self.recorded_outcomes(agent).await;
                if found.len() >= count {
                    return found;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, waiting).await.unwrap()
    }

    /// The first outcome of that run with the bytes that crossed up and down, once it is there.
    pub(super) async fn crossed(&self, agent: &Agent) -> Vec<(Outcome, u64, u64)> {
        self.outcomes_of(agent, 1).await;
        let query = LogQuery {
            event: Some("outcome".to_owned()),
            run: Some(agent.run.run.id),
            limit: 100,
            ..LogQuery::default()
        };
        let entries = self.plane.log_query(&self.alice, query).await.unwrap();
        let crossed = entries.into_iter().filter_map(|entry| match entry.event {
            Event::Outcome { result, sent_bytes, received_bytes, .. } => {
                Some((result, sent_bytes, received_bytes))
            }
            _ => None,
        });
        crossed.collect()
    }

    async fn recorded_outcomes(&self, agent: &Agent) -> Vec<Outcome> {
        let query = LogQuery {
            event: Some("outcome".to_owned()),
            run: Some(agent.run.run.id),
            limit: 100,
            ..LogQuery::default()
        };
        let entries = self.plane.log_query(&self.alice, query).await.unwrap();
        let outcomes = entries.into_iter().filter_map(|entry| match entry.event {
            Event::Outcome { result, .. } => Some(result),
            _ => None,
        });
        outcomes.collect()
    }

    /// Where that run wanted to go and was refused, as the log has it.
    pub(super) async fn refused_targets(&self, agent: &Agent) -> Vec<String> {
        let query = LogQuery {
            event: Some("decided".to_owned()),
            run: Some(agent.run.run.id),
            limit: 100,
            ..LogQuery::default()
        };
        let entries = self.plane.log_query(&self.alice, query).await.unwrap();
        let targets = entries.into_iter().filter_map(|entry| match entry.event {
            Event::Decided(decision) => match decision.answer {
                Answer::Refused { .. } => Some(decision.operation.target),
                _ => None,
            },
            _ => None,
        });
        targets.collect()
    }

    /// Who administers the plane, and where its proxy is.
    pub(super) fn admin(&self) -> (&Acting<User>, SocketAddr) {
        (&self.alice, self.proxy)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Reads one head and as much body as it announces, or until the end.
pub(super) async fn read_answer<IO: AsyncRead + Unpin>(stream: &mut IO) -> String {
    let head = read_head(stream).await;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = Vec::new();
    let size = length.map_or(0, |length| length.trim().parse().unwrap());
    let _read = timeout(PATIENCE, stream.take(size).read_to_end(&mut body)).await.unwrap();
    head + &String::from_utf8_lossy(&body)
}

/// Reads up to the end of one head, or until the end.
pub(super) async fn read_head<IO: AsyncRead + Unpin>(stream: &mut IO) -> String {
    let mut head = Vec::new();
    let reading = async {
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => break,
            }
        }
    };
    timeout(PATIENCE, reading).await.unwrap();
    String::from_utf8(head).unwrap()
}

/// Reads up to these words, or until the end.
pub(super) async fn read_until<IO: AsyncRead + Unpin>(stream: &mut IO, words: &str) -> String {
    let mut read = Vec::new();
    let reading = async {
        while !read.ends_with(words.as_bytes()) {
            if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                break;
            }
        }
    };
    timeout(PATIENCE, reading).await.unwrap();
    String::from_utf8(read).unwrap()
}

async fn upstream(seen: &Arc<Seen>, tls: Option<TlsAcceptor>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, Arc::clone(seen), tls));
    address
}

fn acceptor(
    plane: &Plane,
    authority: &InterceptAuthority,
    host: &str,
    protocols: &[&str],
) -> TlsAcceptor {
    let leaf = authority.leaf(host, plane.clock().now()).unwrap();
    let key = PrivateKeyDer::Pkcs8(leaf.expose_key());
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(leaf.chain().to_vec(), key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

pub(super) fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn parts() -> Parts {
    let random = Arc::new(SystemRandom);
    let kek = KeyMaterial::generate(Purpose::KeyEncryption, &*random);
    let nowhere = LogKeyFiles {
        private: "/nonexistent/keys/log".into(),
        public: "/nonexistent/log.vkey".into(),
    };
    Parts {
        clock: Arc::new(SystemClock),
        outbound: Arc::new(marque_testkit::Outside::default()),
        key_manager: Arc::new(FileKeyManager::new(&kek, random.clone()).unwrap()),
        log_key: Arc::new(LogSigner::new(LogKey::generate(&*random).unwrap(), nowhere)),
        machine_key: MachineHashKey::generate(&*random),
        policies: Arc::new(PolicySet::load(&[]).unwrap()),
        factor_cost: Cost::LIGHT,
        seen: Vec::new(),
        random,
    }
}

fn connection(name: &str, address: SocketAddr) -> ConnectionSpec {
    ConnectionSpec {
        tokens: None,
        name: name.parse().unwrap(),
        service: marque_domain::Service::Http,
        hosts: vec![format!("{name}.test")],
        pin: Some(address),
        authority_pem: None,
        plain_http: false,
        slot: Some(Slot::Bearer {}),
        ceiling: Vec::new(),
        limits: Limits::default(),
        trust_floor: 0,
        rotation: None,
        answers: marque_domain::Answers::default(),
        never_holds: None,
    }
}

fn grant(plane: &Plane, lines: Lines) -> GrantSpec {
    GrantSpec {
        agent: "bot".parse().unwrap(),
        lines,
        until: plane.clock().now().plus(PATIENCE * 99),
        openers: std::collections::BTreeSet::new(),
        tier_floor: None,
        user_namespaces: false,
    }
}

fn run_spec(limits: Limits) -> RunSpec {
    RunSpec {
        keys: None,
        agent: Some("bot".parse().unwrap()),
        task: Some("ticket:OPS-1".parse().unwrap()),
        on_behalf_of: None,
        mandate: Lines::default(),
        file_mandate: None,
        limits,
        ttl_secs: 300,
        tier: Tier::Advisory,
        tier_floor: None,
    }
}

fn factor() -> Factor {
    Factor {
        user: Some("alice".parse().unwrap()),
        passphrase: Secret::from_string(PASSPHRASE.to_owned()),
    }
}

fn peer() -> Peer {
    Peer { uid: 0, session: None, ancestors: vec![ProcessKey { pid: 1, started: 1 }] }
}

fn launcher() -> Peer {
    Peer { uid: 0, session: None, ancestors: vec![ProcessKey { pid: 2, started: 1 }] }
}
