//! Errors of administrative verbs: one kind for each thing a caller might do differently.

use std::fmt;

use marque_domain::Refusal;

use crate::failure::{Failure, REWOUND};

/// What a caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AdminKind {
    /// Nobody has claimed the plane.
    NotClaimed,
    /// Somebody has claimed it before.
    AlreadyClaimed,
    /// No factor came with the request, and the terminal is not unlocked.
    Locked,
    /// The factor is wrong.
    BadFactor,
    /// Too many wrong factors came from there; nothing was checked.
    Delayed,
    /// The request comes from inside a run.
    InsideRun,
    /// There is no such thing.
    NotFound,
    /// It is not in a state that allows the move.
    Conflict,
    /// The request does not make sense.
    Invalid,
    /// This human may not do that.
    Forbidden,
    /// The run would be held less firmly than somebody asks for.
    TierBelowFloor,
    /// The plane cannot do it now.
    Unavailable,
}

/// A verb's refusal: what and why, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminError {
    /// What a caller can do about it.
    pub kind: AdminKind,
    /// What and why: lower case, no full stop.
    pub message: String,
    /// What to do next.
    pub remedy: Option<String>,
}

impl AdminError {
    pub(crate) fn new(kind: AdminKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), remedy: None }
    }

    pub(crate) fn hint(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    pub(crate) fn bad_factor() -> Self {
        Self::new(AdminKind::BadFactor, "the passphrase is not right")
            .hint("try again; after three failures each further try takes longer")
    }

    pub(crate) fn locked() -> Self {
        Self::new(AdminKind::Locked, "this needs a human's factor")
            .hint("run `marque unlock` in this terminal, or give `--passphrase-file FILE`")
    }

    pub(crate) fn no_terminal() -> Self {
        Self::new(AdminKind::Invalid, "there is no terminal to unlock")
            .hint("give the passphrase with each command: `--passphrase-file FILE`")
    }

    pub(crate) fn not_claimed() -> Self {
        Self::new(AdminKind::NotClaimed, "nobody has claimed this plane yet")
            .hint("become its administrator: `marque claim`")
    }

    pub(crate) fn unavailable() -> Self {
        Self::new(AdminKind::Unavailable, "too much at once").hint("try again in a moment")
    }

    pub(crate) fn not_found(what: &str, which: &str, list: &str) -> Self {
        let which: String = which.chars().take(120).collect();
        Self::new(AdminKind::NotFound, format!("there is no {what} `{which}`"))
            .hint(format!("see `{list}`"))
    }

    pub(crate) fn conflict(error: &impl fmt::Display) -> Self {
        Self::new(AdminKind::Conflict, error.to_string())
    }

    pub(crate) fn invalid(error: &impl fmt::Display) -> Self {
        Self::new(AdminKind::Invalid, error.to_string())
    }
}

impl From<Failure> for AdminError {
    fn from(failure: Failure) -> Self {
        let hint = match failure {
            Failure::Lost => "look at the server's output and its disk, then start it again",
            Failure::InDoubt => "look whether it took effect before you ask again",
            Failure::Rewound(_) => REWOUND,
            _ => "nothing was changed; look at the server's output",
        };
        Self::new(AdminKind::Unavailable, failure.to_string()).hint(hint)
    }
}

impl From<marque_store::StoreError> for AdminError {
    fn from(error: marque_store::StoreError) -> Self {
        Failure::from(error).into()
    }
}

impl From<Refusal> for AdminError {
    fn from(refusal: Refusal) -> Self {
        Self { kind: AdminKind::Forbidden, message: refusal.to_string(), remedy: refusal.remedy }
    }
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for AdminError {}
