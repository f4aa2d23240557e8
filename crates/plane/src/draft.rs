//! The draft of a decision: what the stages have found out so far.
//!
//! It is filled stage by stage, so that a refusal records everything known up to it.

use std::sync::Arc;

use marque_domain::decision::{ActorSummary, OperationSummary};
use marque_domain::{
    Answer, Approval, Decision, Digest, Fact, FactRef, Id, Meter, Operation, Refusal, Revised,
    Timestamp, TrustInputs, TrustScore, canonical_bytes,
};

use crate::broker::Named;
use crate::mandate::Mandated;
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

    /// Notes who acts.
    pub(crate) fn acted_by(&mut self, standing: &Standing) {
        let run = &standing.run.fact;
        self.actor = Some(ActorSummary {
            run: run.id,
            agent: standing.agent.fact.name.clone(),
            version: standing.version.fact.number,
            task: run.task.clone(),
            tier: run.tier,
            opened_by: standing.opener.fact.name.clone(),
            on_behalf_of: standing.person.as_ref().map(|person| person.fact.name.clone()),
            chain: run.chain.clone(),
        });
        self.uses(&standing.run);
        self.uses(&standing.agent);
        self.uses(&standing.version);
        self.uses(&standing.accountable);
        if standing.opener.fact.id != standing.accountable.fact.id {
            self.uses(&standing.opener);
        }
        if let Some(person) = &standing.person {
            self.uses(person);
        }
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
        self.hold(judged.hold.clone());
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
