//! The end of a run: told to the server, and what the run came to told to whoever listens.

use marque_domain::Tier;
use marque_plane::view::{EndedView, OpenedRunView};

use super::shown;
use super::voice::Voice;
use crate::client::{Client, Request};
use crate::exit::{Exit, Failure};
use crate::launch::{self, Cause, mandate};

/// How a run ended.
pub(super) struct Over {
    /// What the shell sees.
    pub(super) code: u8,
    /// The run as the server saw it last.
    pub(super) last: Result<EndedView, Failure>,
}

/// The identity line, and what the tier is worth; `why` it is no better one.
pub(super) fn introduce(
    voice: &Voice,
    opened: &OpenedRunView,
    (why, lacking): (Option<&str>, &[&str]),
) {
    let run = &opened.run;
    if voice.is_json() {
        voice.remark(&serde_json::to_string(run).unwrap_or_default());
    } else {
        voice.remark(shown::fields(run).text().trim_end());
    }
    for line in &opened.left_out {
        voice.warning(&format!(
            "`{}` of {} lies beyond the grants and was left out",
            crate::output::clean(line),
            mandate::REPOSITORY_FILE
        ));
    }
    if let Some(why) = why {
        voice.warning(&format!("this machine does not let a run be captured: {why}"));
    }
    if run.tier == Tier::Confined {
        let port = opened.proxy.rsplit_once(':').map_or("?", |(_, port)| port);
        voice.warning(&format!(
            "tier confined: any host stays reachable at port {port}, the proxy's; nothing in the \
             working directory is locked; commits are not signed"
        ));
        for what in lacking {
            voice.warning(&format!("tier confined: this kernel does not hold {what}"));
        }
    }
    if run.tier == Tier::Advisory {
        voice.warning(
            "tier advisory: a tool that ignores the proxy variables is not held, and another \
             process of your user can use this run's identity or read your files",
        );
    }
}

/// Tells the server that a run is over.
pub(super) async fn end(
    voice: &Voice,
    run: &Client,
    ended: Result<launch::Ended, Failure>,
) -> Result<Over, Failure> {
    let is_clean = ended.as_ref().is_ok_and(|ended| ended.is_clean);
    // ORDER: the server takes an end for the word that no process of the run is left at this
    // terminal. Without that word it closes the run when its hold is dropped.
    let told: Option<EndedView> = if is_clean || ended.is_err() {
        run.send(&Request::post("/v1/run/end")).await.ok()
    } else {
        voice.warning(
            "a process of this run could not be ended: this terminal's unlock no longer counts",
        );
        None
    };
    let ended = ended?;
    if let Cause::Unlocked(path) = &ended.cause {
        voice.warning(&format!(
            "the run was ended: `{}`, which was locked, was replaced or taken away, by it or by \
             somebody else; look there before any tool of yours does",
            crate::output::clean(&path.display().to_string())
        ));
    }
    let last = match (ended.cause, told) {
        (Cause::Lost(failure), None) => Err(failure),
        (Cause::Closed(last), told) => {
            voice.warning(&format!("the run was closed: {}", last.run.state));
            // The end's checkpoint was made later, and covers what the kill recorded.
            Ok(told.unwrap_or(*last))
        }
        (_, Some(told)) => Ok(told),
        (Cause::Itself | Cause::Unlocked(_), None) => {
            Err(Failure::new(Exit::Failed, "the run's end could not be told to the server"))
        }
    };
    Ok(Over { code: ended.code, last })
}

/// What the run came to.
pub(super) fn conclude(voice: &Voice, last: &EndedView) {
    let (run, checkpoint) = (&last.run, &last.checkpoint);
    voice.remark(&format!(
        "marque: {} {}: {} calls, {} refused; see `marque log query --run {}`\n\
         marque: checkpoint {}:{}",
        run.id, run.state, run.calls, run.refusals, run.id, checkpoint.size, checkpoint.root
    ));
}
