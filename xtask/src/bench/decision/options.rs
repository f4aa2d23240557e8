//! The words after `cargo xtask bench decision`.

use crate::bench::options::{number, read};

/// As `read` takes them.
const KNOWN: &[&str] = &["--rounds N", "--decisions N", "--json", "--no-bars"];

/// What is measured, and how it is told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// Rounds, each of every case.
    pub(super) rounds: usize,
    /// Decisions of each case in a round.
    pub(super) decisions: usize,
    /// As JSON.
    pub(super) is_json: bool,
    /// Whether a missed bar is an error.
    pub(super) has_bars: bool,
}

impl Options {
    /// Reads the words.
    pub(crate) fn parse(words: &[String]) -> anyhow::Result<Self> {
        let mut options = Self { rounds: 5, decisions: 20_000, is_json: false, has_bars: true };
        for (word, value) in read(words, KNOWN)? {
            match word {
                "--json" => options.is_json = true,
                "--no-bars" => options.has_bars = false,
                "--rounds" => options.rounds = number(word, value, (1, 100))?,
                _ => options.decisions = number(word, value, (1_000, 1_000_000))?,
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn a_word_that_says_nothing_is_refused_by_name() {
        let parse = |words: &[&str]| {
            Options::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
        };
        assert!(parse(&[]).unwrap().has_bars);
        for words in [&["--round"][..], &["--rounds"], &["--decisions", "999"]] {
            let error = parse(words).unwrap_err().to_string();
            assert!(error.contains(words[0]), "{error}");
        }
    }
}
