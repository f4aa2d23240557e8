//! Records as tables, and against their bars.

use std::fmt::Write as _;
use std::io::{Write as _, stdout};

use serde_json::{Value, json};

use super::Options;
use crate::bench::bars::{self, Bar, ratios, told};
use crate::bench::figures::median;
use crate::bench::kit::Lines;
use crate::bench::process;

/// Engines with the durability classes they tell apart.
const ENGINES: [(&str, &[&str]); 2] = [("sqlite", &["read", "disk"]), ("postgres", &["disk"])];
const WRITERS: [u32; 4] = [1, 16, 64, 256];
const BATCHES: [u32; 4] = [1, 8, 64, 512];

/// Prints tables, or JSON.
pub(super) fn print(lines: &Lines, options: &Options) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    if options.is_json {
        let report = json!({
            "machine": process::machine(), "lines": lines.all(),
            "bars": bars::json(&bars(lines, options)),
        });
        return Ok(writeln!(out, "{report:#}")?);
    }
    Ok(write!(out, "{}", text(lines, options))?)
}

/// What must hold.
pub(super) fn bars(lines: &Lines, options: &Options) -> Vec<Bar> {
    let alone = json!({ "what": "alone", "engine": "sqlite" });
    let (fsync, one) = (lines.each(&alone, "fsync_p50_us"), lines.each(&alone, "p50_us"));
    let many = lines.each(&written("sqlite", "disk", 64), "entries_per_second");
    let batches = lines.each(&batched("sqlite", "disk", 512), "entries_per_second");
    let appended = |is_small: bool| -> Vec<f64> {
        lines.each_where(&json!({ "what": "append", "batch": 512 }), "cpu_us", |line| {
            let size = line.get("size").and_then(Value::as_u64).unwrap_or(0);
            (size < options.entries) == is_small
        })
    };
    vec![
        Bar::at_most("one writer, answered on disk, by one fsync", 1.1, ratios(&one, &fsync)),
        Bar::at_least("entries a second of 64 writers, on disk", 10_000.0, many),
        Bar::at_least("entries a second in batches of 512, on disk", 200_000.0, batches),
        Bar::at_least(
            "entries verified a second by one core",
            600_000.0,
            lines.each(&json!({ "what": "verify" }), "per_second"),
        ),
        Bar::at_most(
            "p99 of a proof in microseconds",
            1_000.0,
            lines.each(&json!({ "what": "proof" }), "p99_us"),
        ),
        Bar::at_most(
            "CPU of appending to the large log by that to the small",
            1.1,
            ratios(&appended(false), &appended(true)),
        ),
    ]
}

fn written(engine: &str, class: &str, writers: u32) -> Value {
    json!({ "what": "writers", "engine": engine, "class": class, "writers": writers })
}

fn batched(engine: &str, class: &str, batch: u32) -> Value {
    json!({ "what": "batches", "engine": engine, "class": class, "batch": batch })
}

fn text(lines: &Lines, options: &Options) -> String {
    let version = lines.text("version").unwrap_or("not installed");
    let mut text = format!(
        "records, {} rounds; {}; PostgreSQL {version}\n",
        options.rounds,
        process::machine(),
    );
    text_of_floors(lines, &mut text);
    text_of_writers(lines, &mut text);
    text_of_batches(lines, &mut text);
    text_of_large(lines, &mut text);
    text + "\n" + &bars::text(&bars(lines, options))
}

fn text_of_floors(lines: &Lines, text: &mut String) {
    let fsync = json!({ "what": "fsync" });
    let sha256 = json!({ "what": "sha256" });
    let _ = writeln!(
        text,
        "\nwrite of 4 KiB and fdatasync: p50 {} us, p99 {} us; SHA-256 of a record: {} us\n\n\
         {:24}{:>12}{:>10}{:>10}",
        told(lines.median(&fsync, "p50_us")),
        told(lines.median(&fsync, "p99_us")),
        told(lines.median(&sha256, "us")),
        "one row a commit",
        "commits/s",
        "p50 us",
        "p99 us",
    );
    let rows = lines.median(&json!({ "what": "raw_batches", "engine": "sqlite" }), "per_second");
    for (engine, classes) in ENGINES {
        for class in classes {
            let raw = json!({ "what": "raw", "engine": engine, "class": class });
            let _ = writeln!(
                text,
                "{:24}{:>12}{:>10}{:>10}",
                format!("{engine}, {class}"),
                told(lines.median(&raw, "per_second")),
                told(lines.median(&raw, "p50_us")),
                told(lines.median(&raw, "p99_us")),
            );
        }
    }
    let _ = writeln!(text, "sqlite, disk, 512 rows a commit: {} rows/s\n", told(rows));
    for (engine, _) in ENGINES {
        let alone = json!({ "what": "alone", "engine": engine });
        let by = ratios(&lines.each(&alone, "p50_us"), &lines.each(&alone, "fsync_p50_us"));
        let _ = writeln!(
            text,
            "{engine}, one writer on disk: p50 {} us, p99 {} us; by an fsync between: {}",
            told(lines.median(&alone, "p50_us")),
            told(lines.median(&alone, "p99_us")),
            told(median(by)),
        );
    }
}

fn text_of_writers(lines: &Lines, text: &mut String) {
    let _ = writeln!(
        text,
        "\n{:24}{:>8}{:>12}{:>12}{:>10}{:>10}{:>10}",
        "the road", "writers", "decisions/s", "entries/s", "by raw", "p50 us", "p99 us",
    );
    for (engine, _) in ENGINES {
        for class in ["read", "disk"] {
            for writers in WRITERS {
                let row = written(engine, class, writers);
                let raw = if engine == "postgres" { "disk" } else { class };
                let raw = json!({ "what": "raw", "engine": engine, "class": raw });
                let raw = lines.each(&raw, "per_second");
                let by_raw = ratios(&lines.each(&row, "entries_per_second"), &raw);
                let _ = writeln!(
                    text,
                    "{:24}{writers:>8}{:>12}{:>12}{:>10}{:>10}{:>10}",
                    format!("{engine}, {class}"),
                    told(lines.median(&row, "decisions_per_second")),
                    told(lines.median(&row, "entries_per_second")),
                    told(median(by_raw)),
                    told(lines.median(&row, "p50_us")),
                    told(lines.median(&row, "p99_us")),
                );
            }
        }
    }
}

fn text_of_batches(lines: &Lines, text: &mut String) {
    let _ = writeln!(
        text,
        "\n{:24}{:>8}{:>12}{:>14}{:>12}{:>12}",
        "the log alone", "batch", "entries/s", "CPU us/entry", "p50 us", "p99 us",
    );
    for (engine, classes) in ENGINES {
        for class in classes {
            for batch in BATCHES {
                let row = batched(engine, class, batch);
                let _ = writeln!(
                    text,
                    "{:24}{batch:>8}{:>12}{:>14}{:>12}{:>12}",
                    format!("{engine}, {class}"),
                    told(lines.median(&row, "entries_per_second")),
                    told(lines.median(&row, "cpu_us")),
                    told(lines.median(&row, "p50_us")),
                    told(lines.median(&row, "p99_us")),
                );
            }
        }
    }
}

fn text_of_large(lines: &Lines, text: &mut String) {
    let built = json!({ "what": "built" });
    let (verify, proof) = (json!({ "what": "verify" }), json!({ "what": "proof" }));
    let _ = writeln!(
        text,
        "\na log of {} entries: {} a second built, {} bytes on disk each\n\
         verified a second by one core: {}; SHA-256 of the same alone: {}; read from the store as \
         well: {}; looked at for misfiled ones: {}\n\
         a proof with its entry: p50 {} us, p99 {} us",
        told(lines.median(&built, "entries")),
        told(lines.median(&built, "entries") / lines.median(&built, "seconds")),
        told(lines.median(&built, "bytes_per_entry")),
        told(lines.median(&verify, "per_second")),
        told(lines.median(&verify, "sha256_per_second")),
        told(lines.median(&verify, "from_store_per_second")),
        told(lines.median(&verify, "filed_per_second")),
        told(lines.median(&proof, "p50_us")),
        told(lines.median(&proof, "p99_us")),
    );
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Options, bars, text};
    use crate::bench::bars::missed;
    use crate::bench::kit::Lines;

    const OPTIONS: Options =
        Options { rounds: 1, millis: 100, entries: 100_000, is_json: false, has_bars: true };

    fn lines(one_us: f64) -> Lines {
        let append = |size: u32, cpu: f64| {
            json!({
                "what": "append", "batch": 512, "size": size, "cpu_us": cpu,
            })
        };
        Lines::of(vec![
            json!({
                "what": "alone", "engine": "sqlite", "p50_us": one_us, "fsync_p50_us": 1_000.0,
            }),
            json!({
                "what": "raw", "engine": "sqlite", "class": "disk", "per_second": 900.0,
            }),
            json!({
                "what": "writers", "engine": "sqlite", "class": "disk", "writers": 64,
                "entries_per_second": 10_800.0,
            }),
            json!({
                "what": "batches", "engine": "sqlite", "class": "disk", "batch": 512,
                "entries_per_second": 200_000.0,
            }),
            append(10_000, 5.0),
            append(100_000, 5.4),
            json!({ "what": "verify", "per_second": 700_000.0 }),
            json!({ "what": "proof", "p99_us": 900.0 }),
        ])
    }

    #[test]
    fn each_bar_is_missed_by_itself() {
        assert_eq!(missed(&bars(&lines(1_090.0), &OPTIONS)), Vec::<String>::new());
        let missed_one = missed(&bars(&lines(1_120.0), &OPTIONS));
        assert!(missed_one.len() == 1 && missed_one[0].starts_with("one writer"), "{missed_one:?}");
        assert_eq!(missed(&bars(&Lines::default(), &OPTIONS)).len(), 6);
    }

    #[test]
    fn entries_stand_beside_the_raw_commits_of_their_engine() {
        let text = text(&lines(1_000.0), &OPTIONS);
        let row = format!("{:>12}{:>10}", "10800", "12.0");
        assert!(text.contains(&row), "no {row} in\n{text}");
    }
}
