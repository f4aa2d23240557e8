//! Showing: facts as views, with names where facts hold ids.

use marque_crypto::hash::sha256;
use marque_domain::client::ClientKeys;
use marque_domain::decision::ActorSummary;
use marque_domain::{
    Agent, AgentVersion, Approval, Client, Connection, Grant, Id, KeySource, Limits, Name, Run,
    RunState, Slot, Timestamp, Transport, TrustedIssuer, User, UserName, portion,
};
use marque_wire::jose::JwkSet;

use crate::issuer_keys::{KeyFetches, seen_at};
use crate::plane::Plane;
use crate::trust;
use crate::verbs::{clients, lines};
use crate::view::{
    AgentView, ApprovalView, BudgetView, ClientView, ConnectionView, GrantView, IssuerKeysView,
    IssuerView, RunView, StatusView, TokenTargetView,
};
use crate::world::{KeyPlace, MeterKey, World};

/// Makes views of one world.
pub(crate) struct Show<'a> {
    world: &'a World,
    trust_domain: &'a str,
    now: Timestamp,
    fetches: &'a KeyFetches,
}

impl Plane {
    pub(crate) fn show<'a>(&'a self, world: &'a World) -> Show<'a> {
        Show {
            world,
            trust_domain: &self.inner().trust_domain,
            now: self.now(),
            fetches: &self.inner().key_fetches,
        }
    }

    /// How the plane stands.
    pub fn status(&self) -> StatusView {
        let (world, now) = (self.world(), self.now());
        StatusView {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            trust_domain: self.inner().trust_domain.clone(),
            claimed: self.claimed(),
            proxy: self.inner().proxy.get().map(ToString::to_string),
            open_runs: world.runs.all().filter(|run| run.fact.is_open(now)).count(),
            log_size: self.sequencer().synced().size,
            policy_digest: world.policies.digest,
            policies: world.policies.set.len(),
            issuer: self.issuer(),
        }
    }
}

impl Show<'_> {
    pub(crate) fn agent(&self, agent: &Agent) -> AgentView {
        let version = self.world.versions.get(agent.version).map(|version| &version.fact);
        let open = self.world.runs.all().filter(|run| run.fact.agent == agent.id);
        let mut open_runs: Vec<_> =
            open.filter(|run| run.fact.is_open(self.now)).map(|run| run.fact.id).collect();
        open_runs.sort_unstable();
        AgentView {
            id: agent.id,
            name: agent.name.clone(),
            spiffe_id: format!("spiffe://{}/agent/{}", self.trust_domain, agent.name),
            purpose: agent.purpose.clone(),
            owner: self.user(agent.owner),
            sponsor: self.user(agent.sponsor),
            version: version.map_or(0, |version| version.number),
            digests: version.map(|version| version.digests.clone()).unwrap_or_default(),
            state: agent.state.word().to_owned(),
            open_runs,
            grants: self.world.live_grants(agent.id, self.now).map(|grant| grant.fact.id).collect(),
            budget: self.budget(MeterKey::Agent(agent.id), agent.limits),
            added_at: agent.added_at,
        }
    }

    pub(crate) fn connection(&self, connection: &Connection) -> ConnectionView {
        let credential = connection.credential.and_then(|id| self.world.credentials.get(id));
        let rotation = connection.rotation.as_ref();
        ConnectionView {
            id: connection.id,
            name: connection.name.clone(),
            service: connection.service.to_string(),
            hosts: connection.hosts.iter().map(ToString::to_string).collect(),
            pin: connection.pin.map(|pin| pin.to_string()),
            transport: match connection.transport {
                Transport::Tls => "tls".to_owned(),
                Transport::TlsWithAuthority { .. } => "tls_with_authority".to_owned(),
                Transport::Plain => "plain".to_owned(),
            },
            slot: match &connection.slot {
                Some(Slot::Bearer {}) => "bearer".to_owned(),
                Some(Slot::Basic { .. }) => "basic".to_owned(),
                Some(Slot::Header { name }) => format!("header {name}"),
                None => "none".to_owned(),
            },
            credential: credential.map(|credential| credential.fact.id),
            credential_revision: credential.map(|credential| credential.revision),
            ceiling: lines::print(&connection.ceiling.allow),
            budget: self.budget(MeterKey::Connection(connection.id), connection.limits),
            trust_floor: connection.trust_floor,
            rotation: rotation.map(|due| format!("{} by {}", self.user(due.owner), due.due)),
            on_echo: connection.answers.on_echo.word().to_owned(),
            passes: connection.answers.passes.iter().cloned().collect(),
            never_holds: connection.never_holds.clone(),
            state: if connection.is_live() { "live" } else { "removed" }.to_owned(),
            added_at: connection.added_at,
            tokens: connection.tokens.as_deref().map(|target| TokenTargetView {
                audience: target.audience.clone(),
                algorithm: target.algorithm.clone(),
                bearer: target.bearer,
                served_by: target.served_by.map(|agent| self.agent_name(agent)),
                step_up: target.step_up.clone(),
                asks_by: match (&target.keys, &target.secret) {
                    (Some(_), _) => "private_key_jwt",
                    (None, Some(_)) => "client_secret_basic",
                    (None, None) => "none",
                }
                .to_owned(),
                secret: None,
            }),
        }
    }

    pub(crate) fn client(&self, client: &Client) -> ClientView {
        ClientView {
            id: client.id,
            name: client.name.clone(),
            agent: self.agent_name(client.agent),
            proof: clients::kind(&client.proof).to_owned(),
            keys: self.keys_of_client(client),
            task: client.task.clone(),
            allow: lines::print(&client.mandate.allow),
            ask: lines::print(&client.mandate.ask),
            never: lines::print(&client.mandate.never),
            run_ttl_secs: client.run_ttl_secs,
            endpoint_audience_until: client.endpoint_audience_until,
            added_by: self.user(client.added_by),
            added_at: client.added_at,
            state: client.state.word().to_owned(),
        }
    }

    pub(crate) fn issuer(&self, issuer: &TrustedIssuer) -> IssuerView {
        let people = issuer.people.iter();
        IssuerView {
            id: issuer.id,
            name: issuer.name.clone(),
            issuer: issuer.issuer.clone(),
            audience: issuer.audience.clone(),
            keys: self.keys(&issuer.issuer, (&issuer.jwks, issuer.source.as_ref())),
            naming: issuer.naming,
            people: people.map(|(subject, user)| (subject.clone(), self.user(*user))).collect(),
            added_by: self.user(issuer.added_by),
            added_at: issuer.added_at,
        }
    }

    fn keys_of_client(&self, client: &Client) -> Option<IssuerKeysView> {
        let ClientKeys::Issuer { issuer, jwks, source, .. } = &client.proof else { return None };
        Some(self.keys(issuer, (jwks, source.as_ref())))
    }

    fn keys(&self, issuer: &str, given: (&str, Option<&KeySource>)) -> IssuerKeysView {
        let (jwks, source) = given;
        let place = source
            .map(|source| KeyPlace { issuer: issuer.to_owned(), source: source.clone() }.digest());
        let Some(place) = place else {
            return IssuerKeysView {
                from: None,
                count: JwkSet::parse(jwks.as_bytes()).map_or(0, |set| set.keys().len()),
                digest: sha256(jwks.as_bytes()),
                fetched_at: None,
                tried_at: None,
                error: None,
                stale: false,
            };
        };
        let (published, tried) =
            (self.world.tokens.issuer_keys().at(place), self.fetches.tried(place));
        let now = self.world.tokens.steady(self.now);
        IssuerKeysView {
            from: published.map(|published| published.from.clone()),
            count: published.map_or(0, |published| published.keys.keys().len()),
            digest: published.map_or_else(|| sha256(b""), |published| published.digest),
            fetched_at: published.map(|published| seen_at(published.fetched_at, &tried)),
            tried_at: tried.asked_at,
            error: tried.error,
            stale: published.is_none_or(|published| !published.is_fresh(now)),
        }
    }

    pub(crate) fn grant(&self, grant: &Grant) -> GrantView {
        GrantView {
            id: grant.id,
            agent: self.agent_name(grant.agent),
            given_by: self.user(grant.given_by),
            openers: grant.openers.iter().map(|id| self.user(*id)).collect(),
            allow: lines::print(&grant.authority.allow),
            ask: lines::print(&grant.authority.ask),
            never: lines::print(&grant.authority.never),
            tier_floor: grant.tier_floor,
            user_namespaces: grant.user_namespaces,
            until: grant.until,
            state: grant.word(self.now).to_owned(),
        }
    }

    pub(crate) fn run(&self, run: &Run) -> RunView {
        let agent = self.agent_name(run.agent);
        RunView {
            id: run.id,
            spiffe_id: format!("spiffe://{}/agent/{agent}/run/{}", self.trust_domain, run.id),
            agent,
            version: self.version(run.version),
            task: run.task.clone(),
            opened_by: self.user(run.opened_by),
            on_behalf_of: run.chain.on_behalf_of.map(|person| self.user(person)),
            parent: run.parent,
            actors: run.chain.actors.clone(),
            tier: run.tier,
            user_namespaces: run.user_namespaces,
            allow: lines::print(&run.mandate.allow),
            ask: lines::print(&run.mandate.ask),
            never: lines::print(&run.mandate.never),
            calls: self.world.meter(MeterKey::Run(run.id)).calls,
            refusals: self.world.refusals(run.id),
            budget: self.budget(MeterKey::Run(run.id), run.limits),
            state: match &run.state {
                RunState::Open if run.is_open(self.now) => "open".to_owned(),
                RunState::Open => "expired".to_owned(),
                RunState::Closed { cause, .. } => cause.to_string(),
            },
            opened_at: run.opened_at,
            expires_at: run.expires_at,
            stopped_until: clients::behind(run)
                .and_then(|behind| behind.stopped_until(self.world, self.now)),
        }
    }

    pub(crate) fn approval(&self, approval: &Approval) -> Option<ApprovalView> {
        let run = self.world.runs.get(approval.run)?;
        Some(self.approval_in(approval, &run.fact))
    }

    pub(crate) fn approval_in(&self, approval: &Approval, run: &Run) -> ApprovalView {
        let standing = crate::run::stand(self.world, run.id, self.now).ok();
        let score = standing.map(|standing| trust::score(&trust::inputs(self.world, &standing)));
        ApprovalView {
            state: approval.word(self.now).to_owned(),
            actor: ActorSummary {
                run: run.id,
                agent: self.agent_name(run.agent),
                version: self.version(run.version),
                task: run.task.clone(),
                tier: run.tier,
                opened_by: self.user(run.opened_by),
                on_behalf_of: run.chain.on_behalf_of.map(|person| self.user(person)),
                chain: run.chain.clone(),
            },
            line: approval.line.clone(),
            trust: score.map_or(0, |score| score.score),
            approval: approval.clone(),
        }
    }

    fn budget(&self, key: MeterKey, limits: Limits) -> BudgetView {
        let meter = self.world.meter_at(key, self.now);
        BudgetView {
            limits,
            calls: meter.calls,
            bytes: meter.bytes,
            calls_left: limits.calls.map(|most| most.saturating_sub(meter.calls)),
            bytes_left: portion::left(&limits, &meter),
        }
    }

    fn version(&self, id: Id<AgentVersion>) -> u32 {
        self.world.versions.get(id).map_or(0, |version| version.fact.number)
    }

    // INVARIANT: users and agents are never removed, so an id in a fact always has its name.
    fn user(&self, id: Id<User>) -> UserName {
        let user = self.world.users.get(id);
        user.map_or_else(unknown, |user| user.fact.name.clone())
    }

    fn agent_name(&self, id: Id<Agent>) -> Name {
        let agent = self.world.agents.get(id);
        agent.map_or_else(unknown, |agent| agent.fact.name.clone())
    }
}

fn unknown<T: std::str::FromStr<Err: std::fmt::Debug>>() -> T {
    "unknown".parse().expect("`unknown` is a label of every kind")
}
