//! Servers that are processes of their own: a host that demands a token, and the plane.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::time::timeout;

use super::ground::Ground;
use super::process;

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);
/// What starts the plane. Should we be killed, it leaves by itself.
pub(super) const UP: [&str; 3] = ["up", "--idle-exit", "1m"];

/// A plane that is served.
pub(super) struct Plane {
    /// Its server.
    pub(super) server: Child,
    /// Where it answers.
    pub(super) socket: PathBuf,
    /// Its proxy door's address.
    pub(super) proxy: String,
}

/// Starts a host, and gives it its token; where it listens.
pub(super) async fn host(
    ground: &Ground,
    words: &[&str],
    token: &str,
) -> anyhow::Result<(Child, String)> {
    let mut command = ground.command(words);
    let mut host = command.stdin(Stdio::piped()).stderr(Stdio::inherit()).spawn()?;
    let mut input = host.stdin.take().context("no pipe to the host")?;
    input.write_all(format!("{token}\n").as_bytes()).await?;
    host.stdin = Some(input);
    let mut output = lines(host.stdout.take())?;
    let address = timeout(PATIENCE, output.next_line()).await.context("it does not listen")??;
    Ok((host, address.context("it ended at once")?))
}

/// Starts the plane in the foreground of nobody.
pub(super) async fn plane(ground: &Ground) -> anyhow::Result<Plane> {
    let trace = std::fs::File::create(ground.at_desk("server.trace"))?;
    let mut server = ground.command(&UP).stderr(trace).spawn()?;
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
        let trace = std::fs::read_to_string(ground.at_desk("server.trace"))?;
        bail!("it did not start: {}", trace.lines().last().unwrap_or_default());
    };
    Ok(Plane { server, socket: socket.into(), proxy })
}

fn lines(output: Option<ChildStdout>) -> anyhow::Result<Lines<BufReader<ChildStdout>>> {
    Ok(BufReader::new(output.context("no pipe from the process")?).lines())
}
