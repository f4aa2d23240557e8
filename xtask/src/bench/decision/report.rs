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

/// Prints a table, or JSON.
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

/// What must hold.
pub(super) fn bars(lines: &Lines) -> Vec<Bar> {
    let promised = timed(100_000, 1_000, true);
    let cpu = |agents, policies| lines.each(&timed(agents, policies, true), "cpu_us");
    let one = |what: &str| lines.each(&json!({ "what": what }), "bytes");
    vec![
        Bar::at_most("p50 in microseconds", 10.0, lines.each(&promised, "p50_us")),
        Bar::at_most("p99 in microseconds", 30.0, lines.each(&promised, "p99_us")),
        Bar::at_most(
            "CPU with 100,000 agents by that with 100",
            1.2,
            ratios(&cpu(100_000, 1_000), &cpu(100, 1_000)),
        ),
        Bar::at_most(
            "CPU with 10,000 policies by that with 10",
            1.2,
            ratios(&cpu(100_000, 10_000), &cpu(100_000, 10)),
        ),
        Bar::at_most("bytes of an agent", 2_048.0, one("agent_bytes")),
        Bar::at_most("bytes of a policy", 1_024.0, one("policy_bytes")),
        Bar::at_most("bytes of an open run without doors", 3_072.0, one("run_bytes")),
    ]
}

fn timed(agents: u32, policies: u32, is_scoped: bool) -> Value {
    json!({
        "what": "decision", "agents": agents, "policies": policies, "is_scoped": is_scoped,
    })
}

fn text(lines: &Lines, options: &Options) -> String {
    let cedar = json!({ "what": "cedar" });
    let floor = lines.each(&cedar, "p50_us");
    let mut text = format!(
        "decisions, stages 1 to 7, {} in each of {} rounds; {}\n\
         Cedar alone, 8 policies: p50 {} us, p99 {} us\n\n\
         {:>8}{:>10}{:>10}{:>10}{:>10}{:>14}{:>8}{:>8}\n",
        options.decisions,
        options.rounds,
        process::machine(),
        told(lines.median(&cedar, "p50_us")),
        told(lines.median(&cedar, "p99_us")),
        "agents",
        "policies",
        "p50 us",
        "p99 us",
        "CPU us",
        "by Cedar's",
        "allocs",
        "KiB",
    );
    for (agents, policies, is_scoped) in ROWS {
        let row = timed(agents, policies, is_scoped);
        let mut counted = row.clone();
        if let Some(what) = counted.get_mut("what") {
            *what = json!("allocations");
        }
        let by_floor = ratios(&lines.each(&row, "p50_us"), &floor);
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
    text + "\n" + &bars::text(&bars(lines))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Options, bars, text};
    use crate::bench::bars::missed;
    use crate::bench::kit::Lines;

    fn lines(p50: f64) -> Lines {
        let decision = |agents: u32, policies: u32, cpu: f64| {
            json!({
                "what": "decision", "agents": agents, "policies": policies, "is_scoped": true,
                "p50_us": p50, "p99_us": 20.0, "cpu_us": cpu,
            })
        };
        Lines::of(vec![
            decision(100, 1_000, 9.0),
            decision(100_000, 1_000, 9.9),
            decision(100_000, 10, 9.0),
            decision(100_000, 10_000, 9.0),
            json!({ "what": "cedar", "p50_us": 4.0, "p99_us": 5.0 }),
            json!({ "what": "agent_bytes", "bytes": 2_000.0 }),
            json!({ "what": "policy_bytes", "bytes": 1_000.0 }),
            json!({ "what": "run_bytes", "bytes": 3_000.0 }),
        ])
    }

    #[test]
    fn each_bar_is_missed_by_itself() {
        assert_eq!(missed(&bars(&lines(9.0))), Vec::<String>::new());
        assert!(missed(&bars(&lines(10.5)))[0].starts_with("p50 in microseconds: 10.5"));
        assert_eq!(missed(&bars(&Lines::default())).len(), 7, "what is missing does not hold");
    }

    #[test]
    fn the_table_has_the_figures_beside_their_floor() {
        let options = Options { rounds: 1, decisions: 1_000, is_json: false, has_bars: true };
        let text = text(&lines(8.0), &options);
        let row = format!("{:>10}{:>10}{:>10}{:>14}", "8.00", "20.0", "9.90", "2.00");
        assert!(text.contains(&row), "no {row} in\n{text}");
    }
}
