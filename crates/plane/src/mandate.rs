//! Stage 3, `mandate`: does the run's authority speak of the operation?
//!
//! Every layer is asked as it stands now: the connection's ceiling, the live grants of every agent
//! of the chain, the run's mandate. The narrowest answer counts, so a revoked grant ends at once
//! what it allowed, in child runs too. Of a request with several effects each is asked for, and the
//! narrowest answer counts for all: one forbidden ref refuses a whole push (threat 116).

use std::sync::Arc;

use marque_domain::{
    Access, Agent, Code, Connection, EffectRef, Grant, Id, Operation, Reach, Refusal, Revised,
    Service, Timestamp,
};

use crate::run::Standing;
use crate::world::{Grants, World};

/// An operation that the run's authority covers, perhaps with a human's consent.
pub(crate) struct Mandated {
    /// The connection that serves it.
    pub(crate) connection: Arc<Revised<Connection>>,
    /// The grants that cover it.
    pub(crate) grants: Grants,
    /// The lines of the mandate that decided, as one text.
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

// What the layers say of an operation over one connection.
struct Verdict<'a> {
    narrowest: Reach<'a>,
    layer: Layer,
    // Of which effect.
    effect: EffectRef<'a>,
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
        found.fact.service == operation.service
            && found.fact.transport.scheme() == operation.scheme
            && operation.over.is_none_or(|named| named == found.fact.id)
    });
    let mut verdicts: Vec<_> = serving
        .map(|connection| (connection, ask_effects((world, standing), connection, operation, now)))
        .collect();
    let is_willing = |(_, verdict): &(_, Verdict<'_>)| verdict.narrowest.width() >= 2;
    let mut willing = verdicts.iter().filter(|found| is_willing(found));
    if let (Some((first, _)), Some((second, _))) = (willing.next(), willing.next()) {
        return Err(uncovered(&verdicts, ambiguous(&first.fact, &second.fact, operation)));
    }
    let Some(place) = verdicts.iter().position(is_willing) else {
        let refusal = verdicts.first().map_or_else(
            || unserved(world, operation),
            |(connection, verdict)| {
                let agent = name_of(world, standing, verdict.layer);
                refusal(&agent, &connection.fact, verdict, operation)
            },
        );
        return Err(uncovered(&verdicts, refusal));
    };
    let (connection, verdict) = verdicts.swap_remove(place);
    let line = verdict.line.unwrap_or_default();
    let hold = matches!(verdict.narrowest, Reach::Ask(_)).then(|| {
        Refusal::new(
            Code::MandateNeedsApproval,
            format!("`{line}` asks a human first"),
            "a human answers with `marque approval give`, then the same request goes through once",
        )
    });
    let grants = verdict.grants.into();
    Ok(Mandated { connection: Arc::clone(connection), grants, line, hold })
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

// The narrowest verdict on any effect, with the grants that speak of all of them and every line
// that says the same.
fn ask_effects<'a>(
    (world, standing): (&'a World, &'a Standing),
    connection: &'a Revised<Connection>,
    operation: &'a Operation,
    now: Timestamp,
) -> Verdict<'a> {
    let mut effects = operation.effects();
    let asked = |effect| ask_layers((world, standing), connection, effect, now);
    let first = effects.next().map(asked);
    let mut whole = first.expect("invariant: an operation has a first effect");
    if operation.also.is_empty() {
        return whole;
    }
    let mut lines = vec![whole.line.clone()];
    for mut verdict in effects.map(asked) {
        verdict.grants.retain(|grant| !whole.grants.iter().any(|known| Arc::ptr_eq(known, grant)));
        whole.grants.append(&mut verdict.grants);
        if verdict.narrowest.width() > whole.narrowest.width() {
            continue;
        }
        if verdict.narrowest.width() < whole.narrowest.width() {
            lines.clear();
            whole = Verdict { grants: whole.grants, ..verdict };
            lines.push(whole.line.clone());
        } else if !lines.contains(&verdict.line) {
            lines.push(verdict.line);
        }
    }
    let lines: Vec<String> = lines.into_iter().flatten().collect();
    whole.line = (!lines.is_empty()).then(|| lines.join("; "));
    whole
}

fn ask_layers<'a>(
    (world, standing): (&'a World, &'a Standing),
    connection: &'a Revised<Connection>,
    effect: EffectRef<'a>,
    now: Timestamp,
) -> Verdict<'a> {
    let access = Access {
        connection: connection.fact.id,
        operation: effect.name,
        resource: effect.resource,
    };
    let own = standing.run.fact.mandate.rule(&access);
    // ORDER: outermost first. Of layers that refuse alike the outermost is told, because it has to
    // change before the others can.
    let (mut layer, mut narrowest) = (Layer::Connection, connection.fact.ceiling.rule(&access));
    let mut narrow = |other, reach: Reach<'a>| {
        if reach.width() < narrowest.width() {
            (layer, narrowest) = (other, reach);
        }
    };
    let mut grants = Vec::new();
    let mut last = None;
    for actor in &standing.run.fact.chain.actors {
        // INVARIANT: a chain only narrows, and what is taken from one of its agents is taken from
        // all. Where one follows itself it is asked once.
        if last.replace(actor.agent) != Some(actor.agent) {
            let (granted, used) = ask_grants(world, (actor.agent, standing), &access, now);
            narrow(Layer::Grants(actor.agent), granted);
            grants.extend(used);
        }
    }
    narrow(Layer::Mandate, own);
    // Where the run's own line says the same, it is the one people know.
    let deciding = if own.width() == narrowest.width() { own } else { narrowest };
    let line = line_of(deciding);
    Verdict { narrowest, layer, effect, line, grants }
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
    let mut together = Reach::Nothing;
    let mut used = Vec::new();
    let mut taking = Vec::new();
    for grant in world.live_grants(agent, now) {
        let authority = &grant.fact.authority;
        let reach = authority.rule(access);
        if matches!(reach, Reach::Nothing) || !grant.fact.openers.contains(&opener) {
            taking.push((grant, authority.restraint(access)));
            continue;
        }
        if used.is_empty() || reach.width() < together.width() {
            together = reach;
        }
        used.push(Arc::clone(grant));
    }
    for (grant, reach) in taking {
        if !matches!(reach, Reach::Nothing) && reach.width() < together.width() {
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
    let wanted = verdict.effect.line(connection.name.as_str());
    if let Reach::Never(line) = verdict.narrowest {
        let which = if operation.also.is_empty() {
            String::new()
        } else {
            format!(", and `{wanted}` is part of the request")
        };
        return Refusal::new(
            Code::Never,
            format!("`{line}` is never done{}{which}", verdict.layer.of(agent, connection)),
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

fn unserved(world: &World, operation: &Operation) -> Refusal {
    let mut there = world.connections_at(&operation.endpoint);
    if let Some(other) = there.find(|found| found.fact.transport.scheme() == operation.scheme) {
        return unspoken(&other.fact, operation);
    }
    Refusal::new(
        Code::NothingAllows,
        format!("no connection serves {} on {}", operation.scheme, operation.endpoint),
        format!(
            "a human can register one: `marque connection add NAME --host {}`",
            operation.endpoint
        ),
    )
}

// The endpoint is served, by a connection that has no words for the request.
fn unspoken(connection: &Connection, operation: &Operation) -> Refusal {
    let spoken = connection.service;
    let add = format!("`marque connection add NAME --host {}`", operation.endpoint);
    let remedy = match spoken {
        Service::Git => format!("use git, or have a human register an `http` connection: {add}"),
        Service::Http | Service::Net | Service::Resource => {
            format!("have a human register a connection for `{}`: {add}", operation.service)
        }
    };
    Refusal::new(
        Code::NothingAllows,
        format!("`{}` speaks {spoken} there, and this is no {spoken} request", connection.name),
        remedy,
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
