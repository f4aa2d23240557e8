//! A run, as people read it.

use marque_domain::{Period, Timestamp};
use marque_plane::view::RunView;

use crate::commands::limits;
use crate::output::Fields;

/// Who it is, for whom, what it may do, until when.
pub(crate) fn fields(run: &RunView) -> Fields {
    let whom = run.on_behalf_of.as_ref().map_or("nobody, as itself", |user| user.as_str());
    Fields::default()
        .with("agent", format!("{}@v{}", run.agent, run.version))
        .with("run", run.id)
        .with("spiffe id", &run.spiffe_id)
        .with("state", &run.state)
        .maybe("what it was for", run.stopped_until.map(|until| stopped(run, until)))
        .with("task", &run.task)
        .with("for", whom)
        .with("opened by", format!("{}, who answers what is asked", run.opened_by))
        .maybe("parent", run.parent)
        .with("until", run.expires_at)
        .with("tier", held(run))
        .each("allow", &run.allow)
        .each("ask", &run.ask)
        .each("never", &run.never)
        .each("limit", limits::lines(&run.budget, Period::Life))
        .with("calls", format!("{}, {} refused", run.calls, run.refusals))
}

/// How it is held, with what it may do that others held so may not.
pub(crate) fn held(run: &RunView) -> String {
    let more = if run.user_namespaces { ", may make user namespaces" } else { "" };
    format!("{}{more}", run.tier)
}

fn stopped(run: &RunView, until: Timestamp) -> String {
    format!("is stopped until {until}, or until `marque client resume {}`", run.id)
}
