//! The words after `cargo xtask fuzz`.

use crate::bench::options::{number, read};

/// As `read` takes them.
const KNOWN: &[&str] = &["--seconds N", "--target T", "--list"];

/// What is run, and for how long.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Options {
    /// Seconds for each target.
    pub(super) seconds: u32,
    /// One target; none: all of them.
    pub(super) target: Option<String>,
    /// Only the names.
    pub(super) is_list: bool,
}

/// Ten minutes, as the page on fuzzing asks for.
const SECONDS: u32 = 600;
const SECONDS_MAX: u32 = 7 * 24 * 3_600;

impl Options {
    /// Reads the words.
    pub(super) fn parse(words: &[String]) -> anyhow::Result<Self> {
        let mut options = Self { seconds: SECONDS, target: None, is_list: false };
        for (word, value) in read(words, KNOWN)? {
            match word {
                "--list" => options.is_list = true,
                "--target" => options.target = Some(value.to_owned()),
                _ => options.seconds = number(word, value, (1, SECONDS_MAX))?,
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
    fn without_words_every_target_runs_ten_minutes() {
        let expected = Options { seconds: 600, target: None, is_list: false };
        assert_eq!(parse(&[]).unwrap(), expected);
        let expected = Options { seconds: 5, target: Some("dns".to_owned()), is_list: false };
        assert_eq!(parse(&["--target", "dns", "--seconds", "5"]).unwrap(), expected);
    }

    #[test]
    fn a_word_that_says_nothing_is_refused_by_name() {
        for words in [&["--second"][..], &["--seconds"], &["--seconds", "0"], &["--target"]] {
            let error = parse(words).unwrap_err().to_string();
            assert!(error.contains(words[0]), "{error}");
        }
    }
}
