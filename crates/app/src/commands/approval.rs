//! `marque approval`: what waits for a human, shown so that a human can judge it.

mod decline;
mod give;
mod list;
mod show;

use clap::Subcommand;
use marque_domain::{Body, Operation, Service};
use marque_plane::view::ApprovalView;

use crate::context::Context;
use crate::exit::Exit;
use crate::output::Fields;

#[derive(Subcommand)]
pub(crate) enum Approval {
    List(list::List),
    Show(show::Show),
    Give(give::Give),
    Decline(decline::Decline),
}

impl Approval {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        match self {
            Self::List(command) => command.run(context).await,
            Self::Show(command) => command.run(context).await,
            Self::Give(command) => command.run(context).await,
            Self::Decline(command) => command.run(context).await,
        }
    }
}

/// Everything the digest covers. What the agent chose is printed with every sign spelt out.
fn text(view: &ApprovalView) -> String {
    let (approval, actor) = (&view.approval, &view.actor);
    let operation = &approval.operation;
    let whom = actor.on_behalf_of.as_ref().map_or("nobody", |user| user.as_str());
    let mut fields = Fields::default()
        .with("approval", approval.id)
        .with("state", &view.state)
        .with("until", approval.until)
        .with("asked by", format!("{}@v{}, trust {}", actor.agent, actor.version, view.trust))
        .with("for", whom)
        .with("run", format!("{} ({}), opened by {}", actor.run, actor.tier, actor.opened_by))
        .with("task", &actor.task)
        .with("because", &approval.reason)
        .with("operation", operation);
    if !operation.also.is_empty() {
        fields = fields.each("effect", operation.effects());
    }
    fields = with_parameters(fields, operation);
    fields = match &operation.body {
        Body::Empty => fields.with("body", "none"),
        Body::Streamed => fields.with("body", "streamed unread"),
        Body::Bound => fields.with("body", "streamed unread, and bound by the ids above"),
        Body::Read { digest, size_bytes, preview } => fields
            .with("body", format!("{size_bytes} bytes, {digest}"))
            .each("body begins", preview.lines().take(40)),
    };
    let connection = view.line.split_once(':').map_or("", |(connection, _)| connection);
    fields = if operation.also.is_empty() {
        fields.with("line", &view.line)
    } else {
        fields.each("line", operation.lines(connection))
    };
    fields.with("digest", approval.digest).text()
}

// A ref of a push is shown by what becomes of it and by the objects it pointed and will point to.
fn with_parameters(fields: Fields, operation: &Operation) -> Fields {
    operation.parameters.iter().fold(fields, |fields, (name, value)| {
        let words: Vec<&str> = value.split(' ').collect();
        match (operation.service, name.strip_prefix("ref."), &words[..]) {
            (Service::Git, Some(name), ["create", new]) => {
                fields.with("create", format!("{name} = {new}"))
            }
            (Service::Git, Some(name), ["update", old, new]) => {
                fields.with("update", format!("{name} = {old}..{new}"))
            }
            (Service::Git, Some(name), ["delete", old]) => {
                fields.with("delete", format!("{name} = {old}"))
            }
            _ => fields.with("with", format!("{name}: {value}")),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use marque_domain::{Body, Class, Endpoint, Operation, Service};

    use super::with_parameters;
    use crate::output::Fields;

    #[test]
    fn a_push_is_shown_by_what_becomes_of_each_ref() {
        let parameters = [
            ("atomic", "true"),
            ("ref.refs/heads/main", "update 11 22"),
            ("ref.refs/heads/new", "create 33"),
            ("ref.refs/heads/old", "delete 44"),
        ];
        let parameters: BTreeMap<String, String> =
            parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let operation = Operation {
            over: None,
            service: Service::Git,
            name: "git.push".to_owned(),
            class: Class::Write,
            resource: vec!["acme/api".to_owned(), "refs/heads/main".to_owned()],
            scheme: "https".to_owned(),
            endpoint: Endpoint { host: "git.test".to_owned(), port: 443 },
            parameters,
            body: Body::Bound,
            also: Vec::new(),
        };
        let text = with_parameters(Fields::default(), &operation).text();
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        assert_eq!(
            lines,
            [
                "with    atomic: true",
                "update  refs/heads/main = 11..22",
                "create  refs/heads/new = 33",
                "delete  refs/heads/old = 44",
            ]
        );
    }
}
