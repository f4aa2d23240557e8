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

// Where they come from; what is wrong with them first.
fn keys(issuer: &IssuerView) -> String {
    let keys = &issuer.keys;
    let place = if keys.from.is_some() { "fetched" } else { "given" };
    match (keys.stale, &keys.error) {
        (true, _) => "too old".to_owned(),
        (false, Some(_)) => format!("{}, last fetch failed", keys.count),
        (false, None) => format!("{}, {place}", keys.count),
    }
}

fn text(issuers: &[IssuerView]) -> String {
    let mut table = Table::new(["issuer", "iss", "audience", "people", "keys"]);
    for issuer in issuers {
        let people = issuer.people.len().to_string();
        let keys = keys(issuer);
        table.row([issuer.name.as_str(), &issuer.issuer, &issuer.audience, &people, &keys]);
    }
    table.text("no issuers yet; trust one with `marque issuer add NAME --issuer URL`")
}
