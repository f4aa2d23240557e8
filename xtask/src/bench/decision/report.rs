//! Decisions as a table, and against their bars.

use std::fmt::Write as _;
use std::io::{Write as _, stdout};

use serde_json::{Value, json};

use super::Options;
use crate::bench::bars::{self, Bar, ratios, told};
use crate::bench::kit::Lines;
use crate::bench::process;

/// Numbers of agents and policies, and whether those name anything.
const ROWS: [(u32, u32, bool); 11] = [
    (100, 10, true),
    (100, 100, true),
    (100, 1_000, true),
    (10_000, 10, true),
    (10_000, 100, true),
    (10_000, 1_000, true),
    (100_000, 10, true),
    (100_000, 100, true),
    (100_000, 1_000, true),
    (100_000, 10_000, true),
    (100_000, 1_000, false),
];

/// What the kit calls a decision that was made before on the same facts, one on a path that nobody
/// asked for before, and the first ones.
const AGAIN: &str = "decision";
const NEVER: &str = "never_asked";
const FIRST: &str = "first";

/// Prints tables, or JSON.
pub(super) fn print(lines: &Lines, options: &Options) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    if options.is_json {
        let report = json!({
            "machine": process::machine(), "lines": lines.all(), "bars": bars::json(&bars(lines)),
        });
        return Ok(writeln!(out, "{report:#}")?);
    }
    Ok(write!(out, "{}", text(lines, options))?)
}

/// What must hold, of what runs ask again and of what nobody asked before.
pub(super) fn bars(lines: &Lines) -> Vec<Bar> {
    let mut bars = Vec::from(decision_bars(
        lines,
        AGAIN,
        [
            "p50 in microseconds, asked again",
            "p99 in microseconds, asked again",
            "CPU with 100,000 agents by that with 100, asked again",
            "CPU with 10,000 policies by that with 10, asked again",
        ],
    ));
    bars.extend(decision_bars(
        lines,
        NEVER,
        [
            "p50 in microseconds, never asked",
            "p99 in microseconds, never asked",
            "CPU with 100,000 agents by that with 100, never asked",
            "CPU with 10,000 policies by that with 10, never asked",
        ],
    ));
    let one = |what: &str| lines.each(&json!({ "what": what }), "bytes");
    bars.extend([
        Bar::at_most("bytes of an agent", 2_048.0, one("agent_bytes")),
        Bar::at_most("bytes of a policy", 1_024.0, one("policy_bytes")),
        Bar::at_most("bytes of an open run without doors", 3_072.0, one("run_bytes")),
    ]);
    bars
}

fn decision_bars(lines: &Lines, what: &str, names: [&'static str; 4]) -> [Bar; 4] {
    let promised = case(what, 100_000, 1_000, true);
    let cpu = |agents, policies| lines.each(&case(what, agents, policies, true), "cpu_us");
    let [p50, p99, by_agents, by_policies] = names;
    [
        Bar::at_most(p50, 10.0, lines.each(&promised, "p50_us")),
        Bar::at_most(p99, 30.0, lines.each(&promised, "p99_us")),
        Bar::at_most(by_agents, 1.2, ratios(&cpu(100_000, 1_000), &cpu(100, 1_000))),
        Bar::at_most(by_policies, 1.2, ratios(&cpu(100_000, 10_000), &cpu(100_000, 10))),
    ]
}

fn case(what: &str, agents: u32, policies: u32, is_scoped: bool) -> Value {
    json!({ "what": what, "agents": agents, "policies": policies, "is_scoped": is_scoped })
}

fn text(lines: &Lines, options: &Options) -> String {
    let cedar = json!({ "what": "cedar" });
    let floor = lines.each(&cedar, "p50_us");
    let mut text = format!(
        "decisions, stages 1 to 7, {} in each of {} rounds; {}\n\
         Cedar alone, 8 policies: p50 {} us, p99 {} us\n",
        options.decisions,
        options.rounds,
        process::machine(),
        told(lines.median(&cedar, "p50_us")),
        told(lines.median(&cedar, "p99_us")),
    );
    for (title, what, counted) in [
        ("asked again", AGAIN, "allocations"),
        ("never asked", NEVER, "never_asked_allocations"),
        ("asked first, of policies just loaded", FIRST, ""),
    ] {
        text += &table(lines, title, (what, counted), &floor);
    }
    text + "\n" + &bars::text(&bars(lines))
}

fn table(lines: &Lines, title: &str, (what, counted): (&str, &str), floor: &[f64]) -> String {
    let mut text = format!(
        "\n{title}\n{:>8}{:>10}{:>10}{:>10}{:>10}{:>14}{:>8}{:>8}\n",
        "agents", "policies", "p50 us", "p99 us", "CPU us", "by Cedar's", "allocs", "KiB",
    );
    for (agents, policies, is_scoped) in ROWS {
        let row = case(what, agents, policies, is_scoped);
        let counted = case(counted, agents, policies, is_scoped);
        let by_floor = ratios(&lines.each(&row, "p50_us"), floor);
        let _ = writeln!(
            text,
            "{agents:>8}{policies:>10}{:>10}{:>10}{:>10}{:>14}{:>8}{:>8}{}",
            told(lines.median(&row, "p50_us")),
            told(lines.median(&row, "p99_us")),
            told(lines.median(&row, "cpu_us")),
            told(crate::bench::figures::median(by_floor)),
            told(lines.median(&counted, "allocations")),
            told(lines.median(&counted, "bytes") / 1024.0),
            if is_scoped { "" } else { "  all unscoped" },
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Options, bars, text};
    use crate::bench::bars::missed;
    use crate::bench::kit::Lines;

    fn lines(p50: f64) -> Lines {
        let decision = |what: &str, agents: u32, policies: u32, cpu: f64| {
            json!({
                "what": what, "agents": agents, "policies": policies, "is_scoped": true,
                "p50_us": p50, "p99_us": 20.0, "cpu_us": cpu,
            })
        };
        let decisions = ["decision", "never_asked"].map(|what| {
            [
                decision(what, 100, 1_000, 9.0),
                decision(what, 100_000, 1_000, 9.9),
                decision(what, 100_000, 10, 9.0),
                decision(what, 100_000, 10_000, 9.0),
            ]
        });
        let others = [
            json!({ "what": "cedar", "p50_us": 4.0, "p99_us": 5.0 }),
            json!({ "what": "agent_bytes", "bytes": 2_000.0 }),
            json!({ "what": "policy_bytes", "bytes": 1_000.0 }),
            json!({ "what": "run_bytes", "bytes": 3_000.0 }),
        ];
        Lines::of(decisions.into_iter().flatten().chain(others).collect())
    }

    #[test]
    fn each_bar_is_missed_by_itself() {
        assert_eq!(missed(&bars(&lines(9.0))), Vec::<String>::new());
        assert!(
            missed(&bars(&lines(10.5)))[0].starts_with("p50 in microseconds, asked again: 10.5")
        );
        assert_eq!(missed(&bars(&Lines::default())).len(), 11, "what is missing does not hold");
    }

    #[test]
    fn the_table_has_the_figures_beside_their_floor() {
        let options = Options { rounds: 1, decisions: 1_000, is_json: false, has_bars: true };
        let text = text(&lines(8.0), &options);
        let row = format!("{:>10}{:>10}{:>10}{:>14}", "8.00", "20.0", "9.90", "2.00");
        assert!(text.contains(&row), "no {row} in\n{text}");
    }
}
