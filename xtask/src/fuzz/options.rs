//! The words after `cargo xtask fuzz`.

use anyhow::{Context as _, bail, ensure};

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
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--list" => options.is_list = true,
                "--seconds" | "--target" => {
                    let value = words.next().with_context(|| format!("`{word}` needs a value"))?;
                    if word == "--target" {
                        options.target = Some(value.clone());
                        continue;
                    }
                    let seconds = value.parse().ok();
                    options.seconds =
                        seconds.with_context(|| format!("`{word} {value}` is no number"))?;
                    let is_within = (1..=SECONDS_MAX).contains(&options.seconds);
                    ensure!(is_within, "`{word} {value}` is not between 1 and {SECONDS_MAX}");
                }
                _ => bail!("no option `{word}`; there are `--seconds N`, `--target T`, `--list`"),
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
