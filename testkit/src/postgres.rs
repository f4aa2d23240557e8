//! A PostgreSQL server for tests, on a directory that goes with it.
//!
//! Nothing is downloaded and no running server is touched: the server's programs are Debian's, the
//! data is ours. It ends when this process does, however that comes about: a shell waits on a pipe
//! whose other end the kernel closes.

mod disk;
mod relay;
mod standby;

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

pub use relay::Relay;

/// Where Debian puts the programs, by version.
const PROGRAMS: &str = "/usr/lib/postgresql";
/// The user and group `nobody`: the server refuses to run as root.
const NOBODY: u32 = 65_534;
const STARTS_WITHIN: u32 = 300;
const TICK: Duration = Duration::from_millis(100);

/// Waits for the pipe to close, then ends the server.
const WATCH: &str = r#"
"$1/postgres" -D "$2/data" </dev/null >>"$2/log" 2>&1 &
server=$!
read -r told
kill -QUIT "$server" 2>/dev/null
wait "$server"
[ "$told" = keep ] || rm -rf "$2" 2>/dev/null
"#;

/// The password of the role `marque`, which only connects over TCP. It must turn up nowhere.
pub const DATABASE_PASSWORD: &str = "canary-51b2-secret-of-the-database";

/// A server that serves one test program.
pub struct PostgresServer {
    programs: PathBuf,
    directory: TempDir,
    port: u16,
    watch: Child,
    schemas: AtomicU32,
}

impl PostgresServer {
    /// The one server that the tests of a program share; `None`, said aloud, where PostgreSQL is
    /// not installed. In CI it must be.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<PostgresServer>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// A server of one's own, to be broken.
    pub fn start() -> Option<Self> {
        Self::start_by(watch)
    }

    fn start_by(watch: impl FnOnce(&Path, &Path) -> Child) -> Option<Self> {
        let Some(programs) = installed() else {
            assert!(!is_ci(), "in CI PostgreSQL must be installed: see `.ci/run`");
            skipped(&format!("no PostgreSQL server in `{PROGRAMS}`"));
            return None;
        };
        let (directory, port) = (place(), free_port());
        initialise(&programs, directory.path(), port);
        let watch = watch(&programs, directory.path());
        let server = Self { programs, directory, port, watch, schemas: AtomicU32::new(0) };
        server.wait_until_up();
        server.sql(&format!("CREATE ROLE marque LOGIN PASSWORD '{DATABASE_PASSWORD}'"));
        server.sql("GRANT CREATE ON DATABASE postgres TO marque");
        Some(server)
    }

    /// The URL of a new, empty schema over the Unix socket.
    pub fn url(&self) -> String {
        let schema = self.new_schema();
        let host = self.directory.path().to_str().unwrap().replace('/', "%2F");
        let port = self.port;
        format!("postgres://postgres@{host}:{port}/postgres?options=-csearch_path%3D{schema}")
    }

    /// The URL of a new, empty schema over TCP, for the role with a password, which is not in it.
    /// `host` is a name of this machine.
    pub fn url_over_tcp(&self, host: &str, options: &str) -> String {
        let schema = self.new_schema();
        self.sql(&format!("ALTER SCHEMA {schema} OWNER TO marque"));
        let port = self.port;
        format!(
            "postgres://marque@{host}:{port}/postgres?options=-csearch_path%3D{schema}&{options}"
        )
    }

    /// The URL of a new, empty schema over TCP, with the password in it.
    pub fn url_with_password(&self) -> String {
        let url = self.url_over_tcp("127.0.0.1", "sslmode=disable");
        url.replacen("marque@", &format!("marque:{DATABASE_PASSWORD}@"), 1)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The certificate of the authority the server's own is of; it names `localhost` alone.
    pub fn authority(&self) -> PathBuf {
        self.directory.path().join("server.crt")
    }

    /// Runs statements as the superuser, and returns what `psql` prints.
    pub fn sql(&self, statements: &str) -> String {
        let output = self.psql(statements);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "psql refused `{statements}`: {told}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// As [`PostgresServer::sql`], in the schema of a URL.
    pub fn sql_in(&self, url: &str, statements: &str) -> String {
        let (_, schema) = url.split_once("search_path%3D").unwrap();
        let schema = schema.split('&').next().unwrap();
        self.sql(&format!("SET search_path = {schema}; {statements}"))
            .trim_start_matches("SET")
            .trim()
            .to_owned()
    }

    /// One of PostgreSQL's own tools, such as `pg_dump`, told where the server is.
    pub fn tool(&self, program: &str) -> Command {
        let mut tool = Command::new(self.programs.join(program));
        tool.args(["-U", "postgres", "-d", "postgres"]).arg("-h").arg(self.directory.path());
        tool.args(["-p", &self.port.to_string()]);
        tool
    }

    /// Ends every session that a store holds, as an administrator would.
    pub fn end_sessions(&self) {
        self.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE application_name = 'marque'",
        );
    }

    /// Kills every process of the server at once, as a crash would, and starts it anew.
    pub fn crash_and_restart(&mut self) {
        self.crash();
        self.start_again();
    }

    /// Kills every process of the server at once, and keeps what it holds.
    pub fn crash(&mut self) {
        let file = fs::read_to_string(self.directory.path().join("data/postmaster.pid")).unwrap();
        let postmaster = file.lines().next().unwrap();
        // It starts nobody any more; a session that outlives it would hold its shared memory.
        run(Command::new("kill").args(["-STOP", postmaster]));
        let children = fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children"));
        let children = children.unwrap();
        let children: Vec<_> = children.split_whitespace().collect();
        run(Command::new("kill").args(["-9", postmaster]).args(&children));
        children.into_iter().for_each(wait_until_gone);
        // The shell gives the dead server its burial, without which it would seem to run.
        self.stop();
    }

    /// Ends the server, and keeps what it holds.
    pub fn stop(&mut self) {
        self.watch.stdin.take().unwrap().write_all(b"keep\n").unwrap();
        self.watch.wait().unwrap();
    }

    /// Starts it anew after [`PostgresServer::stop`].
    pub fn start_again(&mut self) {
        self.watch = watch(&self.programs, self.directory.path());
        self.wait_until_up();
    }

    fn new_schema(&self) -> String {
        let schema = format!("test_{}", self.schemas.fetch_add(1, Ordering::Relaxed));
        self.sql(&format!("CREATE SCHEMA {schema}"));
        schema
    }

    fn wait_until_up(&self) {
        for _ in 0..STARTS_WITHIN {
            if self.psql("SELECT 1").status.success() {
                return;
            }
            thread::sleep(TICK);
        }
        let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
        panic!("the server does not start: {log}");
    }

    fn psql(&self, statements: &str) -> std::process::Output {
        Command::new(self.programs.join("psql"))
            .args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "postgres"])
            .arg("-h")
            .arg(self.directory.path())
            .args(["-p", &self.port.to_string(), "-c", statements])
            .output()
            .unwrap()
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        drop(self.watch.stdin.take());
        // It ends the server and removes the directory.
        let _ = self.watch.wait();
    }
}

/// An empty directory that the server may write to.
fn place() -> TempDir {
    let directory = tempfile::Builder::new().prefix("marque-pg").tempdir().unwrap();
    if is_root() {
        chown(directory.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    directory
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// The newest version whose server is there.
fn installed() -> Option<PathBuf> {
    let versions = fs::read_dir(PROGRAMS).ok()?;
    let mut found: Vec<PathBuf> = versions
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .filter(|programs| programs.join("initdb").exists())
        .collect();
    found.sort();
    found.pop()
}

// Text sorts by a language's rules there by default, so that a test can tell that ours does not.
fn initialise(programs: &Path, directory: &Path, port: u16) {
    let mut initdb = as_nobody(&programs.join("initdb"));
    initdb.arg("-D").arg(directory.join("data")).args([
        "--username=postgres",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--locale-provider=icu",
        "--icu-locale=en-US",
        "--no-sync",
        "--no-instructions",
    ]);
    run(&mut initdb);
    let certificate = directory.join("server.crt");
    let key = directory.join("server.key");
    let mut openssl = as_nobody(Path::new("openssl"));
    openssl
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
        .args(["-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate);
    run(&mut openssl);
    let place = directory.display();
    let settings = format!(
        "\nport = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{place}'\n\
         max_connections = 200\nshared_buffers = 64MB\nssl = on\n\
         ssl_cert_file = '{place}/server.crt'\nssl_key_file = '{place}/server.key'\n"
    );
    append(&directory.join("data/postgresql.conf"), &settings);
    let rules = "local all all trust\nlocal replication all trust\n\
                 host all all 127.0.0.1/32 scram-sha-256\n";
    fs::write(directory.join("data/pg_hba.conf"), rules).unwrap();
    let readable = fs::Permissions::from_mode(0o644);
    fs::set_permissions(&certificate, readable).unwrap();
}

fn append(path: &Path, text: &str) {
    let mut whole = fs::read_to_string(path).unwrap();
    whole.push_str(text);
    fs::write(path, whole).unwrap();
}

fn watch(programs: &Path, directory: &Path) -> Child {
    let mut shell = as_nobody(Path::new("sh"));
    shell.args(["-c", WATCH, "sh"]).arg(programs).arg(directory);
    // Of its own group, so that a Ctrl-C meant for the tests does not reach it first.
    shell.stdin(Stdio::piped()).process_group(0).spawn().unwrap()
}

/// A command that runs as nobody if we are root, and as ourselves otherwise.
fn as_nobody(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args([format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")]);
    command.arg("--clear-groups").arg("--").arg(program).current_dir("/");
    command
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {told}");
}

/// Waits until a process that was killed has left its memory.
fn wait_until_gone(process: &str) {
    for _ in 0..STARTS_WITHIN {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        if stat.is_empty() || stat.contains(") Z ") {
            return;
        }
        thread::sleep(TICK / 10);
    }
    panic!("process {process} was killed, and lives");
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout.trim_ascii() == b"0"
}

#[expect(clippy::disallowed_methods, reason = "whether a test may be left out is CI's to say")]
fn is_ci() -> bool {
    std::env::var_os("CI").is_some()
}

/// Not by a macro, whose output a test that passes hides.
fn skipped(why: &str) {
    let said = format!("SKIPPED: {why}\n");
    let _ = std::io::stderr().write_all(said.as_bytes());
}
