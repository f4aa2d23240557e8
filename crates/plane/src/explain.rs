//! Explaining: a past decision, from the revisions it rested on.
//!
//! The stages are pure, so giving them the facts of then gives the answer of then. Where it does
//! not, the log or the facts were changed, and that is said.

use std::sync::Arc;

use marque_domain::operation::BodyKind;
use marque_domain::{
    Agent, AgentVersion, Answer, Body, Code, Connection, Decision, Digest, Endpoint, Event,
    FactRef, Grant, Id, Operation, Revised, Run, Stage, User,
};
use marque_store::{DecisionEntries, StoreError, Tx};

use crate::caller::Acting;
use crate::error::AdminError;
use crate::plane::Plane;
use crate::view::{ExplainView, FactView};
use crate::world::{Policies, Shelved, World};
use crate::{mandate, policy, run, trust};

// What the store knows of one decision.
struct Record {
    entries: DecisionEntries,
    facts: Vec<FactView>,
    policies: Option<String>,
}

impl Plane {
    /// A decision with every fact as it stood, and what the stages answer from them today.
    pub async fn explain(
        &self,
        _who: &Acting<User>,
        which: &str,
    ) -> Result<ExplainView, AdminError> {
        let id: Id<Decision> = which.parse().map_err(|error| AdminError::invalid(&error))?;
        let store = self.inner().store.clone();
        let read = self.blocking(move || store.read("explain", |tx| read(tx, id)));
        let unknown =
            || AdminError::not_found("decision", which, "marque log query --event decided");
        let record = read.await??.ok_or_else(unknown)?;
        let entry = record.entries.decided.entry()?;
        let Event::Decided(decision) = entry.event else { return Err(unknown()) };
        let replayed = self.replay(&decision, &record.facts);
        let outcome = record.entries.outcome.map(|stored| stored.entry()).transpose()?;
        Ok(ExplainView {
            index: entry.index,
            at: entry.at,
            decision: *decision,
            facts: record.facts,
            policies: record.policies,
            outcome,
            replayed,
        })
    }

    fn replay(&self, decision: &Decision, facts: &[FactView]) -> String {
        let in_force = &self.world().policies;
        if decision.policy_digest.is_some_and(|digest| digest != in_force.digest) {
            return "not replayed: another policy set is in force now; its text stands above"
                .to_owned();
        }
        match world_of(in_force, facts) {
            Ok(world) => walk_again(&world, decision),
            Err(error) => format!("not replayed: a fact cannot be read: {error}"),
        }
    }
}

fn read(tx: &mut Tx<'_>, id: Id<Decision>) -> Result<Option<Record>, StoreError> {
    let Some(entries) = tx.entry_of_decision(id)? else { return Ok(None) };
    let Event::Decided(decision) = entries.decided.entry()?.event else { return Ok(None) };
    let mut facts = Vec::with_capacity(decision.facts.len());
    for reference in &decision.facts {
        if let Some(json) = tx.fact_json(reference)? {
            let body = serde_json::from_str(&json).unwrap_or(serde_json::Value::Null);
            facts.push(FactView { reference: reference.clone(), body });
        }
    }
    let digest = decision.policy_digest;
    let policies = digest.map(|digest: Digest| tx.policy_text(&digest)).transpose()?.flatten();
    Ok(Some(Record { entries, facts, policies }))
}

fn world_of(in_force: &Arc<Policies>, facts: &[FactView]) -> Result<World, serde_json::Error> {
    let mut world = World::empty(Arc::clone(in_force));
    for fact in facts {
        put::<User>(&mut world, fact)?;
        put::<Agent>(&mut world, fact)?;
        put::<AgentVersion>(&mut world, fact)?;
        put::<Connection>(&mut world, fact)?;
        put::<Grant>(&mut world, fact)?;
        put::<Run>(&mut world, fact)?;
    }
    Ok(world)
}

fn put<T: Shelved>(world: &mut World, view: &FactView) -> Result<(), serde_json::Error> {
    let FactRef { id, revision } = &view.reference;
    if id.strip_prefix(T::PREFIX).is_some_and(|rest| rest.starts_with('_')) {
        let fact: T = serde_json::from_value(view.body.clone())?;
        T::place(world, Arc::new(Revised { fact, revision: *revision }));
    }
    Ok(())
}

// Stages 2 to 5 on the facts of then. Counters and trust inputs are taken as recorded.
fn walk_again(world: &World, decision: &Decision) -> String {
    let Some(actor) = &decision.actor else {
        let why = if decision.facts.is_empty() {
            "the caller could not be told, so no fact was used"
        } else {
            "it was refused before there was anything to decide"
        };
        return format!("not replayed: {why}");
    };
    if decision.answer.code() == Some(Code::TierBelowFloor) {
        // Who asks is a setting of the server, or a grant that speaks of no operation.
        return "not replayed: the floor of tiers is not among the facts of a decision".to_owned();
    }
    let now = decision.at;
    let operation = operation_of(decision);
    let answer = run::stand(world, actor.run, now).and_then(|standing| {
        let mandated = mandate::rule(world, &standing, &operation, now);
        let mandated = mandated.map_err(|uncovered| uncovered.refusal)?;
        let score = trust::score(&decision.trust_inputs.unwrap_or_default());
        let facts = (&operation, now);
        let judged = policy::judge(world, &standing, &mandated, &score, facts).hold?;
        let class = operation.class;
        let weighed = trust::weigh(&score, &mandated, 0, class)?;
        Ok((mandated.hold.or(judged).or(weighed), mandated.line))
    });
    let said = match &answer {
        Ok((None, line)) => format!("allowed by `{line}`"),
        Ok((Some(hold), _)) => format!("a hold: {}", hold.code),
        Err(refusal) => format!("refused: {}", refusal.code),
    };
    // An approval lifts a hold; later stages can refuse what these let pass.
    let agrees = match (&decision.answer, &answer) {
        (Answer::Allowed, Ok((hold, _))) => hold.is_none() || decision.approval.is_some(),
        (Answer::Held { code, .. }, Ok((Some(hold), _))) => hold.code == *code,
        (Answer::Refused { code, .. }, Err(refusal)) => refusal.code == *code,
        // What was held, had it been read.
        (Answer::Refused { code: Code::BodyTooLarge, .. }, Ok((hold, _))) => {
            hold.is_some() && operation.body == Body::Streamed
        }
        (Answer::Refused { code, .. }, Ok(_)) => code.stage() > Stage::Policy,
        _ => false,
    };
    if agrees {
        format!("stages 2 to 5 give the same answer from these revisions: {said}")
    } else {
        format!("THE RECORD DISAGREES: from these revisions stages 2 to 5 give: {said}")
    }
}

fn operation_of(decision: &Decision) -> Operation {
    let asked = &decision.operation;
    let (scheme, endpoint) = asked.target.split_once("://").unwrap_or(("", &asked.target));
    let (host, port) = endpoint.rsplit_once(':').unwrap_or((endpoint, ""));
    let query = asked.has_query.then(|| ("query".to_owned(), String::new()));
    Operation {
        service: asked.service,
        name: asked.name.clone(),
        class: asked.class,
        resource: asked.resource.clone(),
        scheme: scheme.to_owned(),
        endpoint: Endpoint { host: host.to_owned(), port: port.parse().unwrap_or(0) },
        // Whoever asks for a token names the connection.
        over: decision.token.as_ref().and_then(|_| {
            decision.facts.iter().find_map(|fact| fact.id.parse::<Id<Connection>>().ok())
        }),
        parameters: query.into_iter().collect(),
        body: match asked.body {
            BodyKind::Empty => Body::Empty,
            // The stages replayed here look at the kind alone.
            BodyKind::Streamed => Body::Streamed,
            BodyKind::Bound => Body::Bound,
            BodyKind::Read => {
                Body::Read { digest: asked.digest, size_bytes: 0, preview: String::new() }
            }
        },
        also: asked.also.clone(),
    }
}
