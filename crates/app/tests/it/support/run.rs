//! A shell inside a run, held open: commands go in one by one, and what they print comes back.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};

use rustix::process::Signal;

use super::plane::{Marque, signal};
use super::proxy::Proxy;
use super::wait::{PATIENCE, eventually};

const END: &str = "--end-of-answer--";

/// A run with a shell in it.
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) launcher: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: PathBuf,
}

/// What a command in the shell printed, both streams together.
#[derive(Debug)]
pub(crate) struct Typed {
    pub(crate) code: i32,
    pub(crate) out: String,
}

impl Run {
    /// Opens `marque run --tier advisory WORDS -- sh`: its proof can be read, and used by a test.
    pub(crate) fn open(marque: &Marque, words: &[&str]) -> Self {
        Self::open_in("advisory", marque, words)
    }

    /// The same in that tier.
    pub(crate) fn open_in(tier: &str, marque: &Marque, words: &[&str]) -> Self {
        let words = &[&["--tier", tier], words].concat();
        let name = format!("run-{:?}.err", std::time::SystemTime::now());
        let errors = marque.path(&name.replace(['{', '}', ' ', ':'], ""));
        let mut command = marque.words(&[&["run"], words.as_slice(), &["--", "sh"]].concat());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(File::create(&errors).unwrap());
        let mut launcher = command.spawn().unwrap();
        let input = launcher.stdin.take();
        let output = BufReader::new(launcher.stdout.take().unwrap());
        let (sender, lines) = sync_channel(64 * 1024);
        std::thread::spawn(move || {
            for line in output.split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut run = Self { id: String::new(), launcher, input, lines, errors };
        run.types("exec 2>&1");
        run.id = run.types("printf %s \"$MARQUE_RUN\"").out;
        assert!(run.id.starts_with("run_"), "{}", run.said());
        run
    }

    /// Types one command and waits for its end. It reads nothing.
    #[track_caller]
    pub(crate) fn types(&mut self, command: &str) -> Typed {
        self.begins(&format!("{{ {command}\n}} </dev/null\nprintf '\\n{END}%s\\n' $?"));
        self.answer()
    }

    /// Types and does not wait.
    #[track_caller]
    pub(crate) fn begins(&mut self, command: &str) {
        let input = self.input.as_mut().unwrap();
        let typed = input.write_all(format!("{command}\n").as_bytes());
        typed.unwrap_or_else(|error| panic!("the shell is gone ({error}): {}", self.said()));
    }

    /// The status code and body of a `curl` with these words.
    #[track_caller]
    pub(crate) fn curl(&mut self, words: &str) -> (u16, String) {
        let command = format!("curl -sS -m 15 -w '\\n%{{http_code}}' {words}");
        let typed = self.types(&command);
        let (body, status) = typed.out.trim().rsplit_once('\n').unwrap_or(("", typed.out.trim()));
        let status = status.parse();
        (status.unwrap_or_else(|_| panic!("`{command}`: {typed:?}")), body.to_owned())
    }

    /// The proxy with this run's own proof.
    pub(crate) fn proxy(&mut self) -> Proxy {
        Proxy::parse(&self.types("printf %s \"$http_proxy\"").out)
    }

    /// Ends the shell as a person would; the launcher's exit code.
    pub(crate) fn ends(mut self) -> i32 {
        drop(self.input.take());
        self.code()
    }

    /// The launcher's exit code, once it has ended.
    pub(crate) fn code(&mut self) -> i32 {
        let status = eventually("the launcher ends", || self.launcher.try_wait().unwrap());
        status.code().unwrap_or(-1)
    }

    /// What the launcher said beside the shell.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.errors).unwrap()
    }

    #[track_caller]
    fn answer(&mut self) -> Typed {
        let mut out = Vec::new();
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let Ok(line) = line else {
                panic!("no answer but {out:?}: {}", self.said());
            };
            if let Some(code) = line.strip_prefix(END) {
                let out = out.join("\n").trim().to_owned();
                return Typed { code: code.trim().parse().unwrap(), out };
            }
            out.push(line);
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        drop(self.input.take());
        if self.launcher.try_wait().is_ok_and(|ended| ended.is_none()) {
            signal(self.launcher.id(), Signal::TERM);
            // Its shell got the signal; what is left of it the launcher ends within seconds.
            let until = std::time::Instant::now() + PATIENCE;
            while std::time::Instant::now() < until
                && self.launcher.try_wait().is_ok_and(|ended| ended.is_none())
            {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            let _ = self.launcher.kill();
            let _ = self.launcher.wait();
        }
    }
}
