//! The words after `cargo xtask bench git`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context as _, ensure};

/// As `read` takes them.
const KNOWN: &[&str] =
    &["--binary PATH", "--rounds N", "--size MIB", "--link MBIT", "--http1", "--json", "--no-bars"];

/// What is measured, and how it is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Options {
    /// The binary to measure; none: the release binary, built first.
    pub(super) binary: Option<PathBuf>,
    /// Rounds, each of every transfer both ways.
    pub(super) rounds: usize,
    /// MiB of each transfer.
    pub(super) size_mib: usize,
    /// Megabits a second of the link to the git host; none: loopback as it is.
    pub(super) link: Option<usize>,
    /// Over HTTP/1.1 instead of HTTP/2.
    pub(super) is_http1: bool,
    /// As JSON.
    pub(super) is_json: bool,
    /// Whether a missed bar is an error.
    pub(super) has_bars: bool,
}

impl Options {
    /// Reads the words.
    pub(super) fn parse(words: &[String]) -> anyhow::Result<Self> {
        let mut options = Self {
            binary: None,
            rounds: 5,
            size_mib: 200,
            link: None,
            is_http1: false,
            is_json: false,
            has_bars: true,
        };
        for (word, value) in read(words, KNOWN)? {
            match word {
                "--http1" => options.is_http1 = true,
                "--json" => options.is_json = true,
                "--no-bars" => options.has_bars = false,
                "--binary" => options.binary = Some(value.into()),
                "--link" => options.link = Some(number(word, value, (10, 1000))?),
                "--rounds" => options.rounds = number(word, value, (1, 1000))?,
                // git keeps a push of fewer objects as loose files, not as a pack.
                _ => options.size_mib = number(word, value, (100, 1000))?,
            }
        }
        Ok(options)
    }
}

/// The words as options and their values, of those that are `known`: one that takes a value is
/// named with what it is, `--rounds N`. The value of the others is empty.
pub(crate) fn read<'a>(
    words: &'a [String],
    known: &[&str],
) -> anyhow::Result<Vec<(&'a str, &'a str)>> {
    let mut options = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut known_ones = known.iter().map(|one| one.split_once(' ').unwrap_or((one, "")));
        let option = known_ones.find(|(name, _)| name == word);
        let (_, needed) = option
            .with_context(|| format!("no option `{word}`; there are `{}`", known.join("`, `")))?;
        let value = match needed {
            "" => "",
            _ => words.next().with_context(|| format!("`{word}` needs a value"))?,
        };
        options.push((word.as_str(), value));
    }
    Ok(options)
}

/// The value of a word, within bounds.
pub(crate) fn number<N>(word: &str, value: &str, (least, most): (N, N)) -> anyhow::Result<N>
where
    N: Copy + FromStr + PartialOrd + fmt::Display,
{
    let number = value.parse().ok().with_context(|| format!("`{word} {value}` is no number"))?;
    let is_within = (least..=most).contains(&number);
    ensure!(is_within, "`{word} {value}` is not between {least} and {most}");
    Ok(number)
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
        assert_eq!((options.rounds, options.size_mib), (5, 200));
        assert!(options.has_bars && !options.is_http1 && options.binary.is_none());
    }

    #[test]
    fn a_word_that_says_nothing_is_refused_by_name() {
        for words in [&["--round"][..], &["--rounds"], &["--rounds", "0"], &["--size", "99"]] {
            let error = parse(words).unwrap_err().to_string();
            assert!(error.contains(words[0]), "{error}");
        }
    }
}
