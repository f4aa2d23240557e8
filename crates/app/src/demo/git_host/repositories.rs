//! The repositories the git host starts with: bare, with one commit on `main`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::cgi::Backend;

/// How long git may take for one of them.
const PATIENCE: Duration = Duration::from_secs(20);
/// No housekeeping behind the back of whoever measures or removes it.
const CONFIG: &str = "[http]\n\treceivepack = true\n[receive]\n\tautogc = false\n";

/// Makes `owner/name`, to be reached as `/owner/name` and `/owner/name.git`.
pub(super) async fn make(backend: &Backend, name: &str) -> anyhow::Result<()> {
    let folder = backend.root().join(format!("{name}.git"));
    let mut init = backend.git();
    init.args(["init", "--quiet", "--bare", "--initial-branch=main"]).arg(&folder);
    feed(init, "").await?;
    let mut config = OpenOptions::new().append(true).open(folder.join("config"))?;
    config.write_all(CONFIG.as_bytes())?;
    let mut import = backend.git();
    import.current_dir(&folder).args(["fast-import", "--quiet"]);
    feed(import, &first_commit(name)).await
}

// git-fast-import(1), "Input Format".
fn first_commit(name: &str) -> String {
    let (text, message) = (format!("# {name}\n"), "start");
    format!(
        "commit refs/heads/main\ncommitter Demo <demo@demo.test> 1750000000 +0000\n\
         data {}\n{message}\nM 100644 inline README.md\ndata {}\n{text}\n",
        message.len(),
        text.len()
    )
}

async fn feed(mut command: Command, input: &str) -> anyhow::Result<()> {
    let mut git = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut pipe = git.stdin.take().context("no pipe to git")?;
    pipe.write_all(input.as_bytes()).await?;
    drop(pipe);
    let ended = tokio::time::timeout(PATIENCE, git.wait_with_output()).await;
    let ended = ended.context("git takes too long")??;
    if !ended.status.success() {
        bail!("git failed: {}", String::from_utf8_lossy(&ended.stderr).trim());
    }
    Ok(())
}
