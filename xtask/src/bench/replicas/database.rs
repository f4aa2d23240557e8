//! A PostgreSQL server of the benchmark's own, with the settings it comes with: every commit is on
//! disk before it is answered.
//!
//! The programs are Debian's, the data is ours. It ends when this process does, however that comes
//! about: a shell waits on a pipe whose other end the kernel closes.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use crate::bench::clock::eventually;
use crate::bench::http::free_port;
use crate::bench::process::Watched;

/// Where Debian puts the programs, by version.
const PROGRAMS: &str = "/usr/lib/postgresql";
/// The user and group `nobody`: the server refuses to run as root.
const NOBODY: u32 = 65_534;
const PASSWORD: &str = "bench-password";
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for the pipe to close, then ends the server.
const WATCH: &str = r#"
"$1/postgres" -D "$2/data" </dev/null >>"$2/log" 2>&1 &
server=$!
read -r told
kill -QUIT "$server" 2>/dev/null
wait "$server"
rm -rf "$2"
"#;

pub(super) struct Database {
    programs: PathBuf,
    dir: TempDir,
    port: u16,
    watch: Child,
}

impl Database {
    /// Makes one and waits until it answers.
    pub(super) fn start() -> anyhow::Result<Self> {
        let programs = installed().context("install Debian's `postgresql`")?;
        let dir = tempfile::Builder::new().prefix("marque-bench-db-").tempdir()?;
        fs::write(dir.path().join("password"), PASSWORD)?;
        if is_root() {
            for path in [dir.path().to_owned(), dir.path().join("password")] {
                chown(path, Some(NOBODY), Some(NOBODY))?;
            }
        }
        let port = free_port()?;
        let mut initdb = as_nobody(&programs.join("initdb"));
        initdb.arg("-D").arg(dir.path().join("data")).arg("--pwfile");
        initdb.arg(dir.path().join("password"));
        initdb.args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8"]);
        finish(initdb.args(["--locale=C.UTF-8", "--no-instructions"]))?;
        let place = dir.path().display();
        let settings = format!(
            "\nport = {port}\nlisten_addresses = '127.0.0.1'\n\
             unix_socket_directories = '{place}'\n"
        );
        let configuration = dir.path().join("data/postgresql.conf");
        fs::write(&configuration, fs::read_to_string(&configuration)? + &settings)?;
        let mut shell = as_nobody(Path::new("sh"));
        shell.args(["-c", WATCH, "sh"]).arg(&programs).arg(dir.path());
        // Of its own group: a Ctrl-C is for the servers first.
        let watch = shell.stdin(Stdio::piped()).process_group(0).spawn()?;
        let database = Self { programs, dir, port, watch };
        let is_up = eventually(PATIENCE, || Ok(database.ask("SELECT 1").ok()))?;
        let log = || fs::read_to_string(database.dir.path().join("log")).unwrap_or_default();
        is_up.with_context(|| format!("PostgreSQL does not start: {}", log()))?;
        Ok(database)
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The URL by which it is reached at that port of this machine.
    pub(super) fn url(port: u16) -> String {
        format!("postgres://postgres:{PASSWORD}@127.0.0.1:{port}/postgres")
    }

    /// What it is, in its own words.
    pub(super) fn version(&self) -> anyhow::Result<String> {
        self.ask("SELECT 'PostgreSQL ' || current_setting('server_version')")
    }

    /// What `psql` prints of one query.
    pub(super) fn ask(&self, query: &str) -> anyhow::Result<String> {
        let mut psql = self.tool("psql");
        let output = psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", query]).output()?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "psql refused `{query}`: {error}");
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// A query whose answer is a number.
    pub(super) fn count(&self, query: &str) -> anyhow::Result<u64> {
        let answer = self.ask(query)?;
        answer.parse().with_context(|| format!("`{query}` answers `{answer}`"))
    }

    /// What the engine itself commits in a second: one row in each transaction, from that many
    /// clients at once.
    pub(super) fn commits_per_second(&self, clients: u32, seconds: u32) -> anyhow::Result<f64> {
        self.ask("CREATE TABLE IF NOT EXISTS pgbench_floor (body text)")?;
        let script = self.dir.path().join("floor.sql");
        fs::write(&script, "INSERT INTO pgbench_floor VALUES (repeat('x', 400));\n")?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o644))?;
        let mut pgbench = self.tool("pgbench");
        pgbench.args(["-n", "-M", "prepared", "-c", &clients.to_string()]);
        pgbench.args(["-T", &seconds.to_string(), "-f"]).arg(script);
        let output = pgbench.output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "pgbench failed: {error}");
        self.ask("DROP TABLE pgbench_floor")?;
        let mut lines = said.lines().filter_map(|line| line.strip_prefix("tps = "));
        let number = lines.next().and_then(|rest| rest.split(' ').next());
        Ok(number.with_context(|| format!("pgbench says no rate: {said}"))?.parse()?)
    }

    /// The process that all others of it come from.
    pub(super) fn process(&self) -> anyhow::Result<Watched> {
        let file = fs::read_to_string(self.dir.path().join("data/postmaster.pid"));
        let file = file.context("PostgreSQL has ended")?;
        let first = file.lines().next().context("PostgreSQL names no process")?;
        Ok(Watched(first.trim().parse()?))
    }

    fn tool(&self, name: &str) -> Command {
        let mut tool = Command::new(self.programs.join(name));
        tool.env_clear().env("PGPASSWORD", PASSWORD).stdin(Stdio::null());
        tool.args(["-h", "127.0.0.1", "-U", "postgres", "-p", &self.port.to_string()]);
        tool.env("PGDATABASE", "postgres");
        tool
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        drop(self.watch.stdin.take());
        // It ends the server and removes the directory.
        let _ = self.watch.wait();
    }
}

/// The newest version whose server is there.
fn installed() -> Option<PathBuf> {
    let versions = fs::read_dir(PROGRAMS).ok()?;
    let programs = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
    programs.filter(|programs| programs.join("initdb").exists()).max()
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

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn finish(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed: {error}");
    Ok(())
}
