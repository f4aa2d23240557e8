//! What a token takes with few and with many agents, policies and open runs: measured by the bench
//! kit in process, where such crowds are written at once.

use serde_json::{Value, json};

use super::options::Options;
use super::report::Report;
use crate::bench::bars::{Bar, ratios};
use crate::bench::kit::{Kit, Lines, TIMES};
use crate::bench::process;
use crate::bench::table::{Table, fine, whole};

/// How much more CPU ten thousand times as much of anything may take.
const MOST: f64 = 1.2;
/// Requests of each case, kind and round.
const REQUESTS: usize = 2_000;
/// Agents, policies and open runs of each case; the first is what the others are compared with.
const CASES: [[u64; 3]; 7] = [
    [100, 10, 100],
    [100_000, 10, 100],
    [100, 10_000, 100],
    [100, 10, 1_000],
    [100, 10, 10_000],
    [100, 10, 100_000],
    [100_000, 10_000, 100_000],
];
const KINDS: [(&str, &str); 2] = [
    ("credentials", "client credentials, signed JWT"),
    ("exchange", "exchange, to 2 in the chain"),
];

/// Measures all of it.
pub(super) fn measure(options: &Options) -> anyhow::Result<Report> {
    let kit = Kit::build()?;
    let (rounds, requests) = (options.rounds.to_string(), REQUESTS.to_string());
    let words = ["token", "--rounds", &rounds, "--requests", &requests];
    let lines = kit.run(TIMES, &words.map(str::to_owned))?;
    Ok(Report {
        machine: process::machine(),
        options: format!("{} rounds of {REQUESTS} requests", options.rounds),
        sides: vec![
            "in process, on SQLite: the record is committed and not yet on disk".to_owned(),
        ],
        tables: KINDS.map(|kind| table(&lines, kind)).into(),
        bars: bars(&lines),
    })
}

fn of(kind: &str, [agents, policies, runs]: [u64; 3]) -> Value {
    json!({ "what": kind, "agents": agents, "policies": policies, "runs": runs })
}

fn table(lines: &Lines, (kind, title): (&str, &str)) -> Table {
    let [first, ..] = CASES;
    let least = lines.median(&of(kind, first), "cpu_us");
    let rows = CASES.map(|case| {
        let [agents, policies, runs] = case;
        let cpu = lines.median(&of(kind, case), "cpu_us");
        let name = format!("{agents} agents, {policies} policies, {runs} open runs");
        (name, vec![whole(cpu), fine(cpu / least)])
    });
    Table { title: title.to_owned(), columns: &["CPU µs", "by the first"], rows: rows.into() }
}

fn bars(lines: &Lines) -> Vec<Bar> {
    let [first, agents, policies, .., runs, _] = CASES;
    let grown = |kind: &str, case| {
        let cpu = |case| lines.each(&of(kind, case), "cpu_us");
        ratios(&cpu(case), &cpu(first))
    };
    let [(credentials, _), (exchange, _)] = KINDS;
    let at_most = |what, kind, case| Bar::at_most(what, MOST, grown(kind, case));
    vec![
        at_most("CPU of a token, 100,000 agents by 100", credentials, agents),
        at_most("CPU of a token, 10,000 policies by 10", credentials, policies),
        at_most("CPU of a token, 100,000 open runs by 100", credentials, runs),
        at_most("CPU of an exchange, 100,000 agents by 100", exchange, agents),
        at_most("CPU of an exchange, 10,000 policies by 10", exchange, policies),
        at_most("CPU of an exchange, 100,000 open runs by 100", exchange, runs),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::bars;
    use crate::bench::bars::missed;
    use crate::bench::kit::Lines;

    #[test]
    fn each_crowd_is_compared_with_the_smallest() {
        let line = |agents: u64, policies: u64, runs: u64, cpu: f64| {
            json!({
                "what": "credentials", "agents": agents, "policies": policies, "runs": runs,
                "cpu_us": cpu,
            })
        };
        let lines = Lines::of(vec![
            line(100, 10, 100, 100.0),
            line(100_000, 10, 100, 119.0),
            line(100, 10_000, 100, 121.0),
            line(100, 10, 100_000, 100.0),
        ]);
        let missed = missed(&bars(&lines));
        let tokens: Vec<_> = missed.iter().filter(|line| line.contains("token")).collect();
        assert_eq!(tokens.len(), 1);
        assert!(tokens[0].contains("policies"), "{tokens:?}");
    }
}
