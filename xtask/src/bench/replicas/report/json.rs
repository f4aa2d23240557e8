//! The report as JSON.

use serde_json::{Value, json};

use super::{Report, Summary};
use crate::bench::replicas::takeover::Loss;

impl Report {
    pub(super) fn json(&self) -> Value {
        let compared = self.compared.iter().map(|compared| {
            let Summary { calls, entries, batches, half_ms, most_ms, ratio, failed, cpu_ms } =
                self.summary(compared);
            json!({
                "calls": compared.word(),
                "is_postgres": compared.setup.is_postgres,
                "servers": compared.setup.servers,
                "calls_per_second": calls,
                "entries_per_second": entries,
                "batches_per_second": batches,
                "p50_ms": half_ms,
                "p99_ms": most_ms,
                "ratio": ratio,
                "failed": failed,
                "cpu_ms_per_call": cpu_ms,
                "rounds_calls_per_second":
                    compared.spans.iter().map(|span| span.calls / span.seconds).collect::<Vec<_>>(),
            })
        });
        let kills = self.kills.iter().map(|kill| {
            json!({
                "is_loaded": kill.is_loaded,
                "command_ms": kill.command,
                "cut_since_start_ms": kill.cut_since_start,
                "cut_since_answer_ms": kill.cut_since_answer,
                "refused_since_answer_ms": kill.refused_since_answer,
                "lag_ms": kill.lag,
                "calls_after": kill.after,
                "calls_late": kill.late,
            })
        });
        let losses = |losses: &[Loss]| {
            let each = losses.iter().map(|loss| {
                json!({
                    "gap_before_ms": loss.calm_gap,
                    "gap_after_ms": loss.gap,
                    "back_ms": loss.back,
                    "refused": loss.refused,
                    "is_stream_cut": loss.is_stream_cut,
                })
            });
            each.collect::<Vec<_>>()
        };
        json!({
            "machine": self.machine,
            "database": self.database,
            "options": self.options,
            "commits_per_second": { "1_client": self.floor.one, "16_clients": self.floor.sixteen },
            "throughput": compared.collect::<Vec<_>>(),
            "sqlite_bytes_per_entry": self.sizes.sqlite_bytes_per_entry,
            "postgres_bytes_per_entry": self.sizes.postgres_bytes_per_entry,
            "wal_bytes_per_entry": self.sizes.wal_bytes_per_entry,
            "feed_bytes_per_batch": self.sizes.feed_bytes_per_batch,
            "connections_per_server": self.sizes.connections_per_server,
            "rest_cpu": self.sizes.rest_cpu,
            "kills": kills.collect::<Vec<_>>(),
            "killed": losses(&self.killed),
            "stopped": losses(&self.stopped),
            "dismissal": self.dismissal.as_ref().map(|gone| json!({
                "settled_ms": gone.settled,
                "orphaned_ms": gone.orphaned,
                "ended_ms": gone.ended,
                "code": gone.code,
                "answered": gone.answered,
            })),
            "missed": self.missed(),
        })
    }
}
