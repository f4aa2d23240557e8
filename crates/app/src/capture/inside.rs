//! What runs inside: started by this binary under names of its own, and by nobody else.
//!
//! One thread each, no allocation that matters, nothing of the server or its client.

mod command;
mod confine;
mod enter;
mod exec;
pub(super) mod fence;
mod filter;
mod init;
mod lender;
mod listeners;
mod nesting;
mod network;
mod powers;
mod probe;
mod root;
mod tree;

use std::ffi::OsStr;
use std::fmt::Display;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

/// This binary, whatever is mounted where.
const MYSELF: &str = "/proc/self/exe";

/// The parts of this binary that are not `marque`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Makes the namespaces.
    Enter,
    /// The first process inside.
    Init,
    /// Becomes the command.
    Exec,
    /// Fences itself in and becomes the command, without namespaces.
    Confine,
    /// Tries one thing that a run needs of the kernel.
    Probe,
}

impl Part {
    const ALL: [Self; 5] = [Self::Enter, Self::Init, Self::Exec, Self::Confine, Self::Probe];

    /// The name it is started under.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Enter => "marque-enter",
            Self::Init => "marque-init",
            Self::Exec => "marque-exec",
            Self::Confine => "marque-confine",
            Self::Probe => "marque-probe",
        }
    }

    /// A command that starts it.
    pub(super) fn command(self) -> Command {
        let mut command = Command::new(MYSELF);
        command.arg0(self.name());
        command
    }
}

/// What this process is to do, if it was started as a part of a captured run.
pub(crate) fn dispatch() -> Option<ExitCode> {
    let mut words = std::env::args_os();
    let name = words.next()?;
    let name = Path::new(&name).file_name().unwrap_or(OsStr::new(""));
    let part = Part::ALL.into_iter().find(|part| name == OsStr::new(part.name()))?;
    Some(match part {
        Part::Enter => enter::enter(),
        Part::Init => init::init(),
        Part::Exec => exec::exec(words),
        Part::Confine => confine::confine(words),
        Part::Probe => probe::probe(words),
    })
}

/// A step that failed.
#[derive(Debug)]
struct Trouble {
    step: String,
    why: String,
    code: Option<u8>,
}

/// Says what was being done when something failed.
trait During<T> {
    fn during(self, step: impl Into<String>) -> Result<T, Trouble>;
}

impl<T, E: Display> During<T> for Result<T, E> {
    fn during(self, step: impl Into<String>) -> Result<T, Trouble> {
        self.map_err(|why| Trouble { step: step.into(), why: why.to_string(), code: None })
    }
}
