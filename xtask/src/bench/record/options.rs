//! The words after `cargo xtask bench record`.

use crate::bench::options::{number, read};

/// As `read` takes them.
const KNOWN: &[&str] = &["--rounds N", "--millis N", "--entries N", "--json", "--no-bars"];

/// What is measured, and how it is told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// Rounds of everything.
    pub(super) rounds: usize,
    /// How long so many writers are measured, and twice as long as a size of batch is.
    pub(super) millis: usize,
    /// Entries of the large log.
    pub(super) entries: u64,
    /// As JSON.
    pub(super) is_json: bool,
    /// Whether a missed bar is an error.
    pub(super) has_bars: bool,
}

impl Options {
    /// Reads the words.
    pub(crate) fn parse(words: &[String]) -> anyhow::Result<Self> {
        let mut options =
            Self { rounds: 5, millis: 1_000, entries: 1_000_000, is_json: false, has_bars: true };
        for (word, value) in read(words, KNOWN)? {
            match word {
                "--json" => options.is_json = true,
                "--no-bars" => options.has_bars = false,
                "--rounds" => options.rounds = number(word, value, (1, 100))?,
                "--millis" => options.millis = number(word, value, (100, 60_000))?,
                _ => options.entries = number(word, value, (100_000, 100_000_000))?,
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
        assert_eq!(parse(&[]).unwrap().entries, 1_000_000);
        for words in [&["--round"][..], &["--millis"], &["--entries", "1"]] {
            let error = parse(words).unwrap_err().to_string();
            assert!(error.contains(words[0]), "{error}");
        }
    }
}
