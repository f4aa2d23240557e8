//! `marque issuer list`

use clap::Args;
use marque_plane::view::IssuerView;

use crate::client::Request;
use crate::context::Context;
use crate::exit::Exit;
use crate::output::Table;

/// List the issuers that say who people are
#[derive(Args)]
#[command(after_help = "\
Example:
  marque issuer list")]
pub(crate) struct List {}

impl List {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let issuers: Vec<IssuerView> =
            context.human().await?.send(&Request::get("/v1/issuers")).await?;
        context.output.result(&issuers, |issuers| text(issuers))?;
        Ok(Exit::Done)
    }
}

fn text(issuers: &[IssuerView]) -> String {
    let mut table = Table::new(["issuer", "iss", "audience", "people"]);
    for issuer in issuers {
        let people = issuer.people.len().to_string();
        table.row([issuer.name.as_str(), &issuer.issuer, &issuer.audience, &people]);
    }
    table.text("no issuers yet; trust one with `marque issuer add NAME --issuer URL`")
}
