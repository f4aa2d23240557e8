//! What a command said and how it ended.

use std::process::Output;

pub(crate) use serde_json::Value as Json;

/// A command that ended.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
    command: String,
}

impl Told {
    pub(crate) fn new(command: String, output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
            command,
        }
    }

    /// Its standard output, if it succeeded.
    #[track_caller]
    pub(crate) fn ok(&self) -> &str {
        self.ends(0)
    }

    /// Its standard output, if it ended with `code`.
    #[track_caller]
    pub(crate) fn ends(&self, code: i32) -> &str {
        assert_eq!(self.code, code, "{}", self.whole());
        &self.out
    }

    /// The JSON document it printed, if it succeeded.
    #[track_caller]
    pub(crate) fn json(&self) -> Json {
        let told = serde_json::from_str(self.ok());
        told.unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.whole()))
    }

    /// Asserts that it failed with `code`, said `words` in its error, and what to do next.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, words: &str) -> &Self {
        self.ends(code);
        assert!(self.err.contains(words), "`{words}` is missing: {}", self.whole());
        assert!(!self.err.contains("panicked"), "{}", self.whole());
        self
    }

    /// Asserts that it named a remedy.
    #[track_caller]
    pub(crate) fn hints(&self, words: &str) -> &Self {
        let hint = self.err.lines().find_map(|line| line.strip_prefix("hint: "));
        assert!(hint.is_some_and(|hint| hint.contains(words)), "{}", self.whole());
        self
    }

    /// Everything, for a failing assertion.
    pub(crate) fn whole(&self) -> String {
        format!("`{}` ended with {}\n{}\n{}", self.command, self.code, self.out, self.err)
    }
}
