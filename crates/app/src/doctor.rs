//! What `marque doctor` finds: rows, told one by one, and what they come to.
//!
//! Looks and tries; changes nothing of this machine. The tools are tried by `crate::demo::tools`.

#[cfg(target_os = "linux")]
pub(crate) mod kernel;
pub(crate) mod plane;

use serde::Serialize;

/// How one thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// As it should be.
    Ok,
    /// Refused with a reason, as the guide says.
    Refused,
    /// Not there, and nothing depends on it.
    Absent,
    /// Not as it should be.
    Failed,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Row {
    /// What.
    pub(crate) what: String,
    /// How it stands.
    pub(crate) verdict: Verdict,
    /// What was found.
    pub(crate) result: String,
    /// What to do about it.
    pub(crate) remedy: Option<String>,
    /// What a tool printed that matters.
    pub(crate) said: Option<String>,
}

impl Row {
    /// As it should be.
    pub(crate) fn ok(what: impl Into<String>, result: impl Into<String>) -> Self {
        let (what, result) = (what.into(), result.into());
        Self { what, verdict: Verdict::Ok, result, remedy: None, said: None }
    }

    /// Not there, and nothing depends on it.
    pub(crate) fn absent(what: impl Into<String>, result: impl Into<String>) -> Self {
        Self { verdict: Verdict::Absent, ..Self::ok(what, result) }
    }

    /// Not as it should be.
    pub(crate) fn failed(
        what: impl Into<String>,
        result: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { verdict: Verdict::Failed, remedy: Some(remedy.into()), ..Self::ok(what, result) }
    }
}
