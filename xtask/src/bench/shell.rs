//! A shell held open: commands go in one by one, and the seconds each took come back.
//!
//! The same for both ways, so that starting a process weighs the same.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::clock;

/// How long one command may take, and how long the shell may take to say so.
const PATIENCE_SECONDS: u64 = 90;
const PATIENCE: Duration = Duration::from_secs(PATIENCE_SECONDS + 30);
/// What timeout(1) exits with where it ended the command.
const STALLED: &str = "124";
/// How long a process may take to leave.
const LEAVING: Duration = Duration::from_secs(15);
/// Lines that may wait to be read.
const LINES: usize = 4096;
const END: &str = "--end-of-answer--";

/// A shell that waits for its next command.
pub(super) struct Shell {
    process: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Shell {
    /// Starts `command`, which must end up in `sh`.
    pub(super) fn open(mut command: Command) -> anyhow::Result<Self> {
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().context("no pipe out of the shell")?);
        let (sender, lines) = sync_channel(LINES);
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut shell = Self { process, input, lines };
        shell.types("exec 2>&1")?;
        Ok(shell)
    }

    /// Types a command that must work; the seconds until it was over, none where it had to be
    /// ended.
    pub(super) fn must(&mut self, command: &str) -> anyhow::Result<Option<f64>> {
        let bound = format!("timeout -k 1 {PATIENCE_SECONDS} {command}");
        let (answer, seconds) = clock::timed(|| self.types(&bound));
        let (code, out) = answer.with_context(|| format!("`{command}`"))?;
        if code == STALLED {
            return Ok(None);
        }
        ensure!(code == "0", "`{command}` failed: {out}");
        Ok(Some(seconds))
    }

    /// What a command that must work prints.
    pub(super) fn says(&mut self, command: &str) -> anyhow::Result<String> {
        let (code, out) = self.types(command).with_context(|| format!("`{command}`"))?;
        ensure!(code == "0", "`{command}` failed: {out}");
        Ok(out)
    }

    fn types(&mut self, command: &str) -> anyhow::Result<(String, String)> {
        let input = self.input.as_mut().context("the shell is closed")?;
        let line = format!("{{ {command}\n}} </dev/null\nprintf '\\n{END}%s\\n' $?\n");
        input.write_all(line.as_bytes()).context("the shell is gone")?;
        let mut out = String::new();
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                bail!("no answer but `{}`", out.trim());
            };
            if let Some(code) = line.strip_prefix(END) {
                return Ok((code.to_owned(), out.trim().to_owned()));
            }
            out.push_str(&line);
            out.push('\n');
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.input.take());
        end(&mut self.process);
    }
}

/// Asks a process of ours to end, and ends it if it does not.
pub(super) fn end(process: &mut Child) {
    drop(process.stdin.take());
    signal(process, Signal::TERM);
    let left = clock::eventually(LEAVING, || Ok(process.try_wait()?));
    if !matches!(left, Ok(Some(_))) {
        let _ = process.kill();
        let _ = process.wait();
    }
}

/// Sends a signal to a process of ours, which may have ended by itself.
pub(super) fn signal(process: &Child, signal: Signal) {
    let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
    let _ = pid.map(|pid| kill_process(pid, signal));
}
