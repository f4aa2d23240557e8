//! The draft of a decision: what the stages have found out so far.
//!
//! It is filled stage by stage, so that a refusal records everything known up to it. It holds the
//! facts themselves and spells nothing: that is done once, for the record.

use std::sync::Arc;

use marque_domain::decision::{ActorSummary, OperationSummary};
use marque_domain::{
    Agent, AgentVersion, Answer, Approval, Client, Connection, Credential, Decision, Digest, Fact,
    FactRef, Id, Meter, Name, Operation, Refusal, Revised, Run, Timestamp, TokenRecord,
    TrustInputs, TrustScore, User, canonical_bytes,
};

use crate::broker::Named;
use crate::mandate::{Mandated, Uncovered};
use crate::oauth::Mint;
use crate::run::Standing;
use crate::world::{Grants, MeterKey, World};

/// Whoever proved itself before there was anything to decide.
#[derive(Clone)]
pub(crate) enum Known {
    /// A run.
    Run(Arc<Revised<Run>>),
    /// A client of the token service.
    Client(Arc<Revised<Client>>),
    /// A resource server.
    Resource(Arc<Revised<Connection>>),
}

impl Known {
    fn reference(&self) -> FactRef {
        match self {
            Self::Run(run) => run.reference(),
            Self::Client(client) => client.reference(),
            Self::Resource(connection) => connection.reference(),
        }
    }

    fn refusals(&self) -> MeterKey {
        match self {
            Self::Run(run) => MeterKey::Refusals(run.fact.id),
            Self::Client(client) => MeterKey::ClientRefusals(client.fact.id),
            Self::Resource(connection) => MeterKey::ResourceRefusals(connection.fact.id),
        }
    }
}

/// What is known of one decision on the road.
pub(crate) struct Draft<'a> {
    pub(crate) now: Timestamp,
    pub(crate) digest: Digest,
    operation: &'a Operation,
    asker: Option<Asker>,
    early: Option<Known>,
    /// What serves it, or would serve its endpoint.
    connections: Vec<Arc<Revised<Connection>>>,
    /// The grants that speak of it.
    grants: Grants,
    line: Option<String>,
    rules: Vec<String>,
    policy_digest: Option<Digest>,
    trust: Option<(TrustInputs, TrustScore)>,
    pub(crate) meter: Option<Meter>,
    pub(crate) hold: Option<Refusal>,
    pub(crate) approval: Option<Id<Approval>>,
    credential: Option<Arc<Revised<Credential>>>,
    token: Option<Box<TokenRecord>>,
}

/// Who asks, and who is behind it, whether they still may or not.
struct Asker {
    run: Arc<Revised<Run>>,
    agent: Arc<Revised<Agent>>,
    version: Arc<Revised<AgentVersion>>,
    opener: Arc<Revised<User>>,
    person: Option<Arc<Revised<User>>>,
    /// Owner and sponsor: whoever answers for it is the one or, if that one is gone, the other.
    answering: [Option<Arc<Revised<User>>>; 2],
}

/// The digest that identifies an operation's effect; an approval is bound to it.
pub(crate) fn digest_of(operation: &Operation) -> Digest {
    let bytes = canonical_bytes(operation)
        .expect("an operation holds only text and sizes below 2^53: recognisers bound its body");
    marque_crypto::hash::sha256(&bytes)
}

impl Asker {
    fn find(world: &World, run: Id<Run>) -> Option<Self> {
        let run = world.runs.get(run)?;
        let agent = world.agents.get(run.fact.agent)?;
        let user = |id| world.users.get(id).cloned();
        Some(Self {
            run: Arc::clone(run),
            agent: Arc::clone(agent),
            version: Arc::clone(world.versions.get(run.fact.version)?),
            opener: user(run.fact.opened_by)?,
            person: run.fact.chain.on_behalf_of.and_then(user),
            answering: [user(agent.fact.owner), user(agent.fact.sponsor)],
        })
    }

    fn of(standing: &Standing) -> Self {
        Self {
            run: Arc::clone(&standing.run),
            agent: Arc::clone(&standing.agent),
            version: Arc::clone(&standing.version),
            opener: Arc::clone(&standing.opener),
            person: standing.person.clone(),
            answering: [Some(Arc::clone(&standing.owner)), standing.sponsor.clone()],
        }
    }

    fn summary(&self) -> ActorSummary {
        let run = &self.run.fact;
        ActorSummary {
            run: run.id,
            agent: self.agent.fact.name.clone(),
            version: self.version.fact.number,
            task: run.task.clone(),
            tier: run.tier,
            opened_by: self.opener.fact.name.clone(),
            on_behalf_of: self.person.as_ref().map(|person| person.fact.name.clone()),
            chain: run.chain.clone(),
        }
    }

    fn facts(&self) -> Vec<FactRef> {
        let mut facts =
            vec![self.run.reference(), self.agent.reference(), self.version.reference()];
        let answering = self.answering.iter().map(Option::as_ref);
        let people = answering.chain([Some(&self.opener), self.person.as_ref()]);
        for person in references(people.flatten()) {
            if !facts.contains(&person) {
                facts.push(person);
            }
        }
        facts
    }
}

fn references<'a, T: Fact>(
    facts: impl IntoIterator<Item = &'a Arc<Revised<T>>>,
) -> impl Iterator<Item = FactRef> {
    facts.into_iter().map(|fact| fact.reference())
}

impl<'a> Draft<'a> {
    pub(crate) fn new(operation: &'a Operation, now: Timestamp) -> Self {
        Self {
            now,
            digest: digest_of(operation),
            operation,
            asker: None,
            early: None,
            connections: Vec::new(),
            grants: Arc::default(),
            line: None,
            rules: Vec::new(),
            policy_digest: None,
            trust: None,
            meter: None,
            hold: None,
            approval: None,
            credential: None,
            token: None,
        }
    }

    /// Of a request that is refused before there is anything to decide, and of whoever proved
    /// itself by then. That is the one fact it used: no stage looked at it.
    pub(crate) fn early(operation: &'a Operation, who: Option<Known>, now: Timestamp) -> Self {
        Self { early: who, ..Self::new(operation, now) }
    }

    /// The run that asks and those above it; none where there was nothing to decide.
    pub(crate) fn chain(&self) -> Vec<Id<Run>> {
        let early = match &self.early {
            Some(Known::Run(run)) => Some(run),
            _ => None,
        };
        let run = self.asker.as_ref().map(|asker| &asker.run).or(early);
        run.map(|run| run.fact.chain.actors.iter().map(|actor| actor.run).collect())
            .unwrap_or_default()
    }

    /// At whose rate a refusal of it is recorded.
    pub(crate) fn refusals(&self) -> MeterKey {
        match (&self.asker, &self.early) {
            (Some(asker), _) => MeterKey::Refusals(asker.run.fact.id),
            (None, Some(early)) => early.refusals(),
            (None, None) => MeterKey::Strangers,
        }
    }

    /// What is asked for.
    pub(crate) fn operation(&self) -> &Operation {
        self.operation
    }

    /// What the connection that serves it is called, if one was found.
    pub(crate) fn connection(&self) -> Option<&Name> {
        self.connections.first().map(|connection| &connection.fact.name)
    }

    /// Notes who asks but may not any more.
    pub(crate) fn asked_by(&mut self, world: &World, run: Id<Run>) {
        self.asker = Asker::find(world, run);
    }

    /// Notes who asks.
    pub(crate) fn stood(&mut self, standing: &Standing) {
        self.asker = Some(Asker::of(standing));
    }

    /// Notes what was asked in vain whether it covers it.
    pub(crate) fn left_uncovered(&mut self, uncovered: Uncovered) -> Refusal {
        self.connections = uncovered.connections;
        self.grants = uncovered.grants.into();
        self.line = uncovered.line;
        uncovered.refusal
    }

    /// Notes what covers it.
    pub(crate) fn covered_by(&mut self, mandated: &Mandated) {
        self.connections.push(Arc::clone(&mandated.connection));
        self.grants = Arc::clone(&mandated.grants);
        self.line = Some(mandated.line.clone());
        self.hold(mandated.hold.clone());
    }

    /// Notes how far the run is trusted.
    pub(crate) fn weighed(&mut self, inputs: TrustInputs, score: TrustScore) {
        self.trust = Some((inputs, score));
    }

    /// Notes which policies of which set spoke.
    pub(crate) fn judged(&mut self, rules: Vec<String>, of_set: Digest) {
        self.rules = rules;
        self.policy_digest = Some(of_set);
    }

    /// Notes which credential would serve.
    pub(crate) fn served_by(&mut self, named: Option<&Named>) {
        self.credential = named.map(|named| Arc::clone(&named.credential));
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

    /// Notes which token would be signed.
    pub(crate) fn mints(&mut self, token: Option<&Mint>) {
        self.token = token.map(|token| Box::new(token.record()));
    }

    /// Notes that a human must answer first. The first stage that says so is the one that is told.
    pub(crate) fn hold(&mut self, hold: Option<Refusal>) {
        self.hold = self.hold.take().or(hold);
    }

    /// The record of it.
    pub(crate) fn decided(&self, id: Id<Decision>, answer: Answer) -> Decision {
        let credential = self.credential.as_ref().map(|credential| credential.reference());
        let mut facts = self.asker.as_ref().map(Asker::facts).unwrap_or_default();
        facts.extend(self.early.as_ref().map(Known::reference));
        facts.extend(references(&self.connections));
        facts.extend(references(&*self.grants));
        facts.extend(credential.clone());
        Decision {
            id,
            at: self.now,
            answer,
            operation: self.summary(),
            actor: self.asker.as_ref().map(Asker::summary),
            line: self.line.clone(),
            facts,
            rules: self.rules.clone(),
            policy_digest: self.policy_digest,
            trust_inputs: self.trust.as_ref().map(|(inputs, _)| *inputs),
            trust: self.trust.as_ref().map(|(_, score)| score.clone()),
            meter: self.meter,
            approval: self.approval,
            credential,
            token: self.token.clone(),
        }
    }

    fn summary(&self) -> OperationSummary {
        let operation = self.operation;
        OperationSummary {
            service: operation.service,
            connection: self.connection().cloned(),
            name: operation.name.clone(),
            resource: operation.resource.clone(),
            target: format!("{}://{}", operation.scheme, operation.endpoint),
            class: operation.class,
            has_query: operation.parameters.contains_key("query"),
            body: operation.body.kind(),
            digest: self.digest,
            also: operation.also.clone(),
        }
    }
}
