//! Three real servers, and what each of them saw.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::super::support::{Json, eventually};

/// How long a server may say nothing before its answer is taken for whole.
pub(super) const QUIET: Duration = Duration::from_millis(250);
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
    pub(super) body: String,
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
    seen: PathBuf,
    watch: Child,
}

/// nginx, HAProxy and Node; `None`, said aloud, where one is not installed. In CI they must be.
pub(super) fn start(directory: &Path) -> Option<[Server; 3]> {
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
    Some(programs.map(|(name, _)| Server::start(name, directory, inner)))
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
    fn start(name: &'static str, directory: &Path, inner: SocketAddr) -> Self {
        let [straight, through] = free_addresses();
        let seen = directory.join(format!("{name}.seen"));
        let configured = |template: &str| {
            let text = template
                .replace("DIR", directory.to_str().unwrap())
                .replace("STRAIGHT", &straight.port().to_string())
                .replace("THROUGH", &through.port().to_string())
                .replace("INNER", &inner.port().to_string());
            let path = directory.join(format!("{name}.conf"));
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let words = match name {
            "nginx" => vec!["-c".to_owned(), configured(NGINX)],
            "haproxy" => vec!["-db".to_owned(), "-f".to_owned(), configured(HAPROXY)],
            _ => [directory.join("echo.js"), seen.clone()]
                .map(|path| path.to_str().unwrap().to_owned())
                .into_iter()
                .chain([straight, through, inner].map(|address| address.port().to_string()))
                .collect(),
        };
        let printed = match name {
            "haproxy" => seen.clone(),
            _ => directory.join(format!("{name}.out")),
        };
        let mut watch = command("sh");
        watch.args(["-c", WATCH, "watch", name]).args(words).stdin(Stdio::piped());
        watch.stdout(File::create(printed).unwrap());
        watch.stderr(File::create(directory.join(format!("{name}.said"))).unwrap());
        let server = Self { name, straight, through, seen, watch: watch.spawn().unwrap() };
        eventually("the server listens", || {
            [straight, through].iter().all(|at| TcpStream::connect(at).is_ok()).then_some(())
        });
        server
    }

    /// Says these bytes to it, without Marque, and hears it out.
    pub(super) fn hears(&self, bytes: &[u8]) {
        let mut stream = TcpStream::connect(self.straight).unwrap();
        stream.set_read_timeout(Some(QUIET)).unwrap();
        // It may break off in the middle.
        let _ = stream.write_all(bytes);
        let _ = stream.read_to_end(&mut Vec::new());
    }

    /// All that it saw, on the way without Marque and with it. Nothing of it is still to come:
    /// one thread writes everything down, and a last request on either way comes after all others.
    pub(super) fn saw(&self) -> (Vec<Seen>, Vec<Seen>) {
        for address in [self.straight, self.through] {
            let mut stream = TcpStream::connect(address).unwrap();
            let last = "GET /last HTTP/1.1\r\nHost: a\r\nX-Case: last\r\nConnection: close\r\n\r\n";
            stream.write_all(last.as_bytes()).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
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
            body: text("body"),
            fields: fields.map(|field| field.as_str().unwrap().to_owned()).collect(),
            port: text("port"),
            is_answered: text("status") == "200",
        }
    }

    /// What it would act on, if it took the request for one.
    pub(super) fn reading(&self) -> Option<(&str, &str, &str)> {
        self.is_answered.then_some((&self.method, &self.path, &self.body))
    }
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
