//! `marque decision explain`

use clap::Args;
use marque_domain::Answer;
use marque_domain::size::print_size;
use marque_plane::view::ExplainView;

use crate::client::{Request, encode};
use crate::commands::log::sentence;
use crate::context::Context;
use crate::exit::Exit;
use crate::output::Fields;

/// Show a decision with every fact and rule as it stood
///
/// Replays stages 2 to 5 from the recorded revisions and says whether they answer the same.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque decision explain dec_01JD…
  marque decision explain dec_01JD… --json | jq .facts")]
pub(crate) struct Explain {
    /// The decision's id, from a refusal's `ref:` line or the log
    decision: String,
}

impl Explain {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let path = format!("/v1/decisions/{}", encode(&self.decision));
        let explained: ExplainView = context.human().await?.send(&Request::get(path)).await?;
        context.output.result(&explained, text)?;
        Ok(Exit::Done)
    }
}

fn text(explained: &ExplainView) -> String {
    let decision = &explained.decision;
    let operation = &decision.operation;
    let mut fields = Fields::default()
        .with("decision", decision.id)
        .with("at", format!("{}, entry {}", explained.at, explained.index))
        .with("answer", decision.answer.word());
    if let Answer::Held { code, message } | Answer::Refused { code, message } = &decision.answer {
        fields = fields.with("because", format!("{code}: {message}"));
    }
    if let Some(actor) = &decision.actor {
        let whom = actor.on_behalf_of.as_ref().map_or("nobody", |user| user.as_str());
        fields = fields
            .with("agent", format!("{}@v{}", actor.agent, actor.version))
            .with("run", format!("{} ({}), opened by {}", actor.run, actor.tier, actor.opened_by))
            .with("task", &actor.task)
            .with("for", whom);
    }
    let bytes_before = decision.meter.map(|meter| meter.bytes).filter(|bytes| *bytes > 0);
    let bytes_before = bytes_before.map(print_size);
    fields
        .each("operation", operation.effects())
        .with("target", &operation.target)
        .maybe("connection", operation.connection.as_ref())
        .with("digest", operation.digest)
        .maybe("line", decision.line.as_ref())
        .each("rule", &decision.rules)
        .maybe("policies", decision.policy_digest)
        .maybe("trust", decision.trust.as_ref().map(|trust| trust.score))
        .maybe("calls before", decision.meter.map(|meter| meter.calls))
        .maybe("bytes before", bytes_before)
        .maybe("approval", decision.approval)
        .maybe("credential", decision.credential.as_ref())
        .each("fact", explained.facts.iter().map(|fact| &fact.reference))
        .maybe("outcome", explained.outcome.as_ref().map(sentence::of))
        .with("replayed", &explained.replayed)
        .text()
}
