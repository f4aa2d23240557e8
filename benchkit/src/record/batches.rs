//! The log by itself: so many entries in each transaction, on disk before the next or only
//! committed.

use std::time::Duration;

use serde_json::json;

use super::book::Book;
use crate::clock::{computed, moment};
use crate::figures::{Sorted, micros, real};
use crate::lines::tell;

/// One line for each durability class.
pub(super) fn measure(
    book: &mut Book,
    (engine, round): (&str, usize),
    batch: usize,
    span: Duration,
) -> anyhow::Result<()> {
    // PostgreSQL's commits are on disk when they return.
    let classes: &[_] = if book.store.is_shared() { &["disk"] } else { &["read", "disk"] };
    for class in classes {
        let (begun, cpu, mut spans) = (moment(), computed(), Vec::new());
        while moment().saturating_sub(begun) < span {
            let at = moment();
            book.append(batch)?;
            if *class == "disk" {
                book.sync()?;
            }
            spans.push(moment().saturating_sub(at));
            book.tend()?;
        }
        let took = moment().saturating_sub(begun).as_secs_f64();
        let entries = real(spans.len() * batch);
        let cpu = micros(computed().saturating_sub(cpu)) / entries;
        let spans = Sorted::of(spans);
        tell(&json!({
            "what": "batches", "engine": engine, "round": round, "class": class, "batch": batch,
            "entries_per_second": entries / took, "cpu_us": cpu,
            "p50_us": spans.permille(500), "p99_us": spans.permille(990),
        }))?;
    }
    Ok(())
}
