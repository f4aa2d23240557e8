//! Runs without a launcher: those of registered clients, and those that an exchange opens.
//!
//! They are bounded as any other: by the grants of their agent that name the human they count as
//! opened by, and by the run above them.

use std::sync::Arc;
use std::time::Duration;

use marque_crypto::machine::{self, MachineSecret};
use marque_domain::run::RunClient;
use marque_domain::{Client, Digest, Id, Name, Revised, Run, Tier, Timestamp, User, UserRef};

use super::open::{Opening, Prepared, open_parent};
use crate::error::{AdminError, AdminKind};
use crate::live::{Birth, LiveRun};
use crate::plane::Plane;
use crate::sequence::Durability;
use crate::spec::{Lines, RunSpec};
use crate::step::Step;
use crate::verbs::clients::Behind;
use crate::verbs::lines;
use crate::world::World;

/// A client's run to be found, or opened.
pub(crate) struct Wanted {
    pub(crate) client: Id<Client>,
    /// What tells it from others of the client.
    pub(crate) instance: Option<Digest>,
    /// The person it acts for, who was proven: it counts as opened by them.
    pub(crate) person: Option<Id<User>>,
}

/// A run that acts for another one, to be found or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hop {
    /// Whose token was presented.
    pub(crate) subject: Id<Run>,
    /// Who presented it.
    pub(crate) presenter: Id<Run>,
}

impl Hop {
    // A run is listed below whoever presented for it as well: one that acts for another run must
    // not be taken for one that acts for the presenter.
    fn found(self, world: &World, now: Timestamp) -> Option<&Arc<Revised<Run>>> {
        world.children_of(self.subject).find(|run| {
            run.fact.parent == Some(self.subject)
                && run.fact.presenter() == Some(self.presenter)
                && run.fact.is_open(now)
        })
    }
}

impl Plane {
    /// The open run of a client, opened if there is none.
    pub(crate) async fn run_of_client(&self, wanted: Wanted) -> Result<Arc<LiveRun>, AdminError> {
        let Wanted { client, instance, person } = wanted;
        let world = self.world();
        let known = world.clients.get(client).ok_or_else(AdminError::unavailable)?;
        self.must_not_be_stopped(&world, &known.fact, instance)?;
        if let Some(live) = world.tokens.run_of(client, instance).and_then(|run| {
            let is_open = world.runs.get(run).is_some_and(|run| run.fact.is_open(self.now()));
            world.live(run).filter(|live| is_open && !live.is_cancelled())
        }) {
            return Ok(Arc::clone(live));
        }
        let ttl = Duration::from_secs(known.fact.run_ttl_secs).min(self.settings().max_run_ttl);
        let prepared = self.prepare_detached(self.id(), None, ttl)?;
        let (plane, inside) = (self.clone(), Arc::clone(&prepared));
        let run = self.sequencer().submit(Durability::Disk, move |step| {
            plane.open_for_client(step, (client, instance, person), &inside)
        });
        self.living(run.await?)
    }

    /// The open run of that hop, opened if there is none.
    pub(crate) async fn run_of_hop(&self, hop: Hop) -> Result<Arc<LiveRun>, AdminError> {
        let now = self.now();
        let world = self.world();
        let found = hop.found(&world, now);
        if let Some(live) = found.and_then(|run| world.live(run.fact.id)) {
            return Ok(Arc::clone(live));
        }
        let root = world.live(hop.subject).map(|live| live.root);
        // It ends with who presents, too.
        let presenter = world.runs.get(hop.presenter).ok_or_else(AdminError::unavailable)?;
        let left = presenter.fact.expires_at.since(now);
        let ttl = left.min(self.settings().max_run_ttl);
        let prepared = self.prepare_detached(self.id(), root, ttl)?;
        let (plane, inside) = (self.clone(), Arc::clone(&prepared));
        let run = self
            .sequencer()
            .submit(Durability::Disk, move |step| plane.open_hop(step, hop, &inside));
        self.living(run.await?)
    }

    fn living(&self, run: Id<Run>) -> Result<Arc<LiveRun>, AdminError> {
        self.world().live(run).cloned().ok_or_else(AdminError::unavailable)
    }

    fn prepare_detached(
        &self,
        id: Id<Run>,
        root: Option<Id<Run>>,
        ttl: Duration,
    ) -> Result<Arc<Prepared>, AdminError> {
        // Nobody is ever told it: such a run is proven by its client's key.
        let secret = MachineSecret::generate(self.random()).expose_text();
        let hash = machine::hash(self.machine_key(), secret.as_bytes());
        let root = root.unwrap_or(id);
        let birth = Birth { run: id, root, launcher: None, session: None, secret_hash: hash };
        let live = Arc::new(self.live(birth, None, Tier::Advisory)?);
        Ok(Arc::new(Prepared { live, secret, proxy: None, ttl }))
    }

    // By a kill that is not on record yet.
    fn must_not_be_stopped(
        &self,
        world: &World,
        client: &Client,
        instance: Option<Digest>,
    ) -> Result<(), AdminError> {
        if self.inner().unrecorded.stops(world, client, instance) {
            return Err(gone("a human killed its runs, and the log does not say so yet"));
        }
        Ok(())
    }

    // Whoever signs for jobs or people could fill the server with their runs.
    fn must_have_room(&self, world: &World, client: &Client) -> Result<(), AdminError> {
        let most = self.oauth().map_or(0, |settings| settings.runs_per_client);
        if world.tokens.open_of(client.id) < most {
            return Ok(());
        }
        let message = format!("client `{}` has {most} runs open, as many as one may", client.name);
        Err(AdminError::new(AdminKind::Unavailable, message).hint(
            "they end by themselves; let them be shorter (`marque client add --ttl`), kill some, \
             or raise `oauth.runs_per_client`",
        ))
    }

    fn open_for_client(
        &self,
        step: &mut Step<'_, '_>,
        (client, instance, person): (Id<Client>, Option<Digest>, Option<Id<User>>),
        prepared: &Prepared,
    ) -> Result<Id<Run>, AdminError> {
        // Another request may have been first.
        if let Some(run) = step.world.tokens.run_of(client, instance)
            && step.world.runs.get(run).is_some_and(|run| run.fact.is_open(step.now))
        {
            return Ok(run);
        }
        let stopped = instance.map(|instance| Behind::Instance(client, instance));
        if stopped.is_some_and(|one| one.stopped_until(step.world, step.now).is_some()) {
            return Err(gone("a human killed the run of this job or person"));
        }
        let found = step.world.clients.get(client).cloned();
        let found = found.filter(|client| client.fact.is_active());
        let client = found.ok_or_else(|| gone("the client was stopped"))?;
        let client = &client.fact;
        self.must_not_be_stopped(step.world, client, instance)?;
        self.must_have_room(step.world, client)?;
        let opener = person.unwrap_or(client.added_by);
        let opener = step.world.users.get(opener).filter(|user| user.fact.is_live());
        let opener = opener.ok_or_else(|| gone("whoever the run counts as opened by is gone"))?;
        let opener = UserRef::from(&opener.fact);
        let oauth = RunClient { client: Some(client.id), instance, ..RunClient::default() };
        let opening = Opening { opener, parent: None, oauth: Some(oauth) };
        let agent = agent_name(step, client.agent)?;
        let mandate = Lines {
            allow: lines::print(&client.mandate.allow),
            ask: lines::print(&client.mandate.ask),
            never: lines::print(&client.mandate.never),
        };
        let spec = RunSpec {
            task: client.task.clone(),
            on_behalf_of: person.map(|_| opening.opener.name.clone()),
            limits: client.limits,
            ..detached(agent, mandate, prepared)
        };
        self.open(step, &opening, &spec, prepared).map(|granted| granted.run.id)
    }

    fn open_hop(
        &self,
        step: &mut Step<'_, '_>,
        hop: Hop,
        prepared: &Prepared,
    ) -> Result<Id<Run>, AdminError> {
        if let Some(run) = hop.found(step.world, step.now) {
            return Ok(run.fact.id);
        }
        let is_stopped = Behind::Hop(hop).stopped_until(step.world, step.now).is_some();
        if is_stopped || self.inner().unrecorded.stops_hop(step.world, hop) {
            return Err(gone("a human killed this hop"));
        }
        let parent = open_parent(step.world, hop.subject, step.now)?;
        let presenter = open_parent(step.world, hop.presenter, step.now)?;
        let opener = step.world.users.get(parent.fact.opened_by);
        let opener = UserRef::from(&opener.ok_or_else(AdminError::unavailable)?.fact);
        let agent = agent_name(step, presenter.fact.agent)?;
        // What the presenter may do itself narrows it like a file of the repository: lines that the
        // run above does not have are left out.
        let own = &presenter.fact.mandate;
        let own = Lines {
            allow: lines::print(&own.allow),
            ask: lines::print(&own.ask),
            never: lines::print(&own.never),
        };
        let left = presenter.fact.expires_at.since(step.now);
        let spec = RunSpec {
            file_mandate: Some(own),
            limits: presenter.fact.limits,
            ttl_secs: left.as_secs().max(1),
            tier: parent.fact.tier.min(presenter.fact.tier),
            ..detached(agent, Lines::default(), prepared)
        };
        let oauth = RunClient {
            client: presenter.fact.client(),
            presenter: Some(hop.presenter),
            ..RunClient::default()
        };
        let opening = Opening { opener, parent: Some(parent), oauth: Some(oauth) };
        self.open(step, &opening, &spec, prepared).map(|granted| granted.run.id)
    }
}

fn detached(agent: Name, mandate: Lines, prepared: &Prepared) -> RunSpec {
    RunSpec {
        agent: Some(agent),
        task: None,
        on_behalf_of: None,
        mandate,
        file_mandate: None,
        limits: marque_domain::Limits::default(),
        ttl_secs: prepared.ttl.as_secs(),
        tier: Tier::Advisory,
        tier_floor: None,
        keys: None,
    }
}

fn agent_name(step: &Step<'_, '_>, agent: Id<marque_domain::Agent>) -> Result<Name, AdminError> {
    let agent = step.world.agents.get(agent);
    agent.map(|agent| agent.fact.name.clone()).ok_or_else(AdminError::unavailable)
}

fn gone(what: &str) -> AdminError {
    AdminError::new(AdminKind::Conflict, what)
}
