//! What reaches the terminal: data on standard output, everything else on standard error.
//!
//! The only module that writes to either. Text that others chose (names, reasons, paths) is shown
//! with control, bidirectional and invisible characters spelt out, so that it cannot pose as ours.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::cli::Global;
use crate::exit::Failure;

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Color {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Where results and remarks go, and in which shape.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
    is_quiet: bool,
    color: bool,
}

impl Output {
    /// `no_color` is whether the environment asks for plain text (`NO_COLOR`).
    pub(crate) fn new(global: &Global, no_color: bool) -> Self {
        let color = match global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => !no_color && io::stderr().is_terminal(),
        };
        Self { json: global.json, is_quiet: global.quiet, color }
    }

    /// Whether results are JSON.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// The result of a command: `value` as JSON, or `text` of it for a person.
    pub(crate) fn result<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        let mut shown = if self.json { serde_json::to_string_pretty(value)? } else { text(value) };
        if !shown.is_empty() && !shown.ends_with('\n') {
            shown.push('\n');
        }
        Self::bytes(shown.as_bytes())
    }

    /// Bytes that are the result themselves, such as an export.
    pub(crate) fn bytes(bytes: &[u8]) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            answer => Ok(answer?),
        }
    }

    /// A remark beside the result, one line or more; not made where quiet was asked for.
    pub(crate) fn remark(self, text: &str) {
        if !self.is_quiet {
            to_stderr(text);
        }
    }

    /// What a human is about to answer for: shown even where quiet was asked for.
    pub(crate) fn must_be_seen(text: &str) {
        to_stderr(text);
    }

    /// Something the reader should know before going on.
    pub(crate) fn warning(self, text: &str) {
        to_stderr(&format!("{} {text}", self.label("warning:", "33")));
    }

    /// Why the command failed.
    pub(crate) fn failure(self, failure: &Failure) {
        let mut text = format!("{} {}", self.label("error:", "31"), clean(&failure.message));
        if let Some(hint) = &failure.hint {
            let _ = write!(text, "\n{} {}", self.label("hint:", "36"), clean(hint));
        }
        if let Some(reference) = &failure.reference {
            let _ = write!(text, "\n{} {}", self.label("ref:", "2"), clean(reference));
        }
        to_stderr(&text);
    }

    /// A word in a style, where colour is wanted.
    pub(crate) fn label(self, word: &str, style: &str) -> String {
        if self.color { format!("\u{1b}[1;{style}m{word}\u{1b}[0m") } else { word.to_owned() }
    }
}

fn to_stderr(text: &str) {
    // Standard error may be gone; there is nobody left to tell.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Text of others on one line: whatever could move, hide or colour is spelt out (`\u{1b}`).
pub(crate) fn clean(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, letter| {
        if is_deceptive(letter) {
            let _ = write!(shown, "{}", letter.escape_unicode());
        } else {
            shown.push(letter);
        }
        shown
    })
}

fn is_deceptive(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            // Bidirectional marks, embeddings, overrides and isolates; zero width; line and
            // paragraph separators; tags; interlinear marks; byte order mark.
            '\u{00ad}' | '\u{061c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Rows under headings, each column as wide as its widest cell.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub(crate) fn new<const N: usize>(headings: [&str; N]) -> Self {
        Self { rows: vec![headings.map(str::to_uppercase).to_vec()] }
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [&str; N]) {
        self.rows.push(cells.map(clean).to_vec());
    }

    /// The table, or `nothing` if it has no rows.
    pub(crate) fn text(self, nothing: &str) -> String {
        if self.rows.len() == 1 {
            return nothing.to_owned();
        }
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            text.push_str(padded.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        text
    }
}

/// One thing with its properties, a label and a value on each line.
#[derive(Default)]
pub(crate) struct Fields {
    lines: Vec<(&'static str, String)>,
}

impl Fields {
    /// Adds a property.
    #[must_use]
    pub(crate) fn with(mut self, label: &'static str, value: impl ToString) -> Self {
        self.lines.push((label, clean(&value.to_string())));
        self
    }

    /// Adds a property if there is one.
    #[must_use]
    pub(crate) fn maybe(self, label: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(label, value),
            None => self,
        }
    }

    /// Adds one line for each value, or nothing.
    #[must_use]
    pub(crate) fn each(
        self,
        label: &'static str,
        values: impl IntoIterator<Item = impl ToString>,
    ) -> Self {
        values.into_iter().fold(self, |fields, value| fields.with(label, value))
    }

    /// The lines; a label that repeats is printed once.
    pub(crate) fn text(&self) -> String {
        let width = self.lines.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
        let mut text = String::new();
        let mut last = "";
        for (label, value) in &self.lines {
            let shown = if *label == last { "" } else { label };
            let _ = writeln!(text, "{shown:width$}  {value}");
            last = label;
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{Fields, Table, clean};

    // threat 129, threat 139: nothing an agent wrote can move the cursor, hide or turn around.
    #[test]
    fn text_of_others_cannot_pose_as_ours() {
        assert_eq!(clean("a\u{1b}[31mb\r\n"), "a\\u{1b}[31mb\\u{d}\\u{a}");
        assert_eq!(clean("pay\u{202e}evil\u{200b}"), "pay\\u{202e}evil\\u{200b}");
        assert_eq!(clean("grüße, 東京"), "grüße, 東京");
    }

    #[test]
    fn a_table_lines_up_and_says_when_it_is_empty() {
        let mut table = Table::new(["name", "state"]);
        assert_eq!(Table::new(["name"]).text("no agents"), "no agents");
        table.row(["triage", "active"]);
        table.row(["b", "suspended"]);
        assert_eq!(table.text(""), "NAME    STATE\ntriage  active\nb       suspended\n");
    }

    #[test]
    fn a_label_that_repeats_is_printed_once() {
        let fields = Fields::default().with("agent", "triage").each("allow", ["a", "b"]);
        assert_eq!(fields.text(), "agent  triage\nallow  a\n       b\n");
    }
}
