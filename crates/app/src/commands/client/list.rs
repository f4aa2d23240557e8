//! `marque client list`

use clap::Args;
use marque_plane::view::ClientView;

use crate::client::Request;
use crate::context::Context;
use crate::exit::Exit;
use crate::output::Table;

/// List the clients of the token service
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque client list
  marque client list --json | jq -r '.[] | select(.state == \"active\") | .id'")]
pub(crate) struct List {}

impl List {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let clients: Vec<ClientView> =
            context.human().await?.send(&Request::get("/v1/clients")).await?;
        context.output.result(&clients, |clients| text(clients))?;
        Ok(Exit::Done)
    }
}

fn text(clients: &[ClientView]) -> String {
    let mut table = Table::new(["client", "state", "agent", "proof", "client_id"]);
    for client in clients {
        table.row([
            client.name.as_str(),
            &client.state,
            client.agent.as_str(),
            &client.proof,
            &client.id.to_string(),
        ]);
    }
    table.text("no clients yet; register one with `marque client add NAME --agent AGENT`")
}
