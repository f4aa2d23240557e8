//! The words after `cargo xtask bench soak`.

use std::path::PathBuf;

use crate::bench::options::{number, read};

/// As `read` takes them.
const KNOWN: &[&str] = &["--binary PATH", "--minutes N", "--raw FILE", "--json", "--no-bars"];
/// Where the minutes are written.
const RAW: &str = "target/soak.jsonl";

/// What is measured, and how it is told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// The binary to measure; none: the release binary, built first.
    pub(super) binary: Option<PathBuf>,
    /// How long.
    pub(super) minutes: u32,
    /// A line of JSON for each minute, and one for all of them.
    pub(super) raw: PathBuf,
    /// As JSON.
    pub(super) is_json: bool,
    /// Whether what grew is an error.
    pub(super) has_bars: bool,
}

impl Options {
    /// Reads the words.
    pub(crate) fn parse(words: &[String]) -> anyhow::Result<Self> {
        let mut options =
            Self { binary: None, minutes: 60, raw: RAW.into(), is_json: false, has_bars: true };
        for (word, value) in read(words, KNOWN)? {
            match word {
                "--json" => options.is_json = true,
                "--no-bars" => options.has_bars = false,
                "--binary" => options.binary = Some(value.into()),
                "--raw" => options.raw = value.into(),
                // Of fewer there are no quarters to compare.
                _ => options.minutes = number(word, value, (4, 24 * 60))?,
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
    fn without_words_it_is_an_hour_that_must_hold() {
        let options = parse(&[]).unwrap();
        assert!(options.minutes == 60 && options.has_bars && options.binary.is_none());
    }

    #[test]
    fn a_word_that_says_nothing_is_refused_by_name() {
        for words in [&["--minute"][..], &["--minutes", "3"], &["--raw"]] {
            let error = parse(words).unwrap_err().to_string();
            assert!(error.contains(words[0]), "{error}");
        }
    }
}
