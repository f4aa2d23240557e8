//! How `marque` ends: exit codes, and failures that say what, why and what next.
//!
//! Codes are part of the command line's contract; the table in the help of `marque` lists them.

use std::fmt;
use std::process::ExitCode;

/// The exit codes, as the help prints them.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed, or the log or a token did not verify
  2    the command line is wrong
  3    refused
  4    held until a human answers
  5    not now: no server, no database, not claimed, or locked
  N    `marque run -- CMD` passes on what CMD returns; 126 and 127 if CMD cannot be started,
       128 + N if signal N ended it, 137 if Marque closed the run";

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done,
    /// Failed.
    Failed,
    /// The command line does not fit together.
    Usage,
    /// The plane said no.
    Refused,
    /// A human must answer first.
    Held,
    /// No server, nobody claimed it, or no factor was given.
    Unavailable,
    /// What the command of a run returned.
    Passed(u8),
}

impl Exit {
    /// The number the shell sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Held => 4,
            Self::Unavailable => 5,
            Self::Passed(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// A failure a person can act on. `Display` is the message alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// How the process ends.
    pub(crate) exit: Exit,
    /// What and why: lower case, no full stop.
    pub(crate) message: String,
    /// What to do next.
    pub(crate) hint: Option<String>,
    /// The decision, approval or request it is about.
    pub(crate) reference: Option<String>,
}

impl Failure {
    /// A failure that needs no more words.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None, reference: None }
    }

    /// The same, saying what to do next.
    #[must_use]
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
