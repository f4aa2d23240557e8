//! The bench kit: a program that measures from inside the process and prints lines of JSON.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::figures::median;

/// Its programs: one that takes time, and one whose allocator counts.
pub(super) const TIMES: &str = "marque-benchkit";
pub(super) const ALLOCATIONS: &str = "marque-benchkit-allocations";

/// The programs, built.
pub(super) struct Kit(Vec<PathBuf>);

/// What they printed.
#[derive(Default)]
pub(super) struct Lines(Vec<Value>);

impl Kit {
    /// Builds them with the profile `bench`.
    pub(super) fn build() -> anyhow::Result<Self> {
        let output = Command::new("cargo")
            .args(["build", "--profile", "bench", "--locked", "--package", "marque-benchkit"])
            .arg("--message-format=json-render-diagnostics")
            .stderr(Stdio::inherit())
            .output()?;
        ensure!(output.status.success(), "the bench kit does not build");
        let lines = String::from_utf8(output.stdout)?;
        let executable = |line: &str| {
            let message: Value = serde_json::from_str(line).ok()?;
            Some(PathBuf::from(message.get("executable")?.as_str()?))
        };
        Ok(Self(lines.lines().filter_map(executable).collect()))
    }

    /// Runs one of them to its end. What it says on standard error is shown.
    pub(super) fn run(&self, program: &str, words: &[String]) -> anyhow::Result<Lines> {
        let path = self.0.iter().find(|path| path.ends_with(program));
        let path = path.with_context(|| format!("cargo built no `{program}`"))?;
        let mut child = Command::new(path).args(words).stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().context("the output of the bench kit")?;
        let mut lines = Vec::new();
        for line in BufReader::new(out).lines() {
            let line = line?;
            let read = serde_json::from_str(&line);
            lines.push(read.with_context(|| format!("`{program}` prints `{line}`"))?);
        }
        ensure!(child.wait()?.success(), "`{program}` failed");
        Ok(Lines(lines))
    }
}

impl Lines {
    /// What others printed as well.
    pub(super) fn with(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// A figure of each line that has all that is `wanted`, in the order of rounds.
    pub(super) fn each(&self, wanted: &Value, figure: &str) -> Vec<f64> {
        self.each_where(wanted, figure, |_| true)
    }

    /// The same of lines that a question is true of as well.
    pub(super) fn each_where(
        &self,
        wanted: &Value,
        figure: &str,
        is_meant: impl Fn(&Value) -> bool,
    ) -> Vec<f64> {
        let has_all = |line: &&Value| {
            let mut wanted = wanted.as_object().into_iter().flatten();
            wanted.all(|(name, value)| line.get(name) == Some(value)) && is_meant(line)
        };
        let found = self.0.iter().filter(has_all);
        found.filter_map(|line| line.get(figure)?.as_f64()).collect()
    }

    /// The median of the same; not a number if there is none.
    pub(super) fn median(&self, wanted: &Value, figure: &str) -> f64 {
        median(self.each(wanted, figure))
    }

    /// The first text of that name.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find_map(|line| line.get(name)?.as_str())
    }

    /// All of it.
    pub(super) fn all(&self) -> &[Value] {
        &self.0
    }
}

#[cfg(test)]
impl Lines {
    pub(super) fn of(lines: Vec<Value>) -> Self {
        Self(lines)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Lines;

    #[test]
    fn a_line_counts_if_it_has_all_that_is_wanted() {
        let lines = Lines::of(vec![
            json!({ "what": "a", "size": 1, "us": 3.0 }),
            json!({ "what": "a", "size": 2, "us": 9.0 }),
            json!({ "what": "b", "size": 1, "us": 7.0, "version": "1.2" }),
            json!({ "what": "a", "size": 1, "us": 5.0 }),
        ]);
        let wanted = json!({ "what": "a", "size": 1 });
        assert_eq!(lines.each(&wanted, "us"), [3.0, 5.0]);
        assert!((lines.median(&wanted, "us") - 4.0).abs() < 1e-9);
        assert_eq!(lines.text("version"), Some("1.2"));
        assert!(lines.median(&wanted, "ms").is_nan());
    }
}
