//! `marque grant add`

use std::time::Duration;

use clap::Args;
use marque_domain::{Name, Tier, Timestamp, UserName};
use marque_plane::Clock as _;
use marque_plane::spec::GrantSpec;
use marque_plane::view::GrantView;

use super::LineArgs;
use crate::cli::Rehearsal;
use crate::client::Request;
use crate::clock::SystemClock;
use crate::config::Span;
use crate::context::Context;
use crate::exit::Exit;

/// The longest a grant may last, as the longest span there is.
const LONGEST: Duration = Duration::from_secs(3_650 * 24 * 3_600);

/// Let an agent do something, until a date
///
/// The ceiling of every run of that agent. A group such as `tracker:read` is written out when the
/// grant is given, so that no later release widens it.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque grant add triage --allow 'tracker:read /v1/**' --until 30d
  marque grant add triage --allow 'tracker:POST /v1/issues/*/comments' \\
      --ask 'tracker:DELETE /v1/**' --never 'tracker:write /v1/admin/**' --until 2027-01-31T18:00Z
  marque grant add triage --allow 'tracker:read /v1/**' --until 7d --opener bob
  marque grant add triage --allow 'tracker:write /v1/**' --until 7d --tier captured
  marque grant add tester --allow 'tracker:read /v1/**' --until 7d --user-namespaces")]
pub(crate) struct Add {
    /// The agent
    agent: Name,
    #[command(flatten)]
    lines: LineArgs,
    /// Its end: a moment, or a span such as `30d`; ten years at most
    #[arg(long, visible_alias = "for", value_name = "WHEN", value_parser = moment)]
    until: Timestamp,
    /// Who may open runs under it; may be repeated [default: you]
    #[arg(long = "opener", value_name = "USER")]
    openers: Vec<UserName>,
    /// Hold every run of the agent at least like this: `confined` or `captured`
    #[arg(long = "tier", value_name = "TIER")]
    tier_floor: Option<Tier>,
    /// Let captured runs make user namespaces, as browsers and other sandboxes do; lowers trust
    #[arg(long)]
    user_namespaces: bool,
    #[command(flatten)]
    rehearsal: Rehearsal,
}

impl Add {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let spec = GrantSpec {
            agent: self.agent,
            lines: self.lines.into(),
            until: self.until,
            openers: self.openers.into_iter().collect(),
            tier_floor: self.tier_floor,
            user_namespaces: self.user_namespaces,
        };
        let request = Request::post("/v1/grants").json(&spec)?.dry_run(self.rehearsal.dry_run);
        let grant: GrantView = context.human().await?.send(&request).await?;
        context.output.result(&grant, super::text)?;
        Ok(Exit::Done)
    }
}

/// A moment, or a span from now; neither more than ten years away.
fn moment(text: &str) -> Result<Timestamp, String> {
    moment_after(SystemClock::start().now(), text)
}

fn moment_after(now: Timestamp, text: &str) -> Result<Timestamp, String> {
    if let Ok(Span(span)) = text.parse() {
        return Ok(now.plus(span));
    }
    let until = text.parse::<Timestamp>();
    let until = until.map_err(|error| format!("{error}, or a span such as `30d`"))?;
    let latest = now.plus(LONGEST);
    if until > latest {
        return Err(format!("a grant ends within ten years, by {latest}; give it again then"));
    }
    Ok(until)
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, Timestamp, moment_after};

    #[test]
    fn a_grant_is_not_given_for_more_than_ten_years() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let latest = now.plus(LONGEST);
        assert_eq!(moment_after(now, "3650d"), Ok(latest));
        assert_eq!(moment_after(now, &latest.to_string()), Ok(latest));
        for long in ["3651d", "9999-12-31T00:00Z", "2034-01-01T00:00Z"] {
            assert!(moment_after(now, long).is_err(), "`{long}` must be refused");
        }
    }
}
