//! `marque connection list`

use clap::Args;
use marque_plane::view::ConnectionView;

use crate::client::Request;
use crate::context::Context;
use crate::exit::Exit;
use crate::output::Table;

/// List the connections
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque connection list
  marque connection list --json")]
pub(crate) struct List {}

impl List {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let connections: Vec<ConnectionView> =
            context.human().await?.send(&Request::get("/v1/connections")).await?;
        context.output.result(&connections, |connections| text(connections))?;
        Ok(Exit::Done)
    }
}

fn text(connections: &[ConnectionView]) -> String {
    let mut table = Table::new(["connection", "state", "service", "hosts", "slot", "transport"]);
    for connection in connections {
        table.row([
            connection.name.as_str(),
            &connection.state,
            &connection.service,
            &connection.hosts.join(" "),
            &connection.slot,
            &connection.transport,
        ]);
    }
    table.text("no connections yet; register one with `marque connection add`")
}
