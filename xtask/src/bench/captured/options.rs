//! The words after `cargo xtask bench captured`.

use std::path::PathBuf;

use crate::bench::options::{number, read};

/// As `read` takes them.
const KNOWN: &[&str] =
    &["--binary PATH", "--rounds N", "--starts N", "--calls N", "--runs N", "--json", "--no-bars"];

/// What is measured, and how it is told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// The binary to measure; none: the release binary, built first.
    pub(super) binary: Option<PathBuf>,
    /// Rounds of starts and of calls.
    pub(super) rounds: usize,
    /// Starts of each kind in a round; none leaves it out.
    pub(super) starts: usize,
    /// Calls of one connection in a round, and four times as many of sixteen; none leaves it out.
    pub(super) calls: usize,
    /// Runs that are held at once; none leaves it out.
    pub(super) runs: usize,
    /// As JSON.
    pub(super) is_json: bool,
    /// Whether a missed bar is an error.
    pub(super) has_bars: bool,
}

impl Options {
    /// Reads the words.
    pub(crate) fn parse(words: &[String]) -> anyhow::Result<Self> {
        let mut options = Self {
            binary: None,
            rounds: 5,
            starts: 10,
            calls: 1000,
            runs: 50,
            is_json: false,
            has_bars: true,
        };
        for (word, value) in read(words, KNOWN)? {
            match word {
                "--json" => options.is_json = true,
                "--no-bars" => options.has_bars = false,
                "--binary" => options.binary = Some(value.into()),
                "--rounds" => options.rounds = number(word, value, (1, 100))?,
                "--starts" => options.starts = number(word, value, (0, 1000))?,
                "--calls" => options.calls = number(word, value, (0, 100_000))?,
                _ => options.runs = number(word, value, (0, 200))?,
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::Options;

    fn parse(words: &[&str]) -> anyhow::Result<Options> {
        Options::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn without_words_the_promise_itself_is_measured() {
        let options = parse(&[]).unwrap();
        assert!(options.rounds * options.starts >= 30 && options.runs == 50, "{options:?}");
        assert!(options.has_bars && options.calls > 0 && options.binary.is_none());
    }

    #[test]
    fn a_word_that_says_nothing_is_refused_by_name() {
        for words in [&["--round"][..], &["--rounds"], &["--rounds", "0"], &["--runs", "201"]] {
            let error = parse(words).unwrap_err().to_string();
            assert!(error.contains(words[0]), "{error}");
        }
    }
}
