//! One plane in a directory of its own, served by the real binary, with a home nobody else has.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::disk::Disk;
use super::namespace::Namespace;
use super::told::{Json, Told};
use super::wait::{PATIENCE, eventually};

/// What proves the human in every story. It must turn up nowhere.
pub(crate) const PASSPHRASE: &str = "canary-passphrase correct horse";

/// The real binary.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_marque");

/// A plane, and everything a person has around it.
pub(crate) struct Marque {
    home: TempDir,
    server: Option<Child>,
    /// Words before every command, which put it where this plane's machine is.
    inside: Vec<String>,
    /// Where its data directory is seen from here.
    data: PathBuf,
}

impl Marque {
    /// A directory with a passphrase in it and nothing else; no server.
    pub(crate) fn nothing_yet() -> Self {
        let home = TempDir::with_prefix("marque-it-").unwrap();
        for name in ["work", "tmp"] {
            fs::create_dir(home.path().join(name)).unwrap();
        }
        let data = home.path().join("data");
        let marque = Self { home, server: None, inside: Vec::new(), data };
        marque.write("passphrase", PASSPHRASE);
        marque
    }

    /// Runs everything from now on in that network.
    pub(crate) fn moves_to(&mut self, namespace: &Namespace) {
        self.inside = namespace.words();
    }

    /// Keeps its data directory on that disk from now on.
    pub(crate) fn lives_on(&mut self, disk: &Disk) {
        self.inside = disk.words(&self.path("work"));
        self.data = disk.seen();
    }

    /// A served plane that nobody has claimed.
    pub(crate) fn unclaimed() -> Self {
        let mut marque = Self::nothing_yet();
        marque.serve();
        marque
    }

    /// A served plane that `alice` has claimed.
    pub(crate) fn start() -> Self {
        let marque = Self::unclaimed();
        marque.cli(&["claim", "--name", "alice"]).ok();
        marque
    }

    /// Starts the server in the foreground and waits until it listens.
    pub(crate) fn serve(&mut self) {
        self.serve_with(&[]);
    }

    /// The same, with further arguments.
    pub(crate) fn serve_with(&mut self, arguments: &[&str]) {
        let mut server = self.server_command(arguments);
        let doors = |marque: &Self| marque.server_output().matches("\nproxy ").count();
        let before = doors(self);
        self.server = Some(server.spawn().unwrap());
        eventually("the server listens, and has said where", || {
            let server = self.server.as_mut().unwrap();
            let ended = server.try_wait().unwrap();
            assert!(ended.is_none(), "the server ended: {}", self.server_output());
            let listens = self.server_pid() == Some(self.server.as_ref().unwrap().id());
            (listens && doors(self) > before).then_some(())
        });
    }

    /// Starts the server, and waits for nothing.
    pub(crate) fn begins_to_serve(&mut self) {
        self.server = Some(self.server_command(&[]).spawn().unwrap());
    }

    /// What a server says that must refuse to start.
    #[track_caller]
    pub(crate) fn serves_not(&self) -> Told {
        let mut server = self.server_command(&[]);
        let mut server = server.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let until = Instant::now() + PATIENCE;
        let ended = loop {
            let listens = self.server_pid() == Some(server.id()) || Instant::now() > until;
            match server.try_wait().unwrap() {
                Some(_) => break true,
                None if listens => break false,
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let _ = server.kill();
        let told = Told::new("marque up".to_owned(), &server.wait_with_output().unwrap());
        assert!(ended, "the server started, and should not have: {}", told.whole());
        told
    }

    fn server_command(&self, arguments: &[&str]) -> Command {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(self.path("server.out"))
            .unwrap();
        let mut server = self.command(BINARY);
        server.arg("up").args(arguments).env("MARQUE_TRACE", "debug").stdin(Stdio::null());
        server.env_remove("MARQUE_PASSPHRASE_FILE");
        server.stdout(log.try_clone().unwrap()).stderr(log);
        server
    }

    /// Ends the server as an administrator would, and waits for it. Its exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        let mut server = self.server.take().unwrap();
        signal(server.id(), Signal::TERM);
        server.wait().unwrap().code()
    }

    /// Waits for the server to end without being told by us; its exit code.
    pub(crate) fn ends_by_itself(&mut self) -> Option<i32> {
        let mut server = self.server.take().unwrap();
        eventually("the server ends", || server.try_wait().unwrap()).code()
    }

    /// Ends the server as a power cut would.
    pub(crate) fn kill_server(&mut self) {
        let mut server = self.server.take().unwrap();
        server.kill().unwrap();
        server.wait().unwrap();
    }

    /// Ends a server that a command started in the background, as a power cut would.
    pub(crate) fn stop_background(&self) {
        eventually("the server in the background is gone", || {
            let Some(pid) = self.server_pid() else { return Some(()) };
            signal(pid, Signal::KILL);
            None
        });
    }

    /// Whoever listens on the admin socket.
    pub(crate) fn server_pid(&self) -> Option<u32> {
        let stream = UnixStream::connect(self.socket()).ok()?;
        let peer = rustix::net::sockopt::socket_peercred(&stream).ok()?;
        u32::try_from(peer.pid.as_raw_nonzero().get()).ok()
    }

    /// What `/readyz` answers: its status, and the document.
    pub(crate) fn ready(&self) -> (u16, String) {
        let socket = self.path("data/marque.sock");
        let to = ["--unix-socket", socket.to_str().unwrap(), "http://marque/readyz"];
        let told = self.tool("curl", &[&["-sS", "-w", "\n%{http_code}"], &to[..]].concat());
        let (document, status) = told.out.rsplit_once('\n').unwrap_or_default();
        (status.parse().unwrap_or(0), document.to_owned())
    }

    /// What servers in the foreground printed so far.
    pub(crate) fn server_output(&self) -> String {
        fs::read_to_string(self.path("server.out")).unwrap_or_default()
    }

    /// A command in this plane's private environment.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut words = self.inside.iter().map(String::as_str).chain([program]);
        let mut command = Command::new(words.next().unwrap());
        command
            .args(words)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.home.path())
            .env("USER", "alice")
            .env("TMPDIR", self.path("tmp"))
            .env("MARQUE_DATA", self.path("data"))
            .env("MARQUE_PASSPHRASE_FILE", self.path("passphrase"))
            .current_dir(self.path("work"));
        command
    }

    /// `marque` with these words, ready to be started.
    pub(crate) fn words(&self, words: &[&str]) -> Command {
        let mut command = self.command(BINARY);
        command.args(words).stdin(Stdio::null());
        command
    }

    /// What `marque` says to these words; nothing on its standard input.
    pub(crate) fn cli(&self, words: &[&str]) -> Told {
        Told::new(words.join(" "), &self.words(words).output().unwrap())
    }

    /// The same as one JSON document.
    #[track_caller]
    pub(crate) fn json(&self, words: &[&str]) -> Json {
        self.cli(&[words, &["--json"]].concat()).json()
    }

    /// What `marque` says to these words and this standard input.
    pub(crate) fn cli_given(&self, words: &[&str], input: &str) -> Told {
        let mut command = self.words(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that refuses early does not read.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Told::new(words.join(" "), &child.wait_with_output().unwrap())
    }

    /// What some other program says.
    pub(crate) fn tool(&self, program: &str, words: &[&str]) -> Told {
        let mut command = self.command(program);
        let output = command.args(words).stdin(Stdio::null()).output().unwrap();
        Told::new(format!("{program} {}", words.join(" ")), &output)
    }

    /// A private file in the home directory; its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        let mut file = File::create(&path).unwrap();
        file.set_permissions(Permissions::from_mode(0o600)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        path
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.data.clone()
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.data().join("marque.db")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.data().join("marque.sock")
    }
}

impl Drop for Marque {
    // By id, and only who listens on our own socket.
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
        if let Some(pid) = self.server_pid() {
            signal(pid, Signal::KILL);
        }
    }
}

/// Sends a signal to one process, if it is still there.
pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let _ = kill_process(pid, signal);
}

/// Sets the mode of a file or directory.
pub(crate) fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}
