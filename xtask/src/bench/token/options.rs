//! The words after `cargo xtask bench token`.

use std::fmt;
use std::path::PathBuf;

use anyhow::ensure;

use super::flow::{self, Flow};
use super::throughput::{MANY, Pace};
use crate::bench::options::{number, read};

/// As `read` takes them.
const KNOWN: &[&str] = &[
    "--binary PATH",
    "--only FLOW",
    "--connections N",
    "--rounds N",
    "--seconds N",
    "--alone",
    "--growth",
    "--json",
    "--no-bars",
];

/// What is measured, and how it is told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// The binary to measure; none: the release binary, built first.
    pub(super) binary: Option<PathBuf>,
    /// Marque alone, without the other server.
    pub(super) is_alone: bool,
    /// What a token takes with many agents, policies and runs, and nothing else.
    pub(super) is_growth: bool,
    /// None: all of them.
    only: Option<String>,
    /// None: every load.
    connections: Option<usize>,
    /// Rounds of each load on each server.
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
            is_alone: false,
            is_growth: false,
            only: None,
            connections: None,
            rounds: 3,
            seconds: 2,
            is_json: false,
            has_bars: true,
        };
        for (word, value) in read(words, KNOWN)? {
            match word {
                "--binary" => options.binary = Some(value.into()),
                "--alone" => options.is_alone = true,
                "--growth" => options.is_growth = true,
                "--json" => options.is_json = true,
                "--no-bars" => options.has_bars = false,
                "--only" => options.only = Some(known(value)?),
                "--connections" => {
                    options.connections = Some(number(word, value, (1, 1024))?);
                }
                "--rounds" => options.rounds = number(word, value, (1, 100))?,
                _ => options.seconds = number(word, value, (1, 60))?,
            }
        }
        Ok(options)
    }

    /// Whether that flow is measured.
    pub(super) fn has(&self, flow: Flow) -> bool {
        self.only.as_ref().is_none_or(|only| only == flow.word())
    }

    /// Whether it is measured so.
    pub(super) fn has_pace(&self, pace: Pace) -> bool {
        let Some(only) = self.connections else { return true };
        match pace {
            Pace::Closed(connections) => connections == only,
            Pace::Half => only == MANY,
        }
    }
}

/// A word for flows that there are.
fn known(word: &str) -> anyhow::Result<String> {
    let mut words: Vec<&str> = flow::all().into_iter().map(Flow::word).collect();
    words.dedup();
    let names = words.join("`, `");
    ensure!(words.contains(&word), "no flow `{word}` for `--only`; there are `{names}`");
    Ok(word.to_owned())
}

impl fmt::Display for Options {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} rounds of {} s", self.rounds, self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::Options;
    use crate::bench::token::flow::{self, Binding, Flow};
    use crate::bench::token::throughput::{CONNECTIONS, Pace};

    fn parse(words: &[&str]) -> anyhow::Result<Options> {
        Options::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn without_words_every_flow_is_measured_under_every_load() {
        let options = parse(&[]).unwrap();
        assert!(flow::all().into_iter().all(|flow| options.has(flow)));
        assert!(CONNECTIONS.into_iter().all(|count| options.has_pace(Pace::Closed(count))));
        assert!(options.has_pace(Pace::Half) && options.has_bars);
    }

    #[test]
    fn one_flow_alone_leaves_the_others_out_and_one_load_too() {
        let options = parse(&["--only", "assertion", "--connections", "16"]).unwrap();
        assert!(options.has(Flow::Assertion(Binding::Proof)) && !options.has(Flow::Keys));
        assert!(!options.has_pace(Pace::Half) && !options.has_pace(Pace::Closed(1)));
    }

    #[test]
    fn a_word_that_says_nothing_is_refused_by_name() {
        for words in [&["--round"][..], &["--rounds", "0"], &["--only", "exchanges"]] {
            let error = parse(words).unwrap_err().to_string();
            assert!(error.contains(words[0]), "{error}");
        }
    }
}
