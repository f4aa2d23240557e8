//! A real plane in memory, a gateway in front of it, and an upstream that writes down what it saw.
#![expect(clippy::disallowed_methods, reason = "tests dial their own sockets and own their tasks")]
#![expect(clippy::disallowed_types, reason = "a TLS client needs the real time")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use marque_crypto::factor::Cost;
use marque_crypto::intercept::InterceptAuthority;
use marque_crypto::key_file::{KeyMaterial, Purpose};
use marque_crypto::machine::MachineHashKey;
use marque_crypto::seal::FileKeyManager;
use marque_crypto::sign::LogKey;
use marque_crypto::{Secret, SystemRandom};
use marque_domain::{Event, Limits, Outcome, Slot, Tier, Timestamp, User};
use marque_plane::spec::{AgentSpec, ConnectionSpec, GrantSpec, KillTarget, Lines, RunSpec};
use marque_plane::view::OpenedRunView;
use marque_plane::{Acting, Clock, Factor, Parts, Peer, Plane, ProcessKey, Settings};
use marque_policy::PolicySet;
use marque_store::{LogQuery, Store};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::sync::CancellationToken;

use crate::{Gateway, GatewaySettings};

/// What the upstream demands and no client may ever see.
pub(super) const CREDENTIAL: &str = "s3cr3t-of-the-upstream";
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
    pub(super) run: OpenedRunView,
    alice: Acting<User>,
    proxy: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    stop: CancellationToken,
}

impl World {
    /// `http://plain.test`, `http://[2001:db8::1]` and `https://private.test` lead to an upstream
    /// of ours; the run may GET anything under `/v1` and `/slow`, and must ask before it POSTs.
    pub(super) async fn new() -> Self {
        Self::with(GatewaySettings::default()).await
    }

    /// The same, with other bounds.
    pub(super) async fn with(settings: GatewaySettings) -> Self {
        let plane = Plane::start_inline(Store::in_memory().unwrap(), parts(), Settings::default());
        let plane = plane.unwrap();
        let seen = Arc::default();
        let authority = InterceptAuthority::create("upstream", plane.clock().now(), PATIENCE * 99);
        let authority = authority.unwrap();
        let plain = upstream(Arc::clone(&seen), None).await;
        let private = upstream(Arc::clone(&seen), Some(acceptor(&plane, &authority))).await;

        let stop = CancellationToken::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = listener.local_addr().unwrap();
        plane.set_proxy_address(proxy);
        let gateway = Gateway::new(plane.clone(), settings);
        tokio::spawn(gateway.serve(listener, stop.clone()));

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
        ] {
            let secret = Secret::from_string(CREDENTIAL.to_owned());
            plane.add_connection(&alice, spec, Some(secret)).await.unwrap();
        }
        let own = |line: &str| ["plain", "literal", "private"].map(|name| format!("{name}:{line}"));
        let lines = Lines {
            allow: [own("GET /v1/**"), own("HEAD /v1/**"), own("GET /slow")].concat(),
            ask: own("POST /v1/**").to_vec(),
            never: Vec::new(),
        };
        let grant = GrantSpec {
            agent: "bot".parse().unwrap(),
            lines,
            until: plane.clock().now().plus(PATIENCE * 99),
            openers: std::collections::BTreeSet::new(),
        };
        plane.add_grant(&alice, grant).await.unwrap();
        let run = plane.open_run(&alice, &launcher(), run_spec()).await.unwrap();
        Self { plane, run, alice, proxy, seen, stop }
    }

    /// The value of `Proxy-Authorization` the run's tools send.
    pub(super) fn credentials(&self) -> String {
        let pair = format!("{}:{}", self.run.run.id, self.run.secret);
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
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
        let proxy = format!("http://{}:{}@{}", self.run.run.id, self.run.secret, self.proxy);
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
        TcpStream::connect(self.proxy).await.unwrap()
    }

    /// Opens a tunnel and says what the proxy answered.
    pub(super) async fn tunnels(&self, authority: &str) -> (TcpStream, String) {
        let mut stream = self.connects().await;
        let request = format!(
            "CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\nProxy-Authorization: {}\r\n\r\n",
            self.credentials()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = read_head(&mut stream).await;
        (stream, answer)
    }

    /// Opens a tunnel to `private.test`, shakes hands as for `name`, and sends these bytes.
    pub(super) async fn says_inside(&self, name: &str, request: &str) -> std::io::Result<String> {
        let (stream, answer) = self.tunnels("private.test:443").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.run.ca_pem.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        stream.write_all(request.as_bytes()).await?;
        Ok(read_answer(&mut stream).await)
    }

    /// What reached the upstreams, head and body of each request.
    pub(super) fn upstream_saw(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) async fn kills_the_run(&self) {
        let target = KillTarget::Run(self.run.run.id.to_string());
        self.plane.kill(&self.alice, target).await.unwrap();
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
        let waiting = async {
            loop {
                let found = self.recorded_outcomes().await;
                if found.len() >= count {
                    return found;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, waiting).await.unwrap()
    }

    async fn recorded_outcomes(&self) -> Vec<Outcome> {
        let query = LogQuery {
            event: Some("outcome".to_owned()),
            run: Some(self.run.run.id),
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

async fn upstream(seen: Arc<Mutex<Vec<String>>>, tls: Option<TlsAcceptor>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (seen, tls) = (Arc::clone(&seen), tls.clone());
            tokio::spawn(async move {
                match tls {
                    Some(tls) => answer(tls.accept(stream).await.unwrap(), &seen).await,
                    None => answer(stream, &seen).await,
                }
            });
        }
    });
    address
}

async fn answer<IO: AsyncRead + AsyncWrite + Unpin>(mut stream: IO, seen: &Mutex<Vec<String>>) {
    loop {
        let request = read_answer(&mut stream).await;
        let Some((line, _)) = request.split_once("\r\n") else { return };
        let path = line.split(' ').nth(1).unwrap().to_owned();
        seen.lock().unwrap().push(request);
        let answer = match path.as_str() {
            "/v1/moved" => {
                "302 Found\r\nLocation: https://elsewhere.test/\r\nContent-Length: 0\r\n\r\n"
            }
            "/v1/switch" => "101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            "/v1/closing" => "200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
            "/v1/nothing" => "204 No Content\r\n\r\n",
            "/v1/same" => "304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 5\r\n\r\n",
            "/v1/head" => "200 OK\r\nContent-Length: 5\r\n\r\n",
            "/v1/broken" => "200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
            "/slow" => "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            _ => "200 OK\r\nContent-Length: 5\r\n\r\nhello",
        };
        let _told = stream.write_all(format!("HTTP/1.1 {answer}").as_bytes()).await;
        if path == "/v1/closing" {
            return;
        }
        while path == "/slow" && stream.write_all(b"1\r\n.\r\n").await.is_ok() {
            sleep(Duration::from_millis(5)).await;
        }
    }
}

fn acceptor(plane: &Plane, authority: &InterceptAuthority) -> TlsAcceptor {
    let leaf = authority.leaf("private.test", plane.clock().now()).unwrap();
    let key = PrivateKeyDer::Pkcs8(leaf.expose_key());
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(leaf.chain().to_vec(), key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn parts() -> Parts {
    let random = Arc::new(SystemRandom);
    let kek = KeyMaterial::generate(Purpose::KeyEncryption, &*random);
    Parts {
        clock: Arc::new(SystemClock),
        key_manager: Box::new(FileKeyManager::new(&kek, random.clone()).unwrap()),
        log_key: LogKey::generate(&*random).unwrap(),
        machine_key: MachineHashKey::generate(&*random),
        policies: Arc::new(PolicySet::load(&[]).unwrap()),
        factor_cost: Cost::LIGHT,
        random,
    }
}

fn connection(name: &str, address: SocketAddr) -> ConnectionSpec {
    ConnectionSpec {
        name: name.parse().unwrap(),
        service: marque_domain::Service::Http,
        hosts: vec![format!("{name}.test")],
        pin: Some(address),
        authority_pem: None,
        plain_http: false,
        slot: Some(Slot::Bearer),
        ceiling: Vec::new(),
        limits: Limits::default(),
        trust_floor: 0,
        rotation: None,
        answers: marque_domain::Answers::default(),
        never_holds: None,
    }
}

fn run_spec() -> RunSpec {
    RunSpec {
        agent: Some("bot".parse().unwrap()),
        task: Some("ticket:OPS-1".parse().unwrap()),
        on_behalf_of: None,
        mandate: Lines::default(),
        file_mandate: None,
        limits: Limits::default(),
        ttl_secs: 300,
        tier: Tier::Advisory,
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
