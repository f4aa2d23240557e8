//! The organisation's policies: eight whose head matches every call that is measured, and others
//! that name an agent each.

/// The heads that match a GET through `api`, whoever asks: two that name nothing, three the
/// operation, three the connection. None of them objects.
pub(super) const MATCHING: [&str; 8] = [
    "forbid(principal, action, resource) when { context.now.weekday > 7 };",
    "@ask(\"whoever is not trusted asks first\") \
     forbid(principal, action, resource) when { context.trust.score < 0 };",
    "forbid(principal, action == Marque::Action::\"http:GET\", resource) \
     when { resource.path like \"/private/*\" };",
    "forbid(principal, action in [Marque::Action::\"read\"], resource) \
     when { context.operation.scheme == \"http\" };",
    "@ask(\"a query can carry much out\") \
     forbid(principal, action == Marque::Action::\"http:GET\", resource) \
     when { context.operation.has_query };",
    "forbid(principal, action, resource in Marque::Connection::\"api\") \
     when { resource.port != 443 };",
    "forbid(principal, action, resource in Marque::Connection::\"api\") \
     when { context.run.depth > 4 };",
    "@ask(\"others' tasks are asked for\") \
     forbid(principal, action, resource in Marque::Connection::\"api\") \
     unless { context.run.task like \"*:*\" };",
];

/// So many policies: those eight first, then one for each of the agents, from the first on. Those
/// name another operation, so that each agent has a slice of its own and eight policies in it.
pub(crate) fn scoped(count: usize) -> Vec<String> {
    let of_agent = |number: usize| {
        format!(
            "forbid(principal == Marque::Agent::\"{}\", \
             action == Marque::Action::\"http:DELETE\", resource) \
             when {{ resource.path like \"/v1/{number}/*\" }};",
            super::crowd::name(number)
        )
    };
    let matching = MATCHING.map(str::to_owned).into_iter();
    matching.chain((0..).map(of_agent)).take(count).collect()
}

/// So many policies that name nothing in their head, so that every decision is put to all.
pub(super) fn unscoped(count: usize) -> Vec<String> {
    let of_path = |number: usize| {
        format!(
            "forbid(principal, action, resource) when {{ resource.path like \"/v1/{number}/*\" }};"
        )
    };
    (0..count).map(of_path).collect()
}
