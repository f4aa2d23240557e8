//! Tables of figures, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::figures::real;

/// One table: what stands above it, its columns, its rows.
pub(super) struct Table {
    pub(super) title: String,
    pub(super) columns: &'static [&'static str],
    pub(super) rows: Vec<(String, Vec<String>)>,
}

impl Table {
    /// Writes it in columns, behind an empty line.
    pub(super) fn write(&self, text: &mut String) {
        let _ = writeln!(text, "\n{}", self.title);
        let width = |at: usize, name: &str| {
            let figures = self.rows.iter().filter_map(|(_, figures)| figures.get(at));
            figures.map(|figure| figure.chars().count()).chain([name.chars().count()]).max()
        };
        let widths: Vec<usize> =
            (0..).zip(self.columns).map(|(at, name)| width(at, name).unwrap_or(0) + 2).collect();
        let first = self.rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let mut line = |name: &str, figures: &mut dyn Iterator<Item = &str>| {
            let _ = write!(text, "  {name:first$}");
            for (figure, width) in figures.zip(&widths) {
                let _ = write!(text, "{figure:>width$}", width = *width);
            }
            let _ = writeln!(text);
        };
        line("", &mut self.columns.iter().copied());
        for (name, figures) in &self.rows {
            line(name, &mut figures.iter().map(String::as_str));
        }
    }

    /// The same for programs.
    pub(super) fn json(&self) -> Value {
        let rows = self.rows.iter().map(|(name, figures)| {
            let figures = self.columns.iter().zip(figures);
            let figures: serde_json::Map<_, _> =
                figures.map(|(name, figure)| ((*name).to_owned(), json!(figure))).collect();
            json!({ "name": name, "figures": figures })
        });
        json!({ "title": self.title, "rows": rows.collect::<Vec<_>>() })
    }
}

/// KiB as MiB.
pub(super) fn mib(kib: u64) -> String {
    format!("{:.1}", real(kib) / 1024.0)
}

/// A figure without decimals; nothing where there is none.
pub(super) fn whole(figure: f64) -> String {
    if figure.is_nan() { String::new() } else { format!("{figure:.0}") }
}

/// A figure with three decimals; nothing where there is none.
pub(super) fn fine(figure: f64) -> String {
    if figure.is_nan() { String::new() } else { format!("{figure:.3}") }
}
