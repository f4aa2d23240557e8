//! The report as tables.

use std::fmt::Write as _;

use super::{Report, Summary, TAKEOVER};
use crate::bench::figures::{median, real, worst};
use crate::bench::replicas::kill::{DEADLINE, Kill, millis};
use crate::bench::replicas::takeover::{Dismissal, Loss};

impl Report {
    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "{}; {}\n{}\n\
             the database alone: {:.0} commits/s from 1 client, {:.0} from 16\n\n",
            self.machine, self.database, self.options, self.floor.one, self.floor.sixteen,
        );
        self.write_rates(&mut text);
        self.write_sizes(&mut text);
        if !self.kills.is_empty() {
            self.write_kills(&mut text);
        }
        if !self.killed.is_empty() {
            self.write_losses(&mut text);
        }
        text + &format!(
            "bars: last byte of a killed run < {:.0} ms and no call later, \
             takeover < {TAKEOVER:.0} ms\n",
            millis(DEADLINE)
        )
    }

    fn write_rates(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "{:22}{:>9}{:>9}{:>9}{:>8}{:>8}{:>8}   CPU ms a call: servers, database, load",
            "calls, store, servers", "calls/s", "entr./s", "batch/s", "p50 ms", "p99 ms", "ratio",
        );
        for compared in &self.compared {
            let summary = self.summary(compared);
            let Summary { calls, entries, batches, half_ms, most_ms, ratio, failed, cpu_ms } =
                summary;
            let [servers, database, load] = cpu_ms;
            let batches = if batches.is_nan() { "-".to_owned() } else { format!("{batches:.0}") };
            let failed =
                if failed > 0.0 { format!("   {failed:.0} failed") } else { String::new() };
            let _ = writeln!(
                text,
                "{:22}{calls:>9.0}{entries:>9.0}{batches:>9}{half_ms:>8.1}{most_ms:>8.1}\
                 {ratio:>8.2}{servers:>11.2}{database:>8.2}{load:>8.2}{failed}",
                compared.name(),
            );
        }
    }

    fn write_sizes(&self, text: &mut String) {
        let sizes = &self.sizes;
        let [server, database] = sizes.rest_cpu;
        let mib = |kib: u64| real(kib) / 1024.0;
        let _ = writeln!(
            text,
            "\nbytes of an entry: {:.0} in SQLite, {:.0} in PostgreSQL and {:.0} of its WAL; \
             of a batch in the feed: {:.0}\n\
             a server of three: {:.0} connections; at rest {:.1} % of a core, its database {:.1}\n\
             memory of a server at rest and after the load: {:.0} and {:.0} MiB on SQLite, {:.0} \
             and {:.0} on PostgreSQL",
            sizes.sqlite_bytes_per_entry,
            sizes.postgres_bytes_per_entry,
            sizes.wal_bytes_per_entry,
            sizes.feed_bytes_per_batch,
            sizes.connections_per_server,
            server * 100.0,
            database * 100.0,
            mib(sizes.sqlite_rest_kib),
            mib(sizes.sqlite_loaded_kib),
            mib(sizes.postgres_rest_kib),
            mib(sizes.postgres_loaded_kib),
        );
    }

    fn write_kills(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "\n{:22}{:>7}{:>18}{:>18}{:>18}{:>18}{:>18}{:>7}{:>7}\n{:29}{}",
            "kill across servers",
            "kills",
            "the command",
            "last byte, start",
            "last byte, answer",
            "refused, answer",
            "feed lag",
            "after",
            "late",
            "",
            "    median   worst".repeat(5),
        );
        for is_loaded in [false, true] {
            let kills: Vec<_> =
                self.kills.iter().filter(|kill| kill.is_loaded == is_loaded).collect();
            let each = |value: fn(&Kill) -> f64| {
                let values: Vec<f64> = kills.iter().map(|kill| value(kill)).collect();
                format!("{:>10.0}{:>8.0}", median(values.clone()), worst(&values))
            };
            let name = if is_loaded { "  under load, ms" } else { "  idle, ms" };
            let sum =
                |value: fn(&Kill) -> usize| kills.iter().map(|kill| value(kill)).sum::<usize>();
            let _ = writeln!(
                text,
                "{name:22}{:>7}{}{}{}{}{}{:>7}{:>7}",
                kills.len(),
                each(|kill| kill.command),
                each(|kill| kill.cut_since_start),
                each(|kill| kill.cut_since_answer),
                each(|kill| kill.refused_since_answer),
                each(|kill| kill.lag),
                sum(|kill| kill.after),
                sum(|kill| kill.late),
            );
        }
    }

    fn write_losses(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "\n{:22}{:>7}{:>18}{:>18}{:>18}{:>9}{:>12}\n{:29}{}",
            "a server is lost",
            "times",
            "gap before",
            "gap after",
            "back again",
            "refused",
            "cut streams",
            "",
            "    median   worst".repeat(3),
        );
        for (name, losses) in [("  kill -9, ms", &self.killed), ("  kill -STOP, ms", &self.stopped)]
        {
            let each = |value: fn(&Loss) -> f64| {
                let values: Vec<f64> = losses.iter().map(value).collect();
                format!("{:>10.0}{:>8.0}", median(values.clone()), worst(&values))
            };
            let _ = writeln!(
                text,
                "{name:22}{:>7}{}{}{}{:>9}{:>12}",
                losses.len(),
                each(|loss| loss.calm_gap),
                each(|loss| loss.gap),
                each(|loss| loss.back),
                losses.iter().map(|loss| loss.refused).sum::<usize>(),
                losses.iter().filter(|loss| loss.is_stream_cut).count(),
            );
        }
        if let Some(Dismissal { settled, orphaned, ended, code, answered }) = &self.dismissal {
            let _ = writeln!(
                text,
                "what a killed server had under way is settled after {:.1} s, its run refused \
                 after {:.1} s;\n\
                 one that was stopped too long ends with {code} after {ended:.0} ms, and answers \
                 {answered} calls\n",
                settled / 1e3,
                orphaned / 1e3,
            );
        }
    }
}
