//! `marque grant`: what agents may do, until when.

mod add;
mod list;
mod revoke;

use clap::{Args, Subcommand};
use marque_plane::spec::Lines;
use marque_plane::view::GrantView;

use crate::context::Context;
use crate::exit::Exit;
use crate::output::Fields;

#[derive(Subcommand)]
pub(crate) enum Grant {
    Add(add::Add),
    List(list::List),
    Revoke(revoke::Revoke),
}

impl Grant {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        match self {
            Self::Add(command) => command.run(context).await,
            Self::List(command) => command.run(context).await,
            Self::Revoke(command) => command.run(context).await,
        }
    }
}

/// Permission lines on the command line.
#[derive(Args)]
pub(crate) struct LineArgs {
    /// Goes on by itself: `CONNECTION:OPERATION RESOURCE…`; may be repeated
    #[arg(long = "allow", value_name = "LINE")]
    pub(crate) allow: Vec<String>,
    /// Asks a human each time; may be repeated
    #[arg(long = "ask", value_name = "LINE")]
    pub(crate) ask: Vec<String>,
    /// Is never done, whatever else allows it; may be repeated
    #[arg(long = "never", value_name = "LINE")]
    pub(crate) never: Vec<String>,
}

impl From<LineArgs> for Lines {
    fn from(lines: LineArgs) -> Self {
        Self { allow: lines.allow, ask: lines.ask, never: lines.never }
    }
}

fn text(grant: &GrantView) -> String {
    Fields::default()
        .with("grant", grant.id)
        .with("agent", &grant.agent)
        .with("state", &grant.state)
        .with("until", grant.until)
        .with("given by", &grant.given_by)
        .each("may be run by", &grant.openers)
        .each("at least", grant.tier_floor)
        .each("captured runs may", grant.user_namespaces.then_some("make user namespaces"))
        .each("allow", &grant.allow)
        .each("ask", &grant.ask)
        .each("never", &grant.never)
        .text()
}
