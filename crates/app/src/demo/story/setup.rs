//! Before the run: the API, the plane, and what its human sets up.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{ChildStdout, Command};
use tokio::time::timeout;

use super::{AGENT, Seen, Story};
use crate::demo::api::HOST;
use crate::demo::ground::{HUMAN, typed};
use crate::demo::process;

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts the API, a process that knows nothing of Marque.
pub(super) async fn api(story: &mut Story) -> anyhow::Result<Seen> {
    let words = ["demo", "api", "--authority", "authority.pem", "--log", "api.jsonl"];
    let mut command = story.ground.command(&words);
    let mut api = command.stdin(Stdio::piped()).stderr(Stdio::inherit()).spawn()?;
    let mut input = api.stdin.take().context("no pipe to the API")?;
    input.write_all(format!("{}\n", story.ground.token).as_bytes()).await?;
    api.stdin = Some(input);
    let mut output = lines(api.stdout.take())?;
    let address = timeout(PATIENCE, output.next_line()).await.context("it does not listen")??;
    let address = address.context("it ended at once")?;
    let port = address.rsplit_once(':').context("it says no port")?.1.to_owned();
    story.api = Some((api, address.clone()));
    let status = straight(story, &port).await?;
    Ok(Seen {
        command: typed(&words),
        observed: format!("listens on {address}; without a token: {status}"),
        ok: status == "401",
    })
}

/// What the API says to somebody without a token.
async fn straight(story: &Story, port: &str) -> anyhow::Result<String> {
    let authority = story.ground.at_desk("authority.pem");
    let output = Command::new("curl")
        .args(["-sS", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_code}", "--cacert"])
        .arg(authority)
        .args(["--resolve", &format!("{HOST}:{port}:127.0.0.1")])
        .arg(format!("https://{HOST}:{port}/v1/items"))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, output).await.context("the API does not answer")??;
    if !output.status.success() {
        bail!("curl cannot reach the API: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Starts the plane in the foreground of nobody.
pub(super) async fn up(story: &mut Story) -> anyhow::Result<Seen> {
    // Should we be killed, it leaves by itself.
    let words = ["up", "--idle-exit", "1m"];
    let trace = std::fs::File::create(story.ground.at_desk("server.trace"))?;
    let mut server = story.ground.command(&words).stderr(trace).spawn()?;
    let mut output = lines(server.stdout.take())?;
    let greeting = async {
        let (mut socket, mut proxy) = (None, None);
        while let Some(line) = output.next_line().await? {
            if let Some(path) = line.strip_prefix("socket ") {
                socket = Some(path.trim().to_owned());
            } else if let Some(address) = line.strip_prefix("proxy ") {
                proxy = Some(address.trim().to_owned());
            } else if line.starts_with("policies ") {
                break;
            }
        }
        anyhow::Ok((socket, proxy))
    };
    let greeting = timeout(PATIENCE, greeting).await;
    let (Some(socket), Some(proxy)) = greeting.context("it does not greet")?? else {
        process::end(&mut server).await;
        let trace = std::fs::read_to_string(story.ground.at_desk("server.trace"))?;
        bail!("it did not start: {}", trace.lines().last().unwrap_or_default());
    };
    story.server = Some(server);
    let ok = std::path::Path::new(&socket).exists();
    Ok(Seen { command: typed(&words), observed: format!("proxy {proxy}, socket {socket}"), ok })
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

/// The API is registered, and its token sealed. The file it came in is removed at once.
pub(super) async fn connection(story: &mut Story) -> anyhow::Result<Seen> {
    let address = story.api_address()?.to_owned();
    let token = story.ground.token.clone();
    story.ground.private_file("token", &token)?;
    let added = story
        .must(&[
            "connection",
            "add",
            "demo",
            "--host",
            HOST,
            "--pin",
            &address,
            "--authority",
            "authority.pem",
            "--bearer",
            "--secret-file",
            "token",
        ])
        .await;
    std::fs::remove_file(story.ground.at_desk("token"))?;
    let said = added?;
    let credential = said.field("credential").unwrap_or_default().to_owned();
    let slot = said.field("slot").unwrap_or_default().to_owned();
    Ok(Seen {
        ok: slot == "bearer" && credential.contains("sealed") && !said.out.contains(&token),
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
            "--until",
            "1d",
        ])
        .await?;
    let until = said.field("until").unwrap_or_default().to_owned();
    let grant = said.field("grant").unwrap_or_default().to_owned();
    let ok = said.field("ask") == Some("demo:POST /v1/orders") && !until.is_empty();
    Ok(Seen { observed: format!("{grant}, until {until}"), ok, command: said.command })
}

fn lines(output: Option<ChildStdout>) -> anyhow::Result<Lines<BufReader<ChildStdout>>> {
    Ok(BufReader::new(output.context("no pipe from the process")?).lines())
}
