//! Opening a run: everything it stands on is looked at inside one savepoint.

use std::sync::Arc;
use std::time::Duration;

use marque_crypto::intercept::InterceptAuthority;
use marque_crypto::machine::{self, MachineSecret};
use marque_domain::event::RunOpened;
use marque_domain::run::RunClient;
use marque_domain::{
    Actor, ActorChain, Agent, Authority, Event, FactRef, Id, Revised, Run, RunState, TaskRef, Tier,
    Timestamp, User, UserRef,
};

use super::reached::Reached;
use super::{bounds, closed_task};
use crate::caller::{Acting, Peer, TerminalSession};
use crate::error::{AdminError, AdminKind};
use crate::live::{Birth, LiveRun};
use crate::plane::Plane;
use crate::sequence::Durability;
use crate::spec::RunSpec;
use crate::step::Step;
use crate::verbs::{limits, lines};
use crate::view::{OpenedRunView, RunView};
use crate::world::World;

/// Runs known at once, open or closed lately.
const MAX_OPEN: usize = 150_000;
/// Runs open at once in one tree of parents and children.
const MAX_TREE: usize = 64;

// Who opens a run, and what that bounds it by.
#[derive(Clone)]
pub(super) struct Opening {
    pub(super) opener: UserRef,
    pub(super) parent: Option<Arc<Revised<Run>>>,
    /// How it stands to the token service, where nobody launches it.
    pub(super) oauth: Option<RunClient>,
}

impl Opening {
    // A child lives where its parent does, so it is held as its parent is. What acts for a run from
    // elsewhere does not.
    pub(super) fn tier(&self, spec: &RunSpec) -> Tier {
        if self.oauth.is_some() {
            return spec.tier;
        }
        self.parent.as_ref().map_or(spec.tier, |parent| parent.fact.tier)
    }
}

impl Plane {
    /// Opens a run for a human.
    pub async fn open_run(
        &self,
        who: &Acting<User>,
        launcher: &Peer,
        spec: RunSpec,
    ) -> Result<OpenedRunView, AdminError> {
        let opening = Opening { opener: Self::by(who), parent: None, oauth: None };
        let prepared = self.prepare((launcher, launcher.session), None, &spec)?;
        let run = prepared.live.run;
        let sitting = launcher.session.filter(|_| !who.is_dry_run);
        // ORDER: the terminal is occupied before there is a run that could use its unlock.
        if let Some(session) = sitting {
            self.inner().humans.occupy(session, run)?;
        }
        let (plane, inside) = (self.clone(), prepared.clone());
        let opened = self.change(who, move |step| plane.open(step, &opening, &spec, &inside)).await;
        if let (Some(session), Err(_)) = (sitting, &opened) {
            self.inner().humans.vacate(session, run);
        }
        let opened = opened?;
        let git = self.git_of(&opened.run);
        Ok(OpenedRunView { git, issuer: self.issuer(), ..prepared.hand_out(opened) })
    }

    /// Opens a child run for a run: inside its mandate, never past its end, closed with it.
    pub async fn open_child(
        &self,
        who: &Acting<Run>,
        launcher: &Peer,
        spec: RunSpec,
    ) -> Result<OpenedRunView, AdminError> {
        let parent = who.run();
        let prepared = self.prepare((launcher, None), Some(parent), &spec)?;
        let (plane, inside) = (self.clone(), prepared.clone());
        let opened = self
            .sequencer()
            .submit(Durability::Disk, move |step| {
                let parent = open_parent(step.world, parent, step.now)?;
                let opener = step.world.users.get(parent.fact.opened_by);
                let opener = opener.ok_or_else(AdminError::unavailable)?;
                let opener = UserRef::from(&opener.fact);
                let opening = Opening { opener, parent: Some(parent), oauth: None };
                plane.open(step, &opening, &spec, &inside)
            })
            .await?;
        let git = self.git_of(&opened.run);
        Ok(OpenedRunView { git, issuer: self.issuer(), ..prepared.hand_out(opened) })
    }

    // The root never changes, so any world that knows the parent will do.
    fn root_of(&self, run: Id<Run>) -> Option<Id<Run>> {
        let world = self.world();
        world.runs.get(run)?.fact.chain.actors.first().map(|first| first.run)
    }

    fn tier_of(&self, run: Id<Run>) -> Option<Tier> {
        self.world().runs.get(run).map(|run| run.fact.tier)
    }

    fn prepare(
        &self,
        (launcher, session): (&Peer, Option<TerminalSession>),
        parent: Option<Id<Run>>,
        spec: &RunSpec,
    ) -> Result<Arc<Prepared>, AdminError> {
        let ttl = Duration::from_secs(spec.ttl_secs).min(self.settings().max_run_ttl);
        if ttl.is_zero() {
            return Err(AdminError::new(AdminKind::Invalid, "a run lasts at least one second"));
        }
        limits::must_make_sense(&spec.limits)?;
        let process = launcher.process().ok_or_else(|| {
            AdminError::new(AdminKind::Invalid, "the launcher's process cannot be told")
        })?;
        let proxy = self.inner().proxy.get().copied().ok_or_else(AdminError::unavailable)?;
        // By the wall clock: certificates are judged by that of the clients on this machine.
        let (id, now) = (self.id::<Run>(), self.clock().now());
        let secret = MachineSecret::generate(self.random());
        let text = secret.expose_text();
        let hash = machine::hash(self.machine_key(), text.as_bytes());
        let intercept = InterceptAuthority::create(&id.to_string(), now, ttl)
            .map_err(|error| AdminError::invalid(&error))?;
        let root = parent.and_then(|parent| self.root_of(parent)).unwrap_or(id);
        let birth = Birth { run: id, root, launcher: Some(process), session, secret_hash: hash };
        // A child is held as its parent is.
        let parent_tier = parent.and_then(|parent| self.tier_of(parent));
        let tier = parent_tier.unwrap_or(spec.tier);
        let live = Arc::new(self.live(birth, Some(intercept), tier)?);
        Ok(Arc::new(Prepared { live, secret: text, proxy: Some(proxy), ttl }))
    }

    // Everything that bounds a run is looked at here, inside its savepoint.
    pub(super) fn open(
        &self,
        step: &mut Step<'_, '_>,
        opening: &Opening,
        spec: &RunSpec,
        prepared: &Prepared,
    ) -> Result<Granted, AdminError> {
        let agent = bounds::wanted_agent(step.world, opening, spec)?;
        let grants = bounds::grants_for(step.world, &agent, &opening.opener, step.now)?;
        let organisation_floor = self.settings().tier_floor;
        bounds::must_be_held(step, opening, spec, (&agent, organisation_floor))?;
        let (mandate, left_out) = bounds::mandate(step.world, opening, spec, &grants)?;
        let run = self.bounded(step, opening, spec, (&agent, mandate, prepared))?;
        let user_namespaces = bounds::may_make_user_namespaces(&run, opening, &grants);
        let run = step.save(Run { user_namespaces, ..run })?;
        step.enliven(Arc::clone(&prepared.live));
        let mut facts = vec![run.reference()];
        facts.extend(step.world.agents.get(agent.id).map(|agent| agent.reference()));
        facts.extend(grants.iter().map(|grant| grant.reference()));
        step.append(Event::RunOpened(Box::new(opened(&run.fact, &agent, opening, facts))))?;
        let reached = Reached::by(step.world, &run.fact.mandate);
        Ok(Granted { run: self.show(step.world).run(&run.fact), left_out, reached })
    }

    fn bounded(
        &self,
        step: &mut Step<'_, '_>,
        opening: &Opening,
        spec: &RunSpec,
        (agent, mandate, prepared): (&Agent, Authority, &Prepared),
    ) -> Result<Run, AdminError> {
        must_have_room(step, opening)?;
        let actor = Actor { agent: agent.id, run: prepared.live.run };
        let expires_at = step.now.plus(prepared.ttl);
        let parent = opening.parent.as_ref().map(|parent| &parent.fact);
        let chain = match parent {
            Some(parent) => parent
                .chain
                .extended(actor, self.settings().max_depth)
                .map_err(|error| AdminError::conflict(&error))?,
            None => ActorChain::starting(bounds::on_behalf_of(step.world, opening, spec)?, actor),
        };
        let task = spec.task.clone().or_else(|| parent.map(|parent| parent.task.clone()));
        let task = match task {
            Some(task) => task,
            None => unnamed_task(prepared.live.run)?,
        };
        if step.tx.setting(&closed_task(&task))?.is_some() {
            let message = format!("task `{task}` is closed");
            return Err(AdminError::new(AdminKind::Conflict, message).hint("name another task"));
        }
        Ok(Run {
            id: prepared.live.run,
            agent: agent.id,
            version: agent.version,
            task,
            opened_by: opening.opener.id,
            parent: parent.map(|parent| parent.id),
            chain,
            mandate,
            limits: spec.limits,
            tier: opening.tier(spec),
            user_namespaces: false,
            oauth: oauth(opening, spec)?.map(Box::new),
            opened_at: step.now,
            expires_at: parent.map_or(expires_at, |parent| expires_at.min(parent.expires_at)),
            state: RunState::Open,
        })
    }
}

// What a run needs that must not be made inside a transaction.
pub(super) struct Prepared {
    pub(super) live: Arc<LiveRun>,
    pub(super) secret: zeroize::Zeroizing<String>,
    /// None of a run that has no door.
    pub(super) proxy: Option<std::net::SocketAddr>,
    pub(super) ttl: Duration,
}

// What came of opening it.
pub(super) struct Granted {
    pub(super) run: RunView,
    left_out: Vec<String>,
    reached: Reached,
}

impl Prepared {
    fn hand_out(&self, granted: Granted) -> OpenedRunView {
        let Granted { run, left_out, reached } = granted;
        OpenedRunView {
            run,
            secret: self.secret.to_string(),
            proxy: self.proxy.map(|proxy| proxy.to_string()).unwrap_or_default(),
            ca_pem: self
                .live
                .intercept
                .as_ref()
                .map(InterceptAuthority::ca_pem)
                .unwrap_or_default(),
            left_out,
            ports: reached.ports,
            hosts: reached.hosts,
            git: None,
            issuer: None,
        }
    }
}

// One tree of runs cannot take the room of all others (threat 45).
fn must_have_room(step: &Step<'_, '_>, opening: &Opening) -> Result<(), AdminError> {
    let root = |run: &Run| run.chain.actors.first().map(|first| first.run);
    let tree = opening.parent.as_ref().and_then(|parent| root(&parent.fact));
    let kin = tree.map_or(0, |root| kin(step, root));
    // Those closed a while ago count as well, as long as they are remembered.
    let known = step.world.runs.len();
    if known >= MAX_OPEN || kin >= MAX_TREE {
        let message = format!("{known} runs are open or were lately, {kin} open ones in this tree");
        return Err(AdminError::new(AdminKind::Unavailable, message)
            .hint("let some end first: `marque run list`"));
    }
    Ok(())
}

// The open runs of a tree, as far as it matters how many there are.
fn kin(step: &Step<'_, '_>, root: Id<Run>) -> usize {
    let (mut open, mut pending) = (0, vec![root]);
    while let (Some(run), true) = (pending.pop(), open < MAX_TREE) {
        let is_open = step.world.runs.get(run).is_some_and(|run| run.fact.is_open(step.now));
        open += usize::from(is_open);
        pending.extend(step.world.children_of(run).map(|child| child.fact.id));
    }
    open
}

// A launched run may have keys of its own, which its launcher made.
fn oauth(opening: &Opening, spec: &RunSpec) -> Result<Option<RunClient>, AdminError> {
    let Some(keys) = &spec.keys else { return Ok(opening.oauth.clone()) };
    let keys = crate::verbs::clients::read_keys(keys)?;
    let oauth = opening.oauth.clone().unwrap_or_default();
    Ok(Some(RunClient { keys: Some(keys), ..oauth }))
}

fn unnamed_task(run: Id<Run>) -> Result<TaskRef, AdminError> {
    format!("unnamed:{run}").parse().map_err(|error| AdminError::invalid(&error))
}

pub(super) fn open_parent(
    world: &World,
    parent: Id<Run>,
    now: Timestamp,
) -> Result<Arc<Revised<Run>>, AdminError> {
    // One that was cut and is not closed yet opens nothing either.
    let is_cut = world.live(parent).is_some_and(|live| live.is_cancelled());
    let parent = world.runs.get(parent).filter(|run| run.fact.is_open(now) && !is_cut);
    parent.cloned().ok_or_else(|| AdminError::new(AdminKind::Conflict, "the opening run is closed"))
}

fn opened(run: &Run, agent: &Agent, opening: &Opening, facts: Vec<FactRef>) -> RunOpened {
    RunOpened {
        run: run.id,
        agent: agent.id,
        agent_name: agent.name.clone(),
        version: run.version,
        task: run.task.clone(),
        opened_by: opening.opener.clone(),
        on_behalf_of: run.chain.on_behalf_of.map(|_| opening.opener.clone()),
        parent: run.parent,
        chain: run.chain.clone(),
        tier: run.tier,
        user_namespaces: run.user_namespaces,
        allow: lines::print(&run.mandate.allow),
        ask: lines::print(&run.mandate.ask),
        never: lines::print(&run.mandate.never),
        expires_at: run.expires_at,
        facts,
    }
}
