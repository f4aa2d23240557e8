//! A plane behind a socket, and those who talk to it.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use marque_api::{Api, Metrics, bind};
use marque_domain::Tier;
use marque_plane::spec::RunSpec;
use marque_plane::view::OpenedRunView;
use marque_plane::{HandedDoors, Peer, ProcessKey};
use marque_testkit::{Human, PASSPHRASE, TestPlane, run_of};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A plane behind a socket.
pub(crate) struct Served {
    pub(crate) plane: TestPlane,
    dir: tempfile::TempDir,
    shutdown: CancellationToken,
    pub(crate) tasks: TaskTracker,
    /// Where a gateway would take doors from.
    pub(crate) gateway: Mutex<Option<mpsc::Receiver<HandedDoors>>>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Served {
    pub(crate) async fn new() -> (Self, Human) {
        Self::on(TestPlane::new().await).await
    }

    /// That plane behind a socket.
    pub(crate) async fn on(plane: TestPlane) -> (Self, Human) {
        static METRICS: OnceLock<Metrics> = OnceLock::new();
        let metrics = METRICS.get_or_init(|| Metrics::install().unwrap()).clone();
        let alice = plane.alice_with_bot(&["api:GET /**"]).await;
        let (dir, shutdown) = (tempfile::tempdir().unwrap(), CancellationToken::new());
        let listener = bind(&dir.path().join("marque.sock")).unwrap();
        let doors = bind(&dir.path().join("doors.sock")).unwrap();
        let (hand_over, gateway) = mpsc::channel(4);
        let api = Api::new(plane.plane().clone(), metrics, shutdown.clone());
        let tasks = TaskTracker::new();
        let handing = api.clone();
        tasks.spawn(async move { api.serve(listener).await });
        tasks.spawn(async move { handing.serve_hand_over(doors, hand_over).await });
        let gateway = Mutex::new(Some(gateway));
        (Self { plane, dir, shutdown, tasks, gateway }, alice)
    }

    pub(crate) async fn asks(&self, line: (&str, &str), authorization: &str, body: &str) -> Answer {
        ask(self.connects().await, line, authorization, body).await
    }

    /// A path beside the sockets.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) async fn connects(&self) -> UnixStream {
        UnixStream::connect(self.path("marque.sock")).await.unwrap()
    }

    /// Opens a run of `bot` from that process.
    pub(crate) async fn opens(&self, alice: &Human, from: u32) -> OpenedRunView {
        self.opens_held(alice, from, Tier::Advisory).await
    }

    /// As [`Served::opens`], held like that.
    pub(crate) async fn opens_held(&self, alice: &Human, from: u32, tier: Tier) -> OpenedRunView {
        let (plane, spec) = (self.plane.plane(), RunSpec { tier, ..run_of("bot") });
        plane.open_run(&alice.acting().await, &launcher(from), spec).await.ok().unwrap()
    }

    /// Starts a process beside the socket `marque.sock`, with this Python to follow.
    pub(crate) fn starts(&self, script: &str, argument: &str) -> Child {
        let mut command = Command::new("python3");
        command.args(["-c", script, argument]).current_dir(self.dir.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
    }

    pub(crate) async fn state_of(&self, alice: &Human, run: &str) -> String {
        let run = self.plane.plane().run(&alice.acting().await, run).await.unwrap();
        run.state
    }

    pub(crate) async fn ends(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.plane.stop().await;
    }
}

/// Asks one thing on a connection of its own.
pub(crate) async fn ask(
    mut stream: UnixStream,
    line: (&str, &str),
    authorization: &str,
    body: &str,
) -> Answer {
    stream.write_all(head(line, authorization, body).as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, body: body.to_owned() }
}

pub(crate) fn head((method, path): (&str, &str), authorization: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: marque\r\nconnection: close\r\n{authorization}\
         content-length: {length}\r\n\r\n{body}"
    )
}

pub(crate) fn factor() -> String {
    use base64::Engine as _;
    let pair = format!("alice:{PASSPHRASE}");
    format!("authorization: Basic {}\r\n", base64::engine::general_purpose::STANDARD.encode(pair))
}

/// The field that proves a run.
pub(crate) fn proof(opened: &OpenedRunView) -> String {
    format!("authorization: Marque-Run {}:{}\r\n", opened.run.id, opened.secret)
}

/// A process as a launcher, outside the run that it starts.
pub(crate) fn launcher(pid: u32) -> Peer {
    let key = ProcessKey { pid, started: field(pid, 19) };
    Peer { uid: 0, session: None, ancestors: vec![key] }
}

/// The process that started this one.
pub(crate) fn our_parent() -> u32 {
    u32::try_from(field(std::process::id(), 1)).unwrap()
}

/// A number after the name in `/proc/<pid>/stat`.
fn field(pid: u32, place: usize) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields = stat.rsplit_once(')').unwrap().1;
    fields.split_whitespace().nth(place).unwrap().parse().unwrap()
}
