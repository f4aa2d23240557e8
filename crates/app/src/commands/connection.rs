//! `marque connection`: the upstreams agents may reach, and the credentials they never see.

mod add;
mod limit;
mod list;
mod remove;
mod rotate;
mod secret;
mod show;
pub(crate) mod tokens;

use clap::Subcommand;
use marque_domain::Period;
use marque_plane::view::ConnectionView;

use crate::commands::limits;
use crate::context::Context;
use crate::exit::Exit;
use crate::output::Fields;

#[derive(Subcommand)]
pub(crate) enum Connection {
    Add(Box<add::Add>),
    List(list::List),
    Show(show::Show),
    Limit(limit::Limit),
    Rotate(rotate::Rotate),
    Remove(remove::Remove),
}

impl Connection {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        match self {
            Self::Add(command) => command.run(context).await,
            Self::List(command) => command.run(context).await,
            Self::Show(command) => command.run(context).await,
            Self::Limit(command) => command.run(context).await,
            Self::Rotate(command) => command.run(context).await,
            Self::Remove(command) => command.run(context).await,
        }
    }
}

fn text(connection: &ConnectionView) -> String {
    let credential = connection.credential.as_ref().map(|id| {
        let revision = connection.credential_revision.unwrap_or_default();
        format!("{id}, revision {revision}, sealed")
    });
    let fields = Fields::default()
        .with("connection", &connection.name)
        .with("id", connection.id)
        .with("state", &connection.state)
        .with("service", &connection.service)
        .each("host", &connection.hosts)
        .maybe("pinned to", connection.pin.as_ref())
        .with("transport", &connection.transport)
        .with("slot", &connection.slot)
        .maybe("credential", credential)
        .each("ceiling", &connection.ceiling)
        .each("limit", limits::lines(&connection.budget, Period::Day))
        .with("trust floor", connection.trust_floor)
        .with("on echo", &connection.on_echo)
        .each("passes", &connection.passes)
        .maybe("rotation", connection.rotation.as_ref())
        .maybe("never holds", connection.never_holds.as_ref());
    tokens::fields(fields, connection.tokens.as_ref()).with("added", connection.added_at).text()
}
