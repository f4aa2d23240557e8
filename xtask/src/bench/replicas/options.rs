//! The words after `cargo xtask bench replicas`.

use std::fmt;
use std::path::PathBuf;

use crate::bench::options::{number, read};

/// As `read` takes them.
const KNOWN: &[&str] = &[
    "--binary PATH",
    "--rounds N",
    "--seconds N",
    "--connections N",
    "--kills N",
    "--losses N",
    "--round-trip MICROSECONDS",
    "--json",
    "--no-bars",
];

/// What is measured, and how it is told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// The binary to measure; none: the release binary, built first.
    pub(super) binary: Option<PathBuf>,
    /// Rounds of every number of servers.
    pub(super) rounds: usize,
    /// Seconds of each of them.
    pub(super) seconds: u64,
    /// Calls of the load that are under way at once.
    pub(super) connections: usize,
    /// Runs that are killed, half of them under load; none leaves it out.
    pub(super) kills: usize,
    /// Servers that are killed, and as many that are stopped; none leaves it out.
    pub(super) losses: usize,
    /// Microseconds of a round trip to the database; none: loopback as it is.
    pub(super) round_trip: Option<u64>,
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
            rounds: 3,
            seconds: 4,
            connections: 64,
            kills: 16,
            losses: 3,
            round_trip: None,
            is_json: false,
            has_bars: true,
        };
        for (word, value) in read(words, KNOWN)? {
            match word {
                "--json" => options.is_json = true,
                "--no-bars" => options.has_bars = false,
                "--binary" => options.binary = Some(value.into()),
                "--rounds" => options.rounds = number(word, value, (1, 100))?,
                "--seconds" => options.seconds = number(word, value, (1, 60))?,
                // A run may have 64 lines to an upstream, and there are four.
                "--connections" => options.connections = number(word, value, (3, 256))?,
                "--kills" => options.kills = number(word, value, (0, 1000))?,
                "--losses" => options.losses = number(word, value, (0, 100))?,
                // A server that waits longer for its turn refuses.
                _ => options.round_trip = Some(number(word, value, (100, 50_000))?),
            }
        }
        Ok(options)
    }
}

impl fmt::Display for Options {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, rounds, seconds, .. } = self;
        write!(out, "{connections} connections, {rounds} rounds of {seconds} s")?;
        let round_trip = self
            .round_trip
            .map(|micros| write!(out, ", {micros} microseconds to the database and back"));
        round_trip.unwrap_or(Ok(()))
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
        assert!(options.kills >= 15 && options.losses >= 3, "{options:?}");
        assert!(options.has_bars && options.round_trip.is_none() && options.binary.is_none());
    }

    #[test]
    fn a_word_that_says_nothing_is_refused_by_name() {
        for words in [&["--round"][..], &["--rounds"], &["--rounds", "0"], &["--round-trip", "99"]]
        {
            let error = parse(words).unwrap_err().to_string();
            assert!(error.contains(words[0]), "{error}");
        }
    }
}
