//! What can be wrong with policies when they are loaded: where, what, and what to do next.

use std::fmt;

use cedar_policy::ffi::DetailedError;

const MAX_CHARS: usize = 500;

/// Everything wrong with a set of policies, in the order of files and lines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct LoadErrors(Vec<LoadError>);

/// One thing wrong, at its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LoadError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The character in that line, from 1.
    pub column: usize,
    /// What and why: lower case, no full stop.
    pub message: String,
    /// What to do next.
    pub remedy: Option<String>,
}

impl LoadErrors {
    /// Fails with the errors collected, if any.
    pub(crate) fn check(mut errors: Vec<LoadError>) -> Result<(), Self> {
        errors.sort();
        errors.dedup();
        if errors.is_empty() { Ok(()) } else { Err(Self(errors)) }
    }

    /// Each of them; never empty.
    pub fn iter(&self) -> impl Iterator<Item = &LoadError> {
        self.0.iter()
    }
}

impl LoadError {
    /// An error at a byte of a file's text. Control characters in what users wrote are escaped, so
    /// that an error can be printed on a terminal.
    pub(crate) fn at(file: &str, text: &str, byte: usize, message: &str, remedy: &str) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            file: printable(file),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).map_or(0, |line| line.chars().count()) + 1,
            message: printable(message),
            remedy: (!remedy.is_empty()).then(|| printable(remedy)),
        }
    }

    /// What Cedar says, at the place it says; `byte` where it names none.
    pub(crate) fn from_cedar(file: &str, text: &str, byte: usize, error: DetailedError) -> Self {
        let label = error.source_locations.first();
        let byte = label.map_or(byte, |label| label.loc.start);
        let hint = label.and_then(|label| label.label.clone());
        let remedy = error.help.or(hint).unwrap_or_default();
        Self::at(file, text, byte, error.message.trim_end_matches('.'), &remedy)
    }
}

/// The text with each control character escaped, cut where no reader follows any more.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars().take(MAX_CHARS) {
        if character.is_control() {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

impl fmt::Display for LoadErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, error) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        match &self.remedy {
            Some(remedy) => write!(f, "\n  hint: {remedy}"),
            None => Ok(()),
        }
    }
}
