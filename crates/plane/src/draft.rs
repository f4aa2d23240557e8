//! The draft of a decision: what the stages have found out so far.
//!
//! It is filled stage by stage, so that a refusal records everything known up to it.

use std::sync::Arc;

use marque_domain::decision::{ActorSummary, OperationSummary};
use marque_domain::{
    Answer, Approval, Decision, Digest, Fact, FactRef, Id, Meter, Operation, Refusal, Revised, Run,
    Timestamp, TrustInputs, TrustScore, canonical_bytes,
};

use crate::broker::Named;
use crate::mandate::{Mandated, Uncovered};
use crate::policy::Judged;
use crate::run::Standing;
use crate::world::World;

/// What is known of one decision on the road.
pub(crate) struct Draft {
    pub(crate) now: Timestamp,
    pub(crate) digest: Digest,
    pub(crate) operation: OperationSummary,
    pub(crate) actor: Option<ActorSummary>,
    pub(crate) line: Option<String>,
    pub(crate) facts: Vec<FactRef>,
    pub(crate) rules: Vec<String>,
    pub(crate) policy_digest: Option<Digest>,
    pub(crate) trust_inputs: Option<TrustInputs>,
    pub(crate) trust: Option<TrustScore>,
    pub(crate) meter: Option<Meter>,
    pub(crate) hold: Option<Refusal>,
    pub(crate) approval: Option<Id<Approval>>,
    pub(crate) credential: Option<FactRef>,
}

/// The digest that identifies an operation's effect; an approval is bound to it.
pub(crate) fn digest_of(operation: &Operation) -> Digest {
    let bytes = canonical_bytes(operation)
        .expect("an operation holds only text and sizes below 2^53: recognisers bound its body");
    marque_crypto::hash::sha256(&bytes)
}

impl Draft {
    pub(crate) fn new(operation: &Operation, now: Timestamp) -> Self {
        let digest = digest_of(operation);
        Self {
            now,
            digest,
            operation: OperationSummary {
                service: operation.service,
                connection: None,
                name: operation.name.clone(),
                resource: operation.resource.clone(),
                target: format!("{}://{}", operation.scheme, operation.endpoint),
                class: operation.class,
                has_query: operation.parameters.contains_key("query"),
                body: operation.body.kind(),
                digest,
                also: operation.also.clone(),
            },
            actor: None,
            line: None,
            facts: Vec::with_capacity(12),
            rules: Vec::new(),
            policy_digest: None,
            trust_inputs: None,
            trust: None,
            meter: None,
            hold: None,
            approval: None,
            credential: None,
        }
    }

    /// Notes that a fact was used.
    pub(crate) fn uses<T: Fact>(&mut self, revised: &Revised<T>) {
        self.facts.push(revised.reference());
    }

    /// Notes who asks, whether they still may or not.
    pub(crate) fn asked_by(&mut self, world: &World, run: Id<Run>) {
        let Some(run) = world.runs.get(run) else { return };
        let (Some(agent), Some(version), Some(opener)) = (
            world.agents.get(run.fact.agent),
            world.versions.get(run.fact.version),
            world.users.get(run.fact.opened_by),
        ) else {
            return;
        };
        let person = run.fact.chain.on_behalf_of.and_then(|person| world.users.get(person));
        self.actor = Some(ActorSummary {
            run: run.fact.id,
            agent: agent.fact.name.clone(),
            version: version.fact.number,
            task: run.fact.task.clone(),
            tier: run.fact.tier,
            opened_by: opener.fact.name.clone(),
            on_behalf_of: person.map(|person| person.fact.name.clone()),
            chain: run.fact.chain.clone(),
        });
        self.uses(run);
        self.uses(agent);
        self.uses(version);
        // Whoever answers for it is the owner or, if that one is gone, the sponsor.
        let answering = [agent.fact.owner, agent.fact.sponsor].map(|user| world.users.get(user));
        let people = answering.into_iter().chain([Some(opener), person]).flatten();
        for user in people {
            if !self.facts.contains(&user.reference()) {
                self.uses(user);
            }
        }
    }

    /// Notes what was asked in vain whether it covers it.
    pub(crate) fn left_uncovered(&mut self, uncovered: Uncovered) -> Refusal {
        let connection = uncovered.connections.first();
        self.operation.connection = connection.map(|connection| connection.fact.name.clone());
        self.line = uncovered.line;
        uncovered.connections.iter().for_each(|connection| self.uses(connection));
        uncovered.grants.iter().for_each(|grant| self.uses(grant));
        uncovered.refusal
    }

    /// Notes what covers it.
    pub(crate) fn covered_by(&mut self, mandated: &Mandated) {
        self.operation.connection = Some(mandated.connection.fact.name.clone());
        self.line = Some(mandated.line.clone());
        self.uses(&mandated.connection);
        for grant in &mandated.grants {
            self.uses(grant);
        }
        self.hold(mandated.hold.clone());
    }

    /// Notes how far the run is trusted.
    pub(crate) fn weighed(&mut self, inputs: TrustInputs, score: &TrustScore) {
        self.trust_inputs = Some(inputs);
        self.trust = Some(score.clone());
    }

    /// Notes what the policies said.
    pub(crate) fn judged(&mut self, judged: &Judged) {
        self.rules.clone_from(&judged.rules);
        self.policy_digest = Some(judged.digest);
    }

    /// Notes which credential would serve.
    pub(crate) fn served_by(&mut self, named: Option<&Named>) {
        if let Some(named) = named {
            self.credential = Some(named.credential.reference());
            self.uses(&named.credential);
        }
    }

    /// The approval that serves exactly this operation in this run.
    pub(crate) fn approved(
        &self,
        world: &World,
        standing: &Standing,
        now: Timestamp,
    ) -> Option<Arc<Revised<Approval>>> {
        let run = standing.run.fact.id;
        let mut open = world.approvals_of(run);
        open.find(|approval| approval.fact.serves(run, self.digest, now)).cloned()
    }

    /// Notes that a human must answer first. The first stage that says so is the one that is told.
    pub(crate) fn hold(&mut self, hold: Option<Refusal>) {
        self.hold = self.hold.take().or(hold);
    }

    /// The record of it.
    pub(crate) fn decided(&self, id: Id<Decision>, answer: Answer) -> Decision {
        Decision {
            id,
            at: self.now,
            answer,
            operation: self.operation.clone(),
            actor: self.actor.clone(),
            line: self.line.clone(),
            facts: self.facts.clone(),
            rules: self.rules.clone(),
            policy_digest: self.policy_digest,
            trust_inputs: self.trust_inputs,
            trust: self.trust.clone(),
            meter: self.meter,
            approval: self.approval,
            credential: self.credential.clone(),
        }
    }
}
