//! What libFuzzer says at the end of a run.

use std::fmt;

/// How one run went.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    executions: u64,
    per_second: u64,
    /// Edges of the code that were reached.
    coverage: u64,
    /// What the slowest input took, in whole seconds.
    slowest_secs: u64,
    /// Where the input lies that broke a promise.
    pub(super) crash: Option<String>,
}

const LINES: usize = 12;

impl Outcome {
    pub(super) const HEADINGS: &str =
        "target      executions   exec/s   coverage   slowest   crashes";

    /// Reads the log of a run; `None` where it did not come to its figures.
    pub(super) fn read(log: &str) -> Option<Self> {
        let after = |mark: &str| {
            let found = log.lines().rev().find_map(|line| line.split_once(mark));
            found.and_then(|(_, rest)| rest.split_whitespace().next())
        };
        let number = |mark: &str| after(mark)?.parse().ok();
        let crash = after("Test unit written to ").map(str::to_owned);
        let executions = number("stat::number_of_executed_units:");
        if executions.is_none() && crash.is_none() {
            return None;
        }
        Some(Self {
            executions: executions.unwrap_or_default(),
            per_second: number("stat::average_exec_per_sec:").unwrap_or_default(),
            coverage: number(" cov: ").unwrap_or_default(),
            slowest_secs: number("stat::slowest_unit_time_sec:").unwrap_or_default(),
            crash,
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { executions, per_second, coverage, slowest_secs, crash } = self;
        let crash = crash.as_deref().unwrap_or("none");
        write!(f, "{executions:>12}{per_second:>9}{coverage:>11}{slowest_secs:>8} s   {crash}")
    }
}

/// The end of a log, for whoever must see why nothing ran.
pub(super) fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let from = lines.len().saturating_sub(LINES);
    lines.get(from..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::Outcome;

    const DONE: &str = "#1024\tpulse  cov: 310 ft: 900 corp: 12/1Kb exec/s: 512\n\
        #2000\tDONE   cov: 321 ft: 913 corp: 14/1Kb exec/s: 400\n\
        Done 2000 runs in 5 second(s)\n\
        stat::number_of_executed_units: 2000\n\
        stat::average_exec_per_sec:     400\n\
        stat::slowest_unit_time_sec:    3\n";

    #[test]
    fn the_figures_of_a_run_are_read_and_its_crash_is_told() {
        let expected = Outcome {
            executions: 2_000,
            per_second: 400,
            coverage: 321,
            slowest_secs: 3,
            crash: None,
        };
        assert_eq!(Outcome::read(DONE), Some(expected));
        let log = format!("{DONE}Test unit written to fuzz/artifacts/dns/crash-1f\nBase64: AA==\n");
        let crashed = Outcome::read(&log).unwrap();
        assert_eq!(crashed.crash.as_deref(), Some("fuzz/artifacts/dns/crash-1f"));
        assert!(crashed.to_string().ends_with("fuzz/artifacts/dns/crash-1f"));
        assert_eq!(Outcome::read("error: no such command: `fuzz`\n"), None);
    }
}
