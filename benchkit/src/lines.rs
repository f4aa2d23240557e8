//! The words it is started with, and the lines it prints.

use std::io::{Write as _, stdout};

use anyhow::Context as _;
use serde_json::Value;

/// Words, as xtask writes them: `--name value` each.
pub struct Words(Vec<String>);

impl Words {
    /// Those this process was started with.
    pub fn of_process() -> Self {
        Self(std::env::args().skip(1).collect())
    }

    /// The first: what to measure.
    pub fn what(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// A number by name, or the one to take if it is not named.
    pub fn number(&self, name: &str, otherwise: usize) -> anyhow::Result<usize> {
        let mut pairs = self.0.iter().zip(self.0.iter().skip(1));
        match pairs.find(|(word, _)| *word == name) {
            Some((_, value)) => {
                value.parse().with_context(|| format!("`{name} {value}` is no number"))
            }
            None => Ok(otherwise),
        }
    }
}

/// Prints one line.
pub fn tell(line: &Value) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
