//! The words after `cargo xtask bench gateway`.

use std::fmt;
use std::path::PathBuf;

use anyhow::bail;

use crate::bench::options::{number, read};

/// As `read` takes them.
const KNOWN: &[&str] = &[
    "--binary PATH",
    "--only PART",
    "--alone",
    "--connections N",
    "--rounds N",
    "--seconds N",
    "--json",
    "--no-bars",
];

/// What can be measured alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The proxy door over plain HTTP, against reverse proxies.
    Plain,
    /// TLS that ends at the gateway, against intercepting proxies.
    Tls,
    /// New connections, to hosts that were never seen and to others.
    Leaf,
    /// Memory at rest, with idle connections, under load, and while a large body passes.
    Memory,
}

impl Part {
    fn parse(name: &str) -> anyhow::Result<Self> {
        Ok(match name {
            "plain" => Self::Plain,
            "tls" => Self::Tls,
            "leaf" => Self::Leaf,
            "memory" => Self::Memory,
            _ => bail!("no part `{name}` for `--only`; there are `plain`, `tls`, `leaf`, `memory`"),
        })
    }
}

/// What is measured, and how it is told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// The binary to measure; none: the release binary, built first.
    pub(super) binary: Option<PathBuf>,
    /// None: all of them.
    pub(super) only: Option<Part>,
    /// Whether nobody is compared, as for a profile.
    pub(super) is_alone: bool,
    /// None: every load.
    pub(super) connections: Option<usize>,
    /// Rounds of each load on each target.
    pub(super) rounds: usize,
    /// Seconds of each of them.
    pub(super) seconds: u64,
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
            only: None,
            is_alone: false,
            connections: None,
            rounds: 3,
            seconds: 2,
            is_json: false,
            has_bars: true,
        };
        for (word, value) in read(words, KNOWN)? {
            match word {
                "--json" => options.is_json = true,
                "--no-bars" => options.has_bars = false,
                "--alone" => options.is_alone = true,
                "--connections" => {
                    options.connections = Some(number(word, value, (1, 1024))?);
                }
                "--binary" => options.binary = Some(value.into()),
                "--only" => options.only = Some(Part::parse(value)?),
                "--rounds" => options.rounds = number(word, value, (1, 100))?,
                _ => options.seconds = number(word, value, (1, 60))?,
            }
        }
        Ok(options)
    }

    /// Whether that part is measured.
    pub(super) fn has(&self, part: Part) -> bool {
        self.only.is_none_or(|only| only == part)
    }
}

impl fmt::Display for Options {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} rounds of {} s", self.rounds, self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::{Options, Part};

    fn parse(words: &[&str]) -> anyhow::Result<Options> {
        Options::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn without_words_every_part_is_measured_against_its_bars() {
        let options = parse(&[]).unwrap();
        assert!(
            [Part::Plain, Part::Tls, Part::Leaf, Part::Memory].map(|part| options.has(part))
                == [true; 4]
        );
        assert!(options.has_bars && options.rounds >= 3 && options.binary.is_none());
    }

    #[test]
    fn one_part_alone_leaves_the_others_out() {
        let options = parse(&["--only", "leaf"]).unwrap();
        assert!(options.has(Part::Leaf) && !options.has(Part::Plain));
    }

    #[test]
    fn a_word_that_says_nothing_is_refused_by_name() {
        for words in [&["--round"][..], &["--rounds", "0"], &["--only", "leafs"]] {
            let error = parse(words).unwrap_err().to_string();
            assert!(error.contains(words[0]), "{error}");
        }
    }
}
