//! Stage 3, `mandate`: does the run's authority speak of the operation?
//!
//! Every layer is asked as it stands now: the connection's ceiling, the agent's live grants, the
//! run's mandate. The narrowest answer counts, so a revoked grant ends what it allowed at once.

use std::sync::Arc;

use marque_domain::{
    Access, Code, Connection, Grant, Operation, Reach, Refusal, Revised, Timestamp,
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
    Grants,
    Mandate,
}

/// Whether the run's authority covers `operation`, and over which connection.
pub(crate) fn rule(
    world: &World,
    standing: &Standing,
    operation: &Operation,
    now: Timestamp,
) -> Result<Mandated, Refusal> {
    let serving: Vec<_> = world
        .connections_at(&operation.endpoint)
        .filter(|found| {
            found.fact.service == operation.service
                && found.fact.transport.scheme() == operation.scheme
        })
        .collect();
    let verdicts: Vec<_> = serving
        .iter()
        .map(|connection| (*connection, ask_layers(world, standing, connection, operation, now)))
        .collect();
    let mut willing = verdicts.iter().filter(|(_, verdict)| verdict.narrowest.width() >= 2);
    let (connection, verdict) = match (willing.next(), willing.next()) {
        (Some(only), None) => only,
        (Some((first, _)), Some((second, _))) => {
            return Err(ambiguous(&first.fact, &second.fact, operation));
        }
        (None, _) => match verdicts.first() {
            Some((connection, verdict)) => {
                return Err(refusal(standing, &connection.fact, verdict, operation));
            }
            None => return Err(unserved(operation)),
        },
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
    let (granted, grants) = ask_grants(world, standing, &access, now);
    let own = standing.run.fact.mandate.rule(&access);
    // ORDER: outermost first. Of layers that refuse alike the outermost is told, because it has to
    // change before the others can.
    let layers = [
        (Layer::Connection, connection.fact.ceiling.rule(&access)),
        (Layer::Grants, granted),
        (Layer::Mandate, own),
    ];
    let (layer, narrowest) = layers
        .into_iter()
        .min_by_key(|(_, reach)| reach.width())
        .unwrap_or((Layer::Mandate, Reach::Nothing));
    // Where the run's own line says the same, it is the one people know.
    let deciding = if own.width() == narrowest.width() { own } else { narrowest };
    let line = line_of(deciding);
    Verdict { narrowest, layer, line, grants }
}

// All live grants of the agent together: what one forbids or asks for stays so.
fn ask_grants<'a>(
    world: &'a World,
    standing: &Standing,
    access: &Access<'_>,
    now: Timestamp,
) -> (Reach<'a>, Vec<Arc<Revised<Grant>>>) {
    let mut together = Reach::Nothing;
    let mut used = Vec::new();
    for grant in world.live_grants(standing.agent.fact.id, now) {
        let reach = grant.fact.authority.rule(access);
        if matches!(reach, Reach::Nothing) {
            continue;
        }
        used.push(Arc::clone(grant));
        let is_first = matches!(together, Reach::Nothing);
        if is_first || reach.width() < together.width() {
            together = reach;
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

fn refusal(
    standing: &Standing,
    connection: &Connection,
    verdict: &Verdict<'_>,
    operation: &Operation,
) -> Refusal {
    let agent = &standing.agent.fact.name;
    let wanted = operation.line(connection.name.as_str());
    if let Reach::Never(line) = verdict.narrowest {
        return Refusal::new(
            Code::Never,
            format!("`{line}` is never done{}", verdict.layer.of(connection)),
            "do the task another way, or have a human change the line",
        );
    }
    let remedy = match verdict.layer {
        Layer::Mandate => format!(
            "open the run with `--allow '{wanted}'`, or with `--ask '{wanted}'` to have a human \
             approve each call"
        ),
        Layer::Grants => format!(
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
        format!("nothing allows `{wanted}`{}", verdict.layer.of(connection)),
        remedy,
    )
}

impl Layer {
    fn of(self, connection: &Connection) -> String {
        match self {
            Self::Mandate => " in this run's mandate".to_owned(),
            Self::Grants => " in the agent's grants".to_owned(),
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
