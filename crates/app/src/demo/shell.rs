//! A shell inside a run, held open: commands go in one by one, as a person would type them, and
//! what they print comes back.

use std::time::Duration;

use anyhow::{Context as _, bail};
use marque_domain::Timestamp;
use marque_plane::Clock;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::process;

/// How long a command in the shell may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Stands on a line of its own after everything a command printed.
const END: &str = "--end-of-answer--";

/// A shell that waits for its next command.
pub(super) struct Shell {
    /// The launcher.
    pub(super) launcher: Child,
    /// Everything the shell printed so far.
    pub(super) printed: String,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// What a command in the shell printed, both streams together.
pub(super) struct Typed {
    /// The command.
    pub(super) command: String,
    /// Its exit code.
    pub(super) code: i32,
    /// What it printed.
    pub(super) out: String,
}

impl Shell {
    /// Starts `command`, which must end up in `sh`, and waits for the shell's first answer.
    pub(super) async fn open(mut command: Command) -> anyhow::Result<Self> {
        let mut launcher = command.stdin(std::process::Stdio::piped()).spawn()?;
        let input = launcher.stdin.take().context("no pipe into the shell")?;
        let output = launcher.stdout.take().context("no pipe out of the shell")?;
        let output = BufReader::new(output);
        let mut shell = Self { launcher, printed: String::new(), input, output };
        if let Err(error) = shell.types("exec 2>&1").await {
            let said = shell.close().await.map(|(_, said)| said).unwrap_or_default();
            return Err(error.context(said));
        }
        Ok(shell)
    }

    /// Types one command and waits for its end.
    pub(super) async fn types(&mut self, command: &str) -> anyhow::Result<Typed> {
        self.types_within(command, PATIENCE).await
    }

    /// The same, with another patience.
    pub(super) async fn types_within(
        &mut self,
        command: &str,
        patience: Duration,
    ) -> anyhow::Result<Typed> {
        let line = format!("{command}\nprintf '\\n{END} %s\\n' \"$?\"\n");
        self.input.write_all(line.as_bytes()).await.context("the shell is gone")?;
        let answer = tokio::time::timeout(patience, self.answer()).await;
        let (out, code) = answer.with_context(|| format!("`{command}` took too long"))??;
        self.printed.push_str(&out);
        Ok(Typed { command: command.to_owned(), code, out })
    }

    /// Types a command and does not wait for its end.
    pub(super) async fn begins(&mut self, command: &str) -> anyhow::Result<()> {
        let line = format!("{command}\n");
        self.input.write_all(line.as_bytes()).await.context("the shell is gone")
    }

    /// Reads so many lines.
    pub(super) async fn lines(&mut self, count: usize) -> anyhow::Result<()> {
        let mut line = String::new();
        for _ in 0..count {
            line.clear();
            let read = tokio::time::timeout(PATIENCE, self.output.read_line(&mut line)).await;
            if read.context("nothing comes")?? == 0 {
                bail!("the shell ended");
            }
        }
        Ok(())
    }

    /// Reads until nothing comes any more; when the last byte came.
    pub(super) async fn last_byte(&mut self, clock: &dyn Clock) -> anyhow::Result<Timestamp> {
        let (mut last, mut some) = (clock.now(), [0; 4096]);
        let reading = async {
            while self.output.read(&mut some).await? > 0 {
                last = clock.now();
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(PATIENCE, reading).await.context("the stream does not end")??;
        Ok(last)
    }

    /// Ends the shell as a person would; the launcher's exit code and what it said beside the
    /// shell.
    pub(super) async fn close(mut self) -> anyhow::Result<(Option<i32>, String)> {
        // The shell may be gone already.
        let _ = self.input.write_all(b"exit 0\n").await;
        drop(self.input);
        let mut said = Vec::new();
        let mut errors = self.launcher.stderr.take().context("no pipe out of the launcher")?;
        let left = async {
            errors.read_to_end(&mut said).await?;
            self.launcher.wait().await
        };
        let code = match tokio::time::timeout(PATIENCE, left).await {
            Ok(status) => status?.code(),
            Err(_) => process::end(&mut self.launcher).await,
        };
        Ok((code, String::from_utf8_lossy(&said).into_owned()))
    }

    async fn answer(&mut self) -> anyhow::Result<(String, i32)> {
        let mut out = String::new();
        loop {
            let mut line = Vec::new();
            if self.output.read_until(b'\n', &mut line).await? == 0 {
                bail!("the shell ended");
            }
            let line = String::from_utf8_lossy(&line);
            if let Some(code) = line.strip_prefix(END) {
                return Ok((out.trim().to_owned(), code.trim().parse()?));
            }
            out.push_str(&line);
        }
    }
}
