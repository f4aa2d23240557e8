//! Three real servers, and what each of them saw.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::super::support::{Json, certify, eventually};
use super::cases::{Case, Names};
use super::client::{QUIET, Stream, Trust, hears, says};
use super::way::{Protocol, Way};

/// How long a server may take for its last answer.
const PATIENCE: Duration = Duration::from_secs(20);
const ECHO: &str = include_str!("echo.js");
const NGINX: &str = include_str!("nginx.conf");
const HAPROXY: &str = include_str!("haproxy.cfg");

/// Ends the server when its standard input does, however that comes about.
const WATCH: &str = r#"
"$@" </dev/null &
server=$!
read -r told
kill "$server" 2>/dev/null
wait "$server" 2>/dev/null
"#;

/// One request that a server took for whole and well-formed, or tried to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// The `X-Case` field.
    pub(super) case: String,
    pub(super) method: String,
    /// As it was sent.
    pub(super) target: String,
    /// The path as this server goes by it, decoded.
    pub(super) path: String,
    pub(super) host: String,
    pub(super) cookie: String,
    pub(super) body: String,
    /// The first digit of the version of HTTP.
    pub(super) version: String,
    /// The names of its fields, where the server tells.
    pub(super) fields: Vec<String>,
    port: String,
    is_answered: bool,
}

/// A running server.
pub(super) struct Server {
    pub(super) name: &'static str,
    /// Where it is asked without Marque.
    pub(super) straight: SocketAddr,
    /// Where Marque asks it.
    pub(super) through: SocketAddr,
    /// Who vouches for it, where it speaks TLS.
    pub(super) authority: PathBuf,
    way: Way,
    trust: Trust,
    seen: PathBuf,
    watch: Child,
}

/// nginx, HAProxy and Node, as they are asked on that way; `None`, said aloud, where one is not
/// installed. In CI they must be.
pub(super) fn start(directory: &Path, way: Way) -> Option<[Server; 3]> {
    let programs = [("nginx", "-v"), ("haproxy", "-v"), ("node", "--version")];
    for (program, version) in programs {
        let known = command(program).arg(version).output();
        if known.is_ok_and(|output| output.status.success()) {
            continue;
        }
        assert!(std::env::var_os("CI").is_none(), "`{program}` is missing: see `.ci/run`");
        let said = format!("SKIPPED: `{program}` is not installed\n");
        let _ = std::io::stderr().write_all(said.as_bytes());
        return None;
    }
    fs::write(directory.join("echo.js"), ECHO).unwrap();
    let [inner, _] = free_addresses();
    Some(programs.map(|(name, _)| Server::start(name, directory, way, inner)))
}

/// How the URL standard reads the host of `http://<spelling>/`; nothing where it refuses.
pub(super) fn standard_hosts(directory: &Path, spellings: &[&str]) -> Vec<String> {
    let mut command = command("node");
    command.arg(directory.join("echo.js")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let asked = serde_json::to_string(spellings).unwrap();
    child.stdin.take().unwrap().write_all(asked.as_bytes()).unwrap();
    serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap()
}

impl Server {
    /// `inner` is where Node answers for HAProxy, which would answer half a request by itself.
    fn start(name: &'static str, directory: &Path, way: Way, inner: SocketAddr) -> Self {
        let [straight, through] = free_addresses();
        let of_server = |end: &str| directory.join(format!("{name}.{end}"));
        let (seen, authority) = (of_server("seen"), of_server("authority"));
        let (authority_pem, leaf) = certify(&format!("{name}.test"));
        fs::write(&authority, &authority_pem).unwrap();
        let key = leaf.expose_key_pem();
        fs::write(of_server("pem"), leaf.chain_pem() + key.as_str()).unwrap();
        let configured = |template: &str| {
            let text = configured(template, name, way)
                .replace("DIR", directory.to_str().unwrap())
                .replace("STRAIGHT", &straight.port().to_string())
                .replace("THROUGH", &through.port().to_string())
                .replace("INNER", &inner.port().to_string());
            fs::write(of_server("conf"), text).unwrap();
            of_server("conf").to_str().unwrap().to_owned()
        };
        let words = match name {
            "nginx" => vec!["-c".to_owned(), configured(NGINX)],
            "haproxy" => vec!["-db".to_owned(), "-f".to_owned(), configured(HAPROXY)],
            _ => {
                let script = directory.join("echo.js");
                let paths = [script, seen.clone(), way.word().into(), of_server("pem")];
                let ports = [inner, straight, through].map(|at| at.port().to_string());
                let paths = paths.map(|path| path.to_str().unwrap().to_owned());
                paths.into_iter().chain(ports).collect()
            }
        };
        let printed = if name == "haproxy" { seen.clone() } else { of_server("out") };
        let mut watch = command("sh");
        watch.args(["-c", WATCH, "watch", name]).args(words).stdin(Stdio::piped());
        watch.stdout(File::create(printed).unwrap());
        watch.stderr(File::create(of_server("said")).unwrap());
        let (watch, trust) = (watch.spawn().unwrap(), Trust::in_pem(&authority_pem));
        let server = Self { name, straight, through, authority, way, trust, seen, watch };
        eventually("the server listens", || {
            [straight, through].iter().all(|at| TcpStream::connect(at).is_ok()).then_some(())
        });
        server
    }

    /// The name it is known by.
    pub(super) fn host(&self) -> String {
        format!("{}.test", self.name)
    }

    /// Says a case to it, without Marque, and hears it out.
    pub(super) fn hears(&self, case: &Case, number: usize) {
        let host = self.host();
        let names = Names { at: "", host: &host, number, proof: "" };
        let (head, rest) = case.bytes(&names);
        let mut stream = self.connects(self.straight, case.protocol);
        says(&mut *stream, &[head, rest].concat());
        hears(&mut *stream, case.protocol, QUIET);
    }

    fn connects(&self, at: SocketAddr, protocol: Protocol) -> Box<dyn Stream> {
        let tcp = TcpStream::connect(at).unwrap();
        match self.way {
            Way::Plain => Box::new(tcp),
            Way::Tls | Way::Http2 => self.trust.shakes_hands(&self.host(), tcp, protocol),
        }
    }

    /// All that it saw, on the way without Marque and with it. Nothing of it is still to come:
    /// one thread writes everything down, and a last request on either way comes after all others.
    pub(super) fn saw(&self) -> (Vec<Seen>, Vec<Seen>) {
        for address in [self.straight, self.through] {
            let mut stream = self.connects(address, Protocol::Http1);
            let last = "GET /last HTTP/1.1\r\nHost: a\r\nX-Case: last\r\nConnection: close\r\n\r\n";
            says(&mut *stream, last.as_bytes());
            hears(&mut *stream, Protocol::Http1, PATIENCE);
        }
        let is_last = |seen: &Seen| seen.case == "last";
        let all = eventually("all is written down", || {
            let all = self.read();
            let has_last = |at: SocketAddr| {
                let port = at.port().to_string();
                all.iter().any(|seen| is_last(seen) && seen.port == port)
            };
            (has_last(self.straight) && has_last(self.through)).then_some(all)
        });
        let [straight, through] = [self.straight, self.through].map(|at| at.port().to_string());
        let is_ours = |seen: &Seen| [&straight, &through].contains(&&seen.port);
        let ours = all.into_iter().filter(|seen| is_ours(seen) && !is_last(seen));
        ours.partition(|seen| seen.port == straight)
    }

    fn read(&self) -> Vec<Seen> {
        let text = fs::read(&self.seen).unwrap_or_default();
        let lines = text.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{"));
        lines.map(|line| Seen::read(&String::from_utf8_lossy(line))).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.watch.stdin.take());
        let _ = self.watch.wait();
    }
}

impl Seen {
    fn read(line: &str) -> Self {
        let seen: Json = serde_json::from_str(line).unwrap_or_else(|bad| panic!("{bad}: {line}"));
        // HAProxy writes `-` for nothing.
        let text = |name: &str| match seen[name].as_str() {
            None | Some("-") => String::new(),
            Some(text) => text.to_owned(),
        };
        let fields = seen["fields"].as_array().into_iter().flatten();
        Self {
            case: text("case"),
            method: text("method"),
            target: text("target"),
            path: decoded(&text("path")),
            host: text("host"),
            cookie: text("cookie"),
            body: text("body"),
            version: text("version").trim_start_matches("HTTP/").chars().take(1).collect(),
            fields: fields.map(|field| field.as_str().unwrap().to_owned()).collect(),
            port: text("port"),
            is_answered: text("status") == "200",
        }
    }

    /// What it would act on, if it took the request for one.
    pub(super) fn reading(&self) -> Option<[&str; 5]> {
        let Self { method, host, path, cookie, body, .. } = self;
        self.is_answered.then_some([method, host, path, cookie, body].map(String::as_str))
    }
}

/// A server's configuration, but for its directory and ports.
fn configured(template: &str, name: &str, way: Way) -> String {
    let pem = format!("DIR/{name}.pem");
    let offered = if way == Way::Http2 { "h2,http/1.1" } else { "http/1.1" };
    let (listens, certificate) = match (name, way) {
        (_, Way::Plain) => (String::new(), String::new()),
        ("haproxy", _) => (format!("ssl crt {pem} alpn {offered}"), String::new()),
        _ => {
            let listens = if way == Way::Http2 { "ssl http2" } else { "ssl" };
            let certificate = format!("ssl_certificate {pem}; ssl_certificate_key {pem};");
            (listens.to_owned(), certificate)
        }
    };
    template.replace("TLS", &listens).replace("CERTIFICATE", &certificate)
}

/// A path without its percent escapes.
pub(super) fn decoded(path: &str) -> String {
    let bytes = path.as_bytes();
    let (mut plain, mut at) = (Vec::new(), 0);
    while let Some(&byte) = bytes.get(at) {
        let digits = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let (b'%', Some(escaped)) = (byte, escaped) {
            plain.push(escaped);
            at += 3;
        } else {
            plain.push(byte);
            at += 1;
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

// Where Debian puts servers is not on everybody's path.
fn command(program: &str) -> Command {
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    let found = path.split(':').map(|place| Path::new(place).join(program));
    let found = found.into_iter().find(|found| found.is_file());
    let mut command = Command::new(found.unwrap_or_else(|| program.into()));
    command.env("PATH", path);
    command
}

fn free_addresses() -> [SocketAddr; 2] {
    let held = [0; 2].map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap());
    held.map(|listener| listener.local_addr().unwrap())
}
