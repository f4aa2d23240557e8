//! Git's own client at the reverse door.

use marque_plane::oauth::EndpointAsk;
use marque_testkit::{CANARY, TestPlane};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::time::timeout;

use super::super::world::PATIENCE;
use super::gate::{Gate, git, issuing_for};

const COMMIT: &str = "95d09f2b10159347eece71399a7e2e907ea3df4f";

fn line(text: &str) -> String {
    format!("{:04x}{text}", text.len() + 4)
}

/// What a server says to `info/refs` that has one branch.
fn refs() -> Vec<u8> {
    let service = line("# service=git-upload-pack\n") + "0000";
    let head = line(&format!("{COMMIT} HEAD\0side-band-64k\n"));
    let branch = line(&format!("{COMMIT} refs/heads/main\n"));
    let body = format!("{service}{head}{branch}0000");
    let length = body.len();
    let kind = "application/x-git-upload-pack-advertisement";
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

#[tokio::test]
async fn git_reads_a_repository_with_a_token_in_a_field_of_its_own() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let base = format!("https://localhost:{port}");
    let gate = Gate::at(listener, TestPlane::with(issuing_for(&base)).await, true).await;
    gate.alice.connects_as(git("code", gate.echo_address)).await;
    gate.alice.grants("bot", &["code:token", "code:repo.read acme/api"]).await;
    let client = gate.alice.has_client("cloner", "bot").await;
    let resource = format!("{base}/c/code");
    let parameters = [("grant_type", "client_credentials"), ("resource", resource.as_str())];
    let got = client.asks_with(EndpointAsk::bare(), &client.assertion(), &parameters).await;
    let token = got.unwrap_or_else(|refused| panic!("{refused:?}")).token;
    *gate.echo.lock().unwrap() = refs();

    let directory = tempfile::tempdir().unwrap();
    let trusted = directory.path().join("ca.pem");
    std::fs::write(&trusted, gate.ca_pem()).unwrap();
    let ls_remote = async |repository: &str, header: &str| {
        let mut command = Command::new("git");
        command
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_SSL_CAINFO", &trusted)
            .env("NO_PROXY", "*")
            .args(["-c", &format!("http.extraHeader={header}"), "ls-remote"])
            .arg(format!("{resource}/{repository}"))
            .kill_on_drop(true);
        let output = timeout(PATIENCE * 2, command.output()).await.unwrap().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let header = format!("Authorization: Bearer {token}");
    let said = ls_remote("acme/api.git", &header).await;
    assert!(said.contains(&format!("{COMMIT}\trefs/heads/main")), "{said}");
    assert!(!said.contains(CANARY));
    // A no is told in git's own protocol, and a missing token by HTTP.
    let said = ls_remote("acme/web.git", &header).await;
    assert!(said.contains("refused.mandate.nothing_allows"), "{said}");
    let said = ls_remote("acme/api.git", "X-Nothing: 1").await;
    assert!(said.contains("terminal prompts disabled"), "{said}");
}
