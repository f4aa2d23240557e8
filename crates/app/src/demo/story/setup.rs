//! Before the run: the hosts, the plane, and what its human sets up.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::process::Command;
use tokio::time::timeout;

use super::git::{SECRET, WEB};
use super::{AGENT, Seen, Story};
use crate::demo::api::HOST;
use crate::demo::ground::{HUMAN, typed};
use crate::demo::{git_host, hosts, process};

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A host of the story, as somebody without a token reaches it.
struct Door<'a> {
    host: &'a str,
    authority: &'a str,
    path: &'a str,
}

/// Starts the API, a process that knows nothing of Marque.
pub(super) async fn api(story: &mut Story) -> anyhow::Result<Seen> {
    let words = ["demo", "api", "--authority", "authority.pem", "--log", "api.jsonl"];
    let api = hosts::host(&story.ground, &words, &story.ground.token).await?;
    let door = Door { host: HOST, authority: "authority.pem", path: "/v1/items" };
    let (_, address) = story.api.insert(api);
    let address = address.clone();
    listens(story, &address, &door, typed(&words)).await
}

/// Starts the git host, which knows no more of it.
pub(super) async fn git_host(story: &mut Story) -> anyhow::Result<Seen> {
    let words = ["demo", "git", "--authority", "git-authority.pem", "--log", "git.jsonl"];
    let repositories = ["--root", "../repositories", "--repository", WEB, "--repository", SECRET];
    let words = [&words[..], &repositories].concat();
    let host = hosts::host(&story.ground, &words, &story.ground.git_token).await?;
    let path = "/acme/web/info/refs?service=git-upload-pack";
    let door = Door { host: git_host::HOST, authority: "git-authority.pem", path };
    let (_, address) = story.git_host.insert(host);
    let address = address.clone();
    listens(story, &address, &door, typed(&words)).await
}

/// What a host says to somebody without a token.
async fn listens(
    story: &Story,
    address: &str,
    door: &Door<'_>,
    command: String,
) -> anyhow::Result<Seen> {
    let (host, port) = (door.host, address.rsplit_once(':').context("it says no port")?.1);
    let output = Command::new("curl")
        .args(["-sS", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_code}", "--cacert"])
        .arg(story.ground.at_desk(door.authority))
        .args(["--resolve", &format!("{host}:{port}:127.0.0.1")])
        .arg(format!("https://{host}:{port}{}", door.path))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, output).await.context("the host does not answer")??;
    if !output.status.success() {
        bail!("curl cannot reach it: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let status = String::from_utf8_lossy(&output.stdout).into_owned();
    let observed = format!("listens on {address}; without a token: {status}");
    Ok(Seen { command, observed, ok: status == "401" })
}

/// Starts the plane in the foreground of nobody.
pub(super) async fn up(story: &mut Story) -> anyhow::Result<Seen> {
    let hosts::Plane { server, socket, proxy } = hosts::plane(&story.ground).await?;
    story.server = Some(server);
    let ok = socket.exists();
    let observed = format!("proxy {proxy}, socket {}", socket.display());
    Ok(Seen { command: typed(&hosts::UP), observed, ok })
}

/// Ends the plane, as `kill` or a service manager would.
pub(super) async fn down(story: &mut Story) -> anyhow::Result<Seen> {
    let mut server = story.server.take().context("not tried: no server runs")?;
    let command = format!("kill {}", server.id().context("the server is gone already")?);
    let code = process::end(&mut server).await;
    let observed = match code {
        Some(code) => format!("exit code {code}"),
        None => "it had to be ended".to_owned(),
    };
    Ok(Seen { command, observed, ok: code == Some(0) })
}

/// The human becomes the administrator.
pub(super) async fn claim(story: &mut Story) -> anyhow::Result<Seen> {
    let said = story.must(&["claim", "--name", HUMAN]).await?;
    let by = said.field("claimed by").unwrap_or_default().to_owned();
    let key = said.field("log key").unwrap_or_default();
    let observed = format!("claimed by {by}, log key {key}");
    Ok(Seen { observed, ok: by == HUMAN && key.contains("/log+"), command: said.command })
}

/// The agent is registered.
pub(super) async fn agent(story: &mut Story) -> anyhow::Result<Seen> {
    let said = story.must(&["agent", "add", AGENT, "--purpose", "sorts incoming tickets"]).await?;
    let identity = said.field("spiffe id").unwrap_or_default().to_owned();
    let owner = said.field("owner").unwrap_or_default().to_owned();
    Ok(Seen {
        ok: identity.ends_with("/agent/triage") && owner == HUMAN && said.field("grant").is_none(),
        observed: format!("{identity}, owner {owner}, no grant"),
        command: said.command,
    })
}

/// The API is registered, and its token sealed.
pub(super) async fn connection(story: &mut Story) -> anyhow::Result<Seen> {
    let (address, token) = (story.api_address()?.to_owned(), story.ground.token.clone());
    let words = ["connection", "add", "demo", "--host", HOST, "--pin", &address, "--authority"];
    let words = [&words[..], &["authority.pem", "--bearer", "--secret-file", "token"]].concat();
    sealed(story, &words, &token, "bearer").await
}

/// The same for the git host, whose recogniser knows repositories and refs.
pub(super) async fn git_connection(story: &mut Story) -> anyhow::Result<Seen> {
    let (address, token) = (story.git_address()?.to_owned(), story.ground.git_token.clone());
    let words = ["connection", "add", "code", "--git", "--host", git_host::HOST, "--pin", &address];
    let credential =
        ["--authority", "git-authority.pem", "--basic", git_host::USER, "--secret-file", "token"];
    sealed(story, &[&words[..], &credential].concat(), &token, "basic").await
}

/// Registers a connection whose secret comes in a file, which is removed at once.
async fn sealed(
    story: &mut Story,
    words: &[&str],
    token: &str,
    wanted: &str,
) -> anyhow::Result<Seen> {
    story.ground.private_file("token", token)?;
    let added = story.must(words).await;
    std::fs::remove_file(story.ground.at_desk("token"))?;
    let said = added?;
    let credential = said.field("credential").unwrap_or_default().to_owned();
    let slot = said.field("slot").unwrap_or_default().to_owned();
    Ok(Seen {
        ok: slot.starts_with(wanted) && credential.contains("sealed") && !said.out.contains(token),
        observed: format!("slot {slot}, credential {credential}; the file is removed"),
        command: said.command,
    })
}

/// The agent's standing ceiling.
pub(super) async fn grant(story: &mut Story) -> anyhow::Result<Seen> {
    let said = story
        .must(&[
            "grant",
            "add",
            AGENT,
            "--allow",
            "demo:GET /v1/**",
            "--allow",
            "demo:POST /v1/items",
            "--ask",
            "demo:POST /v1/orders",
            "--allow",
            "code:repo.read acme/web",
            "--allow",
            "code:git.push acme/web refs/heads/agent/**",
            "--ask",
            "code:git.push acme/web refs/heads/main",
            "--until",
            "1d",
        ])
        .await?;
    let until = said.field("until").unwrap_or_default().to_owned();
    let grant = said.field("grant").unwrap_or_default().to_owned();
    let ok = said.field("ask") == Some("demo:POST /v1/orders") && !until.is_empty();
    Ok(Seen { observed: format!("{grant}, until {until}"), ok, command: said.command })
}
