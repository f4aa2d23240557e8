//! `marque issuer`: who else may say who a person is.

mod add;
mod list;
mod remove;
mod show;

use clap::Subcommand;
use marque_domain::issuer::PersonNaming;
use marque_plane::view::IssuerView;

use crate::commands::key_args::with_keys;
use crate::context::Context;
use crate::exit::Exit;
use crate::output::Fields;

#[derive(Subcommand)]
pub(crate) enum Issuer {
    Add(add::Add),
    List(list::List),
    Show(show::Show),
    Remove(remove::Remove),
}

impl Issuer {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        match self {
            Self::Add(command) => command.run(context).await,
            Self::List(command) => command.run(context).await,
            Self::Show(command) => command.run(context).await,
            Self::Remove(command) => command.run(context).await,
        }
    }
}

fn text(issuer: &IssuerView) -> String {
    let people = issuer.people.iter().map(|(subject, user)| format!("{subject} is {user}"));
    let named = match issuer.naming {
        PersonNaming::Subject => "by `sub`",
        PersonNaming::OutermostActor => "by the outermost `act`, as hosted sessions do",
    };
    let fields = Fields::default()
        .with("issuer", &issuer.name)
        .with("iss", &issuer.issuer)
        .with("must name us by", &issuer.audience);
    with_keys(fields, &issuer.keys)
        .with("names people", named)
        .each("people", people.collect::<Vec<_>>())
        .with("added by", &issuer.added_by)
        .with("added", issuer.added_at)
        .text()
}
