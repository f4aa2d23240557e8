//! `marque client`: the workloads that may ask for tokens, and what each proves itself by.

mod add;
mod list;
mod proof;
mod show;
mod state;

use clap::Subcommand;
use marque_plane::view::ClientView;

use crate::commands::key_args::with_keys;
use crate::context::Context;
use crate::exit::Exit;
use crate::output::Fields;

#[derive(Subcommand)]
pub(crate) enum Client {
    Add(Box<add::Add>),
    List(list::List),
    Show(show::Show),
    Suspend(state::Suspend),
    Resume(state::Resume),
    Retire(state::Retire),
}

impl Client {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        match self {
            Self::Add(command) => command.run(context).await,
            Self::List(command) => command.run(context).await,
            Self::Show(command) => command.run(context).await,
            Self::Suspend(command) => command.run(context).await,
            Self::Resume(command) => command.run(context).await,
            Self::Retire(command) => command.run(context).await,
        }
    }
}

fn text(client: &ClientView) -> String {
    let task = client.task.as_ref().map_or("named after each run", |task| task.as_str());
    let fields = Fields::default()
        .with("client", &client.name)
        .with("client_id", client.id)
        .with("state", &client.state)
        .with("agent", &client.agent)
        .with("proves itself by", words(&client.proof));
    let fields = match &client.keys {
        Some(keys) => with_keys(fields, keys),
        None => fields,
    };
    fields
        .with("task", task)
        .each("allow", &client.allow)
        .each("ask", &client.ask)
        .each("never", &client.never)
        .with("runs last", format!("{} at most", span(client.run_ttl_secs)))
        .maybe("may name the endpoint until", client.endpoint_audience_until)
        .with("added by", &client.added_by)
        .with("added", client.added_at)
        .text()
}

/// How it proves itself, as OAuth calls it and in words.
fn words(proof: &str) -> String {
    let told = match proof {
        "private_key_jwt" => "assertions that its own key signs",
        "self_signed_tls_client_auth" => "a certificate of its own",
        "tls_client_auth" => "a certificate of an authority",
        "jwt-bearer" => "tokens of another issuer",
        _ => return proof.to_owned(),
    };
    format!("{proof}: {told}")
}

fn span(secs: u64) -> String {
    match secs {
        secs if secs.is_multiple_of(3_600) => format!("{}h", secs / 3_600),
        secs if secs.is_multiple_of(60) => format!("{}m", secs / 60),
        secs => format!("{secs}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn a_span_is_told_in_the_largest_unit_that_fits() {
        assert_eq!(["12h", "90m", "61s"], [span(43_200), span(5_400), span(61)].as_slice());
    }
}
