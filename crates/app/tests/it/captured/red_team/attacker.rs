//! One program on either side of a run's walls that tries one attack after another.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use super::super::super::support::{Run, World};
use super::team::PYTHON;

/// Starts it in the background of a run's shell, between two pipes that go with the run. It ends
/// with the shell, who alone keeps them open.
const BEGIN: &str = "mkfifo /tmp/asked /tmp/told && exec 7<>/tmp/asked 8<>/tmp/told && \
                     { /usr/bin/python3 probe.py </tmp/asked >/tmp/told 2>&1 7>&- 8>&- & }";

/// What an attack ended with and said.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) code: i32,
    pub(super) out: String,
}

impl Attempt {
    #[track_caller]
    fn told(line: &str) -> Self {
        let (code, out) = serde_json::from_str(line)
            .unwrap_or_else(|_| panic!("the attacker says something of its own: {line}"));
        Self { code, out }
    }
}

/// The one outside. It ends when this is dropped.
pub(super) struct Outside {
    child: Child,
    asks: ChildStdin,
    told: BufReader<ChildStdout>,
}

impl Outside {
    pub(super) fn new(world: &World, probe: &Path) -> Self {
        let mut command = world.command(PYTHON);
        command.arg(probe).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (asks, told) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, asks, told: BufReader::new(told) }
    }

    #[track_caller]
    pub(super) fn tries(&mut self, words: &[&str]) -> Attempt {
        let asked = serde_json::to_string(words).unwrap();
        self.asks.write_all(format!("{asked}\n").as_bytes()).unwrap();
        let mut line = String::new();
        self.told.read_line(&mut line).unwrap();
        Attempt::told(&line)
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The one inside, of a run's shell.
#[derive(Default)]
pub(super) struct Inside {
    has_begun: bool,
}

impl Inside {
    #[track_caller]
    pub(super) fn tries(&mut self, run: &mut Run, words: &[&str]) -> Attempt {
        if !self.has_begun {
            let typed = run.types(BEGIN);
            assert_eq!(typed.code, 0, "{typed:?}");
            self.has_begun = true;
        }
        let asked = serde_json::to_string(words).unwrap();
        assert!(!asked.contains('\''), "the shell would not pass it on: {asked}");
        let line = format!("printf '%s\\n' '{asked}' >&7; read -r line <&8; printf '%s' \"$line\"");
        Attempt::told(&run.types(&line).out)
    }
}
