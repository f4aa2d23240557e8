//! The run's own socket: what a captured run reaches through it, and that it ends with the run.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use marque_api::{Who, listing};
use marque_domain::Tier;
use marque_plane::spec::KillTarget;
use marque_plane::view::OpenedRunView;
use marque_testkit::{Human, child};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::launcher::message;
use super::served::{Answer, Served, ask, factor, proof};

/// Generous: machines are busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// A captured run of this process, with its own socket.
async fn with_socket(served: &Served, alice: &Human) -> OpenedRunView {
    let opened = served.opens_held(alice, std::process::id(), Tier::Captured).await;
    let listener = UnixListener::bind(served.path("run.sock")).unwrap();
    let doors = json!([{ "kind": "control" }]);
    let told = served.hands_over(&message(&opened, &doors), &[OwnedFd::from(listener)]).await;
    assert_eq!(told, json!({ "ok": true }));
    opened
}

async fn asks(served: &Served, line: (&str, &str), authorization: &str, body: &str) -> Answer {
    let stream = UnixStream::connect(served.path("run.sock")).await.unwrap();
    let asked = ask(stream, line, authorization, body);
    tokio::time::timeout(PATIENCE, asked).await.expect("nothing is waited for at this socket")
}

// threats 98, 126
#[tokio::test]
async fn a_captured_run_asks_who_it_is_and_opens_children_without_any_secret() {
    let (served, alice) = Served::new().await;
    let opened = with_socket(&served, &alice).await;
    let health = asks(&served, ("GET", "/healthz"), "", "").await;
    assert_eq!(health.status, 200);
    let who = asks(&served, ("GET", "/v1/run/whoami"), "", "").await;
    let who: Value = serde_json::from_str(&who.body).unwrap();
    assert_eq!((&who["you_are"], &who["id"]), (&json!("run"), &json!(opened.run.id)));
    let wanted = serde_json::to_string(&child()).unwrap();
    let below = asks(&served, ("POST", "/v1/run/children"), "", &wanted).await;
    assert_eq!(below.status, 200, "{}", below.body);
    let below: OpenedRunView = serde_json::from_str(&below.body).unwrap();
    assert_eq!(below.run.parent, Some(opened.run.id));
    assert_eq!(below.run.tier, Tier::Captured);
    served.ends().await;
}

// threats 126, 165, 166
#[tokio::test]
async fn the_runs_own_socket_leads_to_nothing_else_whatever_is_presented() {
    let (served, alice) = Served::new().await;
    let opened = with_socket(&served, &alice).await;
    let other = served.opens(&alice, std::process::id()).await;
    for presented in [String::new(), factor(), proof(&opened), proof(&other)] {
        for line in listing() {
            let is_own = matches!(line.who, Who::Run | Who::Anybody);
            let is_launchers = matches!(line.path, "/v1/run/hold" | "/v1/run/end");
            if presented.is_empty() && is_own && !is_launchers {
                continue;
            }
            let path = line.path.replace(['{', '}'], "");
            let answer = asks(&served, (line.method, &path), &presented, "{}").await;
            assert_eq!(answer.status, 403, "{} {path}: {}", line.method, answer.body);
        }
    }
    let state = served.state_of(&alice, &opened.run.id.to_string()).await;
    assert_eq!(state, "open", "nothing of that ended it");
    served.ends().await;
}

#[tokio::test]
async fn the_runs_own_socket_ends_with_the_run() {
    let (served, alice) = Served::new().await;
    let opened = with_socket(&served, &alice).await;
    let mut open = UnixStream::connect(served.path("run.sock")).await.unwrap();
    open.write_all(b"GET /v1/run/whoami HTTP/1.1\r\nhost: marque\r\n\r\n").await.unwrap();
    let mut some = [0; 12];
    open.read_exact(&mut some).await.unwrap();
    assert_eq!(&some, b"HTTP/1.1 200");
    let target = KillTarget::Run(opened.run.id.to_string());
    served.plane.plane().kill(&alice.acting().await, target).await.unwrap();
    let mut rest = Vec::new();
    let cut = tokio::time::timeout(PATIENCE, open.read_to_end(&mut rest)).await;
    assert!(cut.is_ok(), "a connection outlives its run");
    let gone = async {
        while UnixStream::connect(served.path("run.sock")).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("the socket must be closed with its run");
    served.ends().await;
}

// threat 162
#[tokio::test]
async fn a_captured_run_takes_no_more_connections_than_its_share() {
    let (served, alice) = Served::new().await;
    let _opened = with_socket(&served, &alice).await;
    let mut crowd = Vec::new();
    for _ in 0..140 {
        crowd.push(UnixStream::connect(served.path("run.sock")).await.unwrap());
    }
    // Those that find no place are cut at once, the others after ten seconds without a request.
    let ended = crowd.iter_mut().map(|one| async {
        let read = tokio::time::timeout(Duration::from_secs(2), one.read_u8()).await;
        usize::from(read.is_ok())
    });
    let ended: usize = futures_util::future::join_all(ended).await.into_iter().sum();
    assert_eq!(ended, 140 - 128);
    let human = served.asks(("GET", "/v1/runs"), &factor(), "").await;
    assert_eq!(human.status, 200, "{}", human.body);
    served.ends().await;
}
