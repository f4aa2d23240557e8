//! Stories at the socket: who reaches what, over real HTTP and a real plane.

use std::sync::OnceLock;
use std::time::Duration;

use marque_api::{Api, Metrics, RouteLine, Who, bind, listing};
use marque_domain::{Id, Run};
use marque_plane::{Peer, ProcessKey};
use marque_testkit::{CANARY, Human, PASSPHRASE, TestPlane, run_of};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A plane behind a socket.
struct Served {
    plane: TestPlane,
    dir: tempfile::TempDir,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

struct Answer {
    status: u16,
    body: String,
}

impl Served {
    async fn new() -> (Self, Human) {
        static METRICS: OnceLock<Metrics> = OnceLock::new();
        let metrics = METRICS.get_or_init(|| Metrics::install().unwrap()).clone();
        let plane = TestPlane::new().await;
        let alice = plane.alice_with_bot(&["api:GET /**"]).await;
        let (dir, shutdown) = (tempfile::tempdir().unwrap(), CancellationToken::new());
        let listener = bind(&dir.path().join("marque.sock")).unwrap();
        let api = Api::new(plane.plane().clone(), metrics, shutdown.clone());
        let tasks = TaskTracker::new();
        tasks.spawn(async move { api.serve(listener).await });
        (Self { plane, dir, shutdown, tasks }, alice)
    }

    async fn asks(&self, line: (&str, &str), authorization: &str, body: &str) -> Answer {
        let mut stream = self.connects().await;
        stream.write_all(head(line, authorization, body).as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, body: body.to_owned() }
    }

    async fn connects(&self) -> UnixStream {
        UnixStream::connect(self.dir.path().join("marque.sock")).await.unwrap()
    }

    async fn state_of(&self, alice: &Human, run: &str) -> String {
        let run = self.plane.plane().run(&alice.acting().await, run).await.unwrap();
        run.state
    }

    async fn ends(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.plane.stop().await;
    }
}

fn head((method, path): (&str, &str), authorization: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: marque\r\nconnection: close\r\n{authorization}\
         content-length: {length}\r\n\r\n{body}"
    )
}

fn factor() -> String {
    use base64::Engine as _;
    let pair = format!("alice:{PASSPHRASE}");
    format!("authorization: Basic {}\r\n", base64::engine::general_purpose::STANDARD.encode(pair))
}

/// A route with something in place of each parameter.
fn filled(line: &RouteLine) -> (&'static str, String) {
    let parts = line.path.split('/').map(|part| if part.starts_with('{') { "1" } else { part });
    (line.method, parts.collect::<Vec<_>>().join("/"))
}

fn outside_runs() -> impl Iterator<Item = RouteLine> {
    listing().into_iter().filter(|line| !matches!(line.who, Who::Run | Who::Anybody))
}

/// The process that started this one, as a launcher.
fn our_parent() -> Peer {
    let stat = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let field = |pid: u32, place: usize| {
        let line = stat(pid);
        let fields = line.rsplit_once(')').unwrap().1;
        fields.split_whitespace().nth(place).unwrap().parse::<u64>().unwrap()
    };
    let parent = u32::try_from(field(std::process::id(), 1)).unwrap();
    let key = ProcessKey { pid: parent, started: field(parent, 19) };
    Peer { uid: 0, session: None, ancestors: vec![key] }
}

// threats 165, 166
#[tokio::test]
async fn what_presents_a_run_reaches_nothing_but_that_run() {
    let (served, alice) = Served::new().await;
    let run = alice.starts_a_run("bot").await;
    let secret = &run.opened().secret;
    let proof = format!("authorization: Marque-Run {}:{secret}\r\n", run.id());
    for line in outside_runs() {
        let (method, path) = filled(&line);
        let answer = served.asks((method, &path), &proof, "{}").await;
        assert_eq!(answer.status, 403, "{method} {path}: {}", answer.body);
        assert!(answer.body.contains("refused.caller.run"), "{method} {path}: {}", answer.body);
    }
    let own = served.asks(("GET", "/v1/run/whoami"), &proof, "").await;
    assert!(own.body.contains(&run.id().to_string()), "{}", own.body);
    served.ends().await;
}

// threats 126, 166: the passphrase may be right; a process of a run is never a human.
#[tokio::test]
async fn a_process_inside_a_run_is_refused_whatever_it_knows() {
    let (served, alice) = Served::new().await;
    let acting = alice.acting().await;
    let plane = served.plane.plane();
    let opened = plane.open_run(&acting, &our_parent(), run_of("bot")).await.ok().unwrap();
    for line in outside_runs() {
        let (method, path) = filled(&line);
        let answer = served.asks((method, &path), &factor(), "{}").await;
        assert_eq!(answer.status, 403, "{method} {path}: {}", answer.body);
    }
    // By descent alone it still learns who it is.
    let own = served.asks(("GET", "/v1/run/whoami"), "", "").await;
    assert!(own.body.contains(&opened.run.id.to_string()), "{}", own.body);
    served.ends().await;
}

// threat 165
#[tokio::test]
async fn without_a_factor_the_socket_shows_its_state_and_nothing_else() {
    let (served, _) = Served::new().await;
    for line in listing() {
        let (method, path) = filled(&line);
        let answer = served.asks((method, &path), "", "{}").await;
        let expected: &[u16] = match line.who {
            Who::Anybody | Who::Outside => &[200, 204],
            Who::Human | Who::Present => &[401],
            Who::Run if line.path == "/v1/run/whoami" => &[200],
            Who::Run => &[401, 403],
        };
        assert!(expected.contains(&answer.status), "{method} {path}: {}", answer.body);
    }
    served.ends().await;
}

// threat 168
#[tokio::test]
async fn unknown_fields_and_large_bodies_are_refused() {
    let (served, _) = Served::new().await;
    let agent = r#"{"name":"other","purpose":"x","owner":null,"sponsor":null,"state":"active"}"#;
    let answer = served.asks(("POST", "/v1/agents"), &factor(), agent).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    let large = " ".repeat(256 * 1024 + 1);
    let answer = served.asks(("POST", "/v1/agents"), &factor(), &large).await;
    assert_eq!(answer.status, 413, "{}", answer.body);
    let answer = served.asks(("GET", "/v1/runs?all=true&also=1"), &factor(), "").await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    served.ends().await;
}

#[tokio::test]
async fn a_secret_goes_in_and_never_comes_out() {
    let (served, _) = Served::new().await;
    let body = format!(
        r#"{{"connection":{{"name":"other","hosts":["other.test"],"slot":{{"slot":"bearer"}}}},
            "secret":"{CANARY}"}}"#
    );
    let added = served.asks(("POST", "/v1/connections"), &factor(), &body).await;
    assert_eq!(added.status, 200, "{}", added.body);
    let shown = served.asks(("GET", "/v1/connections/other"), &factor(), "").await;
    let logged = served.asks(("GET", "/v1/log"), &factor(), "").await;
    for answer in [added, shown, logged] {
        assert!(answer.status == 200 && !answer.body.contains(CANARY), "{}", answer.body);
    }
    served.ends().await;
}

#[tokio::test]
async fn a_run_whose_launcher_goes_away_is_closed() {
    let (served, alice) = Served::new().await;
    let spec = serde_json::to_string(&run_of("bot")).unwrap();
    let opened = served.asks(("POST", "/v1/runs"), &factor(), &spec).await;
    let opened: serde_json::Value = serde_json::from_str(&opened.body).unwrap();
    let (run, secret) = (opened["run"]["id"].as_str().unwrap(), opened["secret"].as_str().unwrap());
    let proof = format!("authorization: Marque-Run {run}:{secret}\r\n");
    let mut hold = served.connects().await;
    hold.write_all(head(("GET", "/v1/run/hold"), &proof, "").as_bytes()).await.unwrap();
    let held = tokio::time::timeout(Duration::from_millis(100), hold.read_u8()).await;
    assert!(held.is_err(), "a hold lasts as long as its run");
    assert_eq!(served.state_of(&alice, run).await, "open");
    drop(hold);
    let closed = async {
        while served.state_of(&alice, run).await == "open" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), closed).await.unwrap();
    assert_eq!(served.state_of(&alice, run).await, "orphaned");
    served.ends().await;
}

#[tokio::test]
async fn a_held_run_that_is_killed_tells_its_launcher() {
    let (served, alice) = Served::new().await;
    let run = alice.starts_a_run("bot").await;
    let proof = format!("authorization: Marque-Run {}:{}\r\n", run.id(), run.opened().secret);
    let kill = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        alice.kills(&run).await
    };
    let (told, killed) = tokio::join!(served.asks(("GET", "/v1/run/hold"), &proof, ""), kill);
    let told: serde_json::Value = serde_json::from_str(&told.body).unwrap();
    assert_eq!(told["run"]["state"], "killed");
    assert!(told["checkpoint"]["leaves"].as_array().is_some_and(|leaves| !leaves.is_empty()));
    let killed: Vec<Id<Run>> = killed.runs;
    assert_eq!(killed, [run.id()]);
    served.ends().await;
}
