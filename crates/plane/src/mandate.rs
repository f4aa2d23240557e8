//! Stage 3, `mandate`: does the run's authority speak of the operation?
//!
//! Every layer is asked as it stands now: the connection's ceiling, the live grants of every agent
//! of the chain, the run's mandate. The narrowest answer counts, so a revoked grant ends at once
//! what it allowed, in child runs too.

use std::sync::Arc;

use marque_domain::{
    Access, Agent, Code, Connection, Grant, Id, Operation, Reach, Refusal, Revised, Timestamp,
};

use crate::run::Standing;
use crate::world::World;

/// An operation that the run's authority covers, perhaps with a human's consent.
pub(crate) struct Mandated {
    /// The connection that serves it.
    pub(crate) connection: Arc<Revised<Connection>>,
    /// The grants that cover it.
    pub(crate) grants: Vec<Arc<Revised<Grant>>>,
    /// The line of the mandate that decided.
    pub(crate) line: String,
    /// A human must answer first.
    pub(crate) hold: Option<Refusal>,
}

/// An operation that the run's authority does not cover, and what was asked to find out.
pub(crate) struct Uncovered {
    /// The connections that serve its endpoint.
    pub(crate) connections: Vec<Arc<Revised<Connection>>>,
    /// The grants that speak of it.
    pub(crate) grants: Vec<Arc<Revised<Grant>>>,
    /// The line that forbids it, if one does.
    pub(crate) line: Option<String>,
    /// The answer.
    pub(crate) refusal: Refusal,
}

// What the layers say of one connection.
struct Verdict<'a> {
    narrowest: Reach<'a>,
    layer: Layer,
    line: Option<String>,
    grants: Vec<Arc<Revised<Grant>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Layer {
    Connection,
    Grants(Id<Agent>),
    Mandate,
}

/// Whether the run's authority covers `operation`, and over which connection.
pub(crate) fn rule(
    world: &World,
    standing: &Standing,
    operation: &Operation,
    now: Timestamp,
) -> Result<Mandated, Box<Uncovered>> {
    let serving = world.connections_at(&operation.endpoint).filter(|found| {
        found.fact.service == operation.service && found.fact.transport.scheme() == operation.scheme
    });
    let verdicts: Vec<_> = serving
        .map(|connection| (connection, ask_layers(world, standing, connection, operation, now)))
        .collect();
    let mut willing = verdicts.iter().filter(|(_, verdict)| verdict.narrowest.width() >= 2);
    let (connection, verdict) = match (willing.next(), willing.next()) {
        (Some(only), None) => only,
        (Some((first, _)), Some((second, _))) => {
            return Err(uncovered(&verdicts, ambiguous(&first.fact, &second.fact, operation)));
        }
        (None, _) => {
            let refusal = verdicts.first().map_or_else(
                || unserved(operation),
                |(connection, verdict)| {
                    let agent = name_of(world, standing, verdict.layer);
                    refusal(&agent, &connection.fact, verdict, operation)
                },
            );
            return Err(uncovered(&verdicts, refusal));
        }
    };
    let line = verdict.line.clone().unwrap_or_default();
    let hold = matches!(verdict.narrowest, Reach::Ask(_)).then(|| {
        Refusal::new(
            Code::MandateNeedsApproval,
            format!("`{line}` asks a human first"),
            "a human answers with `marque approval give`, then the same request goes through once",
        )
    });
    Ok(Mandated { connection: Arc::clone(connection), grants: verdict.grants.clone(), line, hold })
}

fn uncovered(
    verdicts: &[(&Arc<Revised<Connection>>, Verdict<'_>)],
    refusal: Refusal,
) -> Box<Uncovered> {
    Box::new(Uncovered {
        connections: verdicts.iter().map(|(connection, _)| Arc::clone(connection)).collect(),
        grants: verdicts.iter().flat_map(|(_, verdict)| verdict.grants.iter().cloned()).collect(),
        line: verdicts.first().and_then(|(_, verdict)| verdict.line.clone()),
        refusal,
    })
}

fn ask_layers<'a>(
    world: &'a World,
    standing: &'a Standing,
    connection: &'a Revised<Connection>,
    operation: &Operation,
    now: Timestamp,
) -> Verdict<'a> {
    let access = Access {
        connection: connection.fact.id,
        operation: &operation.name,
        resource: &operation.resource,
    };
    let own = standing.run.fact.mandate.rule(&access);
    // ORDER: outermost first. Of layers that refuse alike the outermost is told, because it has to
    // change before the others can.
    let mut layers = vec![(Layer::Connection, connection.fact.ceiling.rule(&access))];
    let mut grants = Vec::new();
    // INVARIANT: a chain only narrows, and what is taken from one of its agents is taken from all.
    let mut agents: Vec<_> =
        standing.run.fact.chain.actors.iter().map(|actor| actor.agent).collect();
    agents.dedup();
    for agent in agents {
        let (granted, mut used) = ask_grants(world, (agent, standing), &access, now);
        layers.push((Layer::Grants(agent), granted));
        grants.append(&mut used);
    }
    layers.push((Layer::Mandate, own));
    let (layer, narrowest) = layers
        .into_iter()
        .min_by_key(|(_, reach)| reach.width())
        .unwrap_or((Layer::Mandate, Reach::Nothing));
    // Where the run's own line says the same, it is the one people know.
    let deciding = if own.width() == narrowest.width() { own } else { narrowest };
    let line = line_of(deciding);
    Verdict { narrowest, layer, line, grants }
}

// All live grants of an agent together: what one forbids or asks for stays so. One that does not
// name the human who opened the run gives nothing to it, and still takes away.
fn ask_grants<'a>(
    world: &'a World,
    (agent, standing): (Id<Agent>, &Standing),
    access: &Access<'_>,
    now: Timestamp,
) -> (Reach<'a>, Vec<Arc<Revised<Grant>>>) {
    let opener = standing.run.fact.opened_by;
    let speaking = world.live_grants(agent, now).filter_map(|grant| {
        let reach = grant.fact.authority.rule(access);
        (!matches!(reach, Reach::Nothing)).then_some((grant, reach))
    });
    let (giving, taking): (Vec<_>, Vec<_>) =
        speaking.partition(|(grant, _)| grant.fact.openers.contains(&opener));
    let mut together = Reach::Nothing;
    let mut used = Vec::new();
    for (grant, reach) in giving {
        if used.is_empty() || reach.width() < together.width() {
            together = reach;
        }
        used.push(Arc::clone(grant));
    }
    for (grant, reach) in taking {
        if reach.width() < together.width() {
            together = reach;
            used.push(Arc::clone(grant));
        }
    }
    (together, used)
}

fn line_of(reach: Reach<'_>) -> Option<String> {
    match reach {
        Reach::Never(line) | Reach::Ask(line) | Reach::Allow(line) => Some(line.to_string()),
        Reach::Nothing => None,
    }
}

// Whose grants a layer is, or whose run.
fn name_of(world: &World, standing: &Standing, layer: Layer) -> String {
    let granted = match layer {
        Layer::Grants(agent) => world.agents.get(agent),
        Layer::Connection | Layer::Mandate => None,
    };
    granted.unwrap_or(&standing.agent).fact.name.to_string()
}

fn refusal(
    agent: &str,
    connection: &Connection,
    verdict: &Verdict<'_>,
    operation: &Operation,
) -> Refusal {
    let wanted = operation.line(connection.name.as_str());
    if let Reach::Never(line) = verdict.narrowest {
        return Refusal::new(
            Code::Never,
            format!("`{line}` is never done{}", verdict.layer.of(agent, connection)),
            "do the task another way, or have a human change the line",
        );
    }
    let remedy = match verdict.layer {
        Layer::Mandate => format!(
            "open the run with `--allow '{wanted}'`, or with `--ask '{wanted}'` to have a human \
             approve each call"
        ),
        Layer::Grants(_) => format!(
            "a human can grant it: `marque grant add {agent} --allow '{wanted}' --for 30d`, or \
             with `--ask` to approve each call; then open another run"
        ),
        Layer::Connection => format!(
            "the ceiling of `{}` leaves it out for every agent: register another connection",
            connection.name
        ),
    };
    Refusal::new(
        Code::NothingAllows,
        format!("nothing allows `{wanted}`{}", verdict.layer.of(agent, connection)),
        remedy,
    )
}

impl Layer {
    fn of(self, agent: &str, connection: &Connection) -> String {
        match self {
            Self::Mandate => " in this run's mandate".to_owned(),
            Self::Grants(_) => format!(" in the grants of `{agent}`"),
            Self::Connection => format!(" over connection `{}`", connection.name),
        }
    }
}

fn unserved(operation: &Operation) -> Refusal {
    Refusal::new(
        Code::NothingAllows,
        format!("no connection serves {} on {}", operation.scheme, operation.endpoint),
        format!(
            "a human can register one: `marque connection add NAME --host {}`",
            operation.endpoint
        ),
    )
}

fn ambiguous(first: &Connection, second: &Connection, operation: &Operation) -> Refusal {
    Refusal::new(
        Code::AmbiguousConnection,
        format!(
            "both `{}` and `{}` would serve {operation}, and the mandate names both",
            first.name, second.name
        ),
        "open the run with lines of one of them only",
    )
}

#[cfg(test)]
#[path = "mandate_tests.rs"]
mod tests;
