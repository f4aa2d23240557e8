//! `marque agent`: the agents, their owners and their states.

mod add;
mod limit;
mod list;
mod show;
mod state;

use clap::Subcommand;
use marque_domain::Period;
use marque_plane::view::AgentView;

use crate::commands::limits;
use crate::context::Context;
use crate::exit::Exit;
use crate::output::Fields;

#[derive(Subcommand)]
pub(crate) enum Agent {
    Add(add::Add),
    Show(show::Show),
    List(list::List),
    Limit(limit::Limit),
    Suspend(state::Suspend),
    Resume(state::Resume),
    Retire(state::Retire),
}

impl Agent {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        match self {
            Self::Add(command) => command.run(context).await,
            Self::Show(command) => command.run(context).await,
            Self::List(command) => command.run(context).await,
            Self::Limit(command) => command.run(context).await,
            Self::Suspend(command) => command.run(context).await,
            Self::Resume(command) => command.run(context).await,
            Self::Retire(command) => command.run(context).await,
        }
    }
}

fn text(agent: &AgentView) -> String {
    let digest = |(part, digest): (&String, &marque_domain::Digest)| format!("{part} {digest}");
    Fields::default()
        .with("agent", &agent.name)
        .with("id", agent.id)
        .with("spiffe id", &agent.spiffe_id)
        .with("state", &agent.state)
        .with("purpose", &agent.purpose)
        .with("owner", &agent.owner)
        .with("sponsor", &agent.sponsor)
        .with("version", agent.version)
        .each("made of", agent.digests.iter().map(digest))
        .each("limit", limits::lines(&agent.budget, Period::Day))
        .each("grant", &agent.grants)
        .each("open run", &agent.open_runs)
        .with("added", agent.added_at)
        .text()
}
