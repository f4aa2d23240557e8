//! Limits on the command line: the options that set them, and how they read.

use clap::Args;
use marque_domain::size::{parse_size, print_size};
use marque_domain::{Limits, Period};
use marque_plane::spec::LimitSpec;
use marque_plane::view::BudgetView;

/// Limits of something that is being registered.
#[derive(Args)]
pub(crate) struct LimitArgs {
    /// Calls in a minute, all together
    #[arg(long = "limit-rate", value_name = "N")]
    rate: Option<u32>,
    /// Calls a day (UTC), all together
    #[arg(long = "limit-calls", value_name = "N")]
    calls: Option<u64>,
    /// Bytes of bodies a day (UTC), both ways, such as `50MiB`
    #[arg(long = "limit-bytes", value_name = "SIZE", value_parser = parse_size)]
    bytes: Option<u64>,
}

/// Limits of something that is there.
#[derive(Args)]
#[group(required = true, multiple = true)]
pub(crate) struct ChangeArgs {
    /// Calls in a minute
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// Calls at once before the rate holds [default: a tenth of the rate]
    #[arg(long, value_name = "N")]
    burst: Option<u32>,
    /// Calls a day (UTC)
    #[arg(long, value_name = "N")]
    calls_per_day: Option<u64>,
    /// Bytes of bodies a day (UTC), both ways, such as `50MiB`
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    bytes_per_day: Option<u64>,
    /// Drop every limit there is; with others, all but those
    #[arg(long)]
    none: bool,
}

impl LimitArgs {
    pub(crate) fn limits(&self) -> Limits {
        Limits { calls_per_minute: self.rate, burst: None, calls: self.calls, bytes: self.bytes }
    }
}

impl ChangeArgs {
    pub(crate) fn spec(&self) -> LimitSpec {
        let limits = Limits {
            calls_per_minute: self.rate,
            burst: self.burst,
            calls: self.calls_per_day,
            bytes: self.bytes_per_day,
        };
        LimitSpec { clear: self.none, limits }
    }
}

/// Each limit, and what is left of it.
pub(crate) fn lines(budget: &BudgetView, period: Period) -> Vec<String> {
    let Limits { calls, bytes, .. } = budget.limits;
    let mut lines = Limits { calls: None, bytes: None, ..budget.limits }.lines(period);
    let calls = Limits { calls, ..Limits::default() }.lines(period);
    let left = budget.calls_left.unwrap_or_default();
    lines.extend(calls.iter().map(|line| format!("{line}, {left} left")));
    let bytes = Limits { bytes, ..Limits::default() }.lines(period);
    let left = print_size(budget.bytes_left.unwrap_or_default());
    lines.extend(bytes.iter().map(|line| format!("{line}, {left} left")));
    lines
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use marque_domain::{Limits, Period};
    use marque_plane::view::BudgetView;

    use super::{ChangeArgs, LimitArgs, lines};
    use crate::cli::Cli;

    #[derive(clap::Parser)]
    struct Added {
        #[command(flatten)]
        limits: LimitArgs,
    }

    #[derive(clap::Parser)]
    struct Changed {
        #[command(flatten)]
        limits: ChangeArgs,
    }

    #[test]
    fn limits_of_what_is_registered_are_read_from_three_options() {
        let told = "x --limit-rate 60 --limit-calls 9 --limit-bytes 50MiB".split(' ');
        let read = Added::try_parse_from(told).ok().unwrap().limits.limits();
        let rate = Some(60);
        let all =
            Limits { calls_per_minute: rate, burst: None, calls: Some(9), bytes: Some(50 << 20) };
        assert_eq!(read, all);
        let read = Added::try_parse_from(["x"]).ok().unwrap().limits.limits();
        assert_eq!(read, Limits::default());
        for bad in ["50MB", "-1", "1.5GiB", ""] {
            assert!(Added::try_parse_from(["x", "--limit-bytes", bad]).is_err(), "`{bad}`");
        }
    }

    #[test]
    fn a_change_of_limits_names_at_least_one_or_none_of_them() {
        assert!(Changed::try_parse_from(["x"]).is_err());
        let spec = Changed::try_parse_from(["x", "--none"]).ok().unwrap().limits.spec();
        assert_eq!((spec.clear, spec.limits), (true, Limits::default()));
        let told = "x --rate 60 --burst 5 --calls-per-day 9 --bytes-per-day 4096".split(' ');
        let spec = Changed::try_parse_from(told).ok().unwrap().limits.spec();
        let all = Limits {
            calls_per_minute: Some(60),
            burst: Some(5),
            calls: Some(9),
            bytes: Some(4_096),
        };
        assert_eq!((spec.clear, spec.limits), (false, all));
    }

    #[test]
    fn the_commands_that_limit_take_them() {
        for told in [
            "marque agent limit triage --rate 60 --dry-run",
            "marque agent limit triage --none --bytes-per-day 1GiB",
            "marque connection limit tracker --calls-per-day 1000",
            "marque agent add triage --purpose x --limit-rate 60 --limit-bytes 1GiB",
            "marque connection add api --host api.test --no-credential --limit-calls 5",
            "marque run --agent triage --limit-bytes 50MiB -- true",
        ] {
            assert!(Cli::try_parse_from(told.split(' ')).is_ok(), "{told}");
        }
        for told in [
            "marque agent limit triage",
            "marque connection limit tracker --dry-run",
            "marque run --agent triage --limit-bytes 50MB -- true",
        ] {
            assert!(Cli::try_parse_from(told.split(' ')).is_err(), "{told}");
        }
    }

    #[test]
    fn what_is_left_stands_beside_each_limit_that_counts() {
        let limits = Limits {
            calls_per_minute: Some(60),
            burst: Some(5),
            calls: Some(10),
            bytes: Some(2 << 20),
        };
        let budget = BudgetView {
            limits,
            calls: 4,
            bytes: 1 << 20,
            calls_left: Some(6),
            bytes_left: Some(1 << 20),
        };
        assert_eq!(
            lines(&budget, Period::Day),
            ["60 calls a minute, 5 at once", "10 calls a day, 6 left", "2MiB a day, 1MiB left"]
        );
    }
}
