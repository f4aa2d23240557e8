//! Who gets a place when somebody takes all they can, and whose process is believed.

use std::io::{BufRead as _, BufReader, Read as _};
use std::time::Duration;

use marque_plane::spec::KillTarget;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::served::{Served, factor, proof};

/// Generous: machines are busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connects 2,000 times, in every way a request can get stuck, and stays.
const CROWD: &str = "
import resource, socket, sys
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
ways = [
    '',
    'GET /v1/run/whoami HTTP/1.1\\r\\n',
    'POST /v1/run/children HTTP/1.1\\r\\nhost: marque\\r\\ncontent-length: 9\\r\\n\\r\\n',
    'GET /v1/run/hold HTTP/1.1\\r\\nhost: marque\\r\\n' + sys.argv[1] + '\\r\\n',
]
crowd = []
for number in range(2000):
    one = socket.socket(socket.AF_UNIX)
    one.connect('marque.sock')
    try:
        one.send(ways[number % len(ways)].encode())
    except OSError:
        pass
    crowd.append(one)
print('here', flush=True)
sys.stdin.read()
";

/// Connects, leaves its connection to a child, and ends; the child asks then.
const HEIR: &str = "
import os, socket, time
line = socket.socket(socket.AF_UNIX)
line.connect('marque.sock')
parent = os.getpid()
if os.fork() != 0:
    os._exit(0)
while os.getppid() == parent:
    time.sleep(0.005)
line.sendall(b'GET /v1/status HTTP/1.1\\r\\nhost: marque\\r\\nconnection: close\\r\\n\\r\\n')
while part := line.recv(4096):
    os.write(1, part)
";

// threat 162
#[tokio::test]
async fn a_run_that_takes_all_it_can_is_killed_by_a_human_all_the_same() {
    let (served, alice) = Served::new().await;
    let opened = served.opens(&alice, std::process::id()).await;
    let mut crowd = served.starts(CROWD, &proof(&opened));
    let here = crowd.stdout.take().unwrap();
    let here = served.tasks.spawn_blocking(move || {
        let mut line = String::new();
        BufReader::new(here).read_line(&mut line).unwrap();
        line
    });
    assert_eq!(here.await.unwrap(), "here\n");
    let body = serde_json::to_string(&KillTarget::Run(opened.run.id.to_string())).unwrap();
    let factor = factor();
    let kill = served.asks(("POST", "/v1/kill"), &factor, &body);
    let killed = tokio::time::timeout(PATIENCE, kill).await.expect("a human must get through");
    assert_eq!(killed.status, 200, "{}", killed.body);
    assert_eq!(served.state_of(&alice, &opened.run.id.to_string()).await, "killed");
    crowd.kill().unwrap();
    crowd.wait().unwrap();
    served.ends().await;
}

// threat 162
#[tokio::test]
async fn a_body_that_never_comes_keeps_nobody_waiting_and_is_given_up() {
    let (served, _) = Served::new().await;
    let head = "POST /v1/kill HTTP/1.1\r\nhost: marque\r\ncontent-length: 9\r\n\r\n{";
    let mut stuck = Vec::new();
    for _ in 0..100 {
        let mut stream = served.connects().await;
        stream.write_all(head.as_bytes()).await.unwrap();
        stuck.push(stream);
    }
    let answer = served.asks(("GET", "/v1/runs"), &factor(), "").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let mut told = [0; 64];
    let given_up = tokio::time::timeout(PATIENCE, stuck[0].read(&mut told)).await;
    assert!(given_up.is_ok(), "a body is waited for without end");
    assert!(told.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&told));
    served.ends().await;
}

// threat 70
#[tokio::test]
async fn the_connection_of_a_process_that_has_ended_is_nobodys() {
    let (served, _) = Served::new().await;
    // Not waited for: a process that is not reaped still has its lines in /proc.
    let mut gone = served.starts(HEIR, "");
    let mut heir = gone.stdout.take().unwrap();
    let told = served.tasks.spawn_blocking(move || {
        let mut told = String::new();
        heir.read_to_string(&mut told).unwrap();
        told
    });
    let told = told.await.unwrap();
    assert!(told.starts_with("HTTP/1.1 403 "), "{told}");
    assert!(told.contains("refused.caller.process"), "{told}");
    gone.wait().unwrap();
    served.ends().await;
}
