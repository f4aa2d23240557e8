//! Runs: opening them within everybody's bounds, and closing them with all they opened.

use std::sync::Arc;
use std::time::Duration;

use marque_crypto::intercept::InterceptAuthority;
use marque_crypto::machine::{self, MachineSecret};
use marque_domain::authority::{beyond, narrow};
use marque_domain::event::RunOpened;
use marque_domain::{
    Actor, ActorChain, Agent, Approval, Authority, Closing, Event, Grant, Id, Revised, Run,
    RunState, TaskRef, Tier, User, UserRef,
};

use super::agents::find_agent;
use super::lines;
use crate::caller::{Acting, Peer, TerminalSession};
use crate::error::{AdminError, AdminKind};
use crate::failure::Failure;
use crate::live::LiveRun;
use crate::plane::Plane;
use crate::sequence::Durability;
use crate::spec::{Lines, RunSpec};
use crate::step::Step;
use crate::view::{EndedView, OpenedRunView, RunView};
use crate::world::{MeterKey, World};

/// Runs open at once.
const MAX_OPEN: usize = 10_000;
/// Runs open at once in one tree of parents and children.
const MAX_TREE: usize = 64;
/// Closed runs shown at most.
const MAX_SHOWN: u64 = 1_000;

// Who opens a run, and what that bounds it by.
#[derive(Clone)]
struct Opening {
    opener: UserRef,
    parent: Option<Arc<Revised<Run>>>,
}

impl Plane {
    /// Opens a run for a human.
    pub async fn open_run(
        &self,
        who: &Acting<User>,
        launcher: &Peer,
        spec: RunSpec,
    ) -> Result<OpenedRunView, AdminError> {
        let opening = Opening { opener: Self::by(who), parent: None };
        let prepared = self.prepare(launcher, launcher.session, &spec)?;
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
        Ok(prepared.hand_out(opened?))
    }

    /// Opens a child run for a run: inside its mandate, never past its end, closed with it.
    pub async fn open_child(
        &self,
        who: &Acting<Run>,
        launcher: &Peer,
        spec: RunSpec,
    ) -> Result<OpenedRunView, AdminError> {
        let parent = who.run();
        let prepared = self.prepare(launcher, None, &spec)?;
        let (plane, inside) = (self.clone(), prepared.clone());
        let opened = self
            .sequencer()
            .submit(Durability::Disk, move |step| {
                let parent = open_parent(step.world, parent, step.now)?;
                let opener = step.world.users.get(parent.fact.opened_by);
                let opener = opener.ok_or_else(AdminError::unavailable)?;
                let opener = UserRef::from(&opener.fact);
                let opening = Opening { opener, parent: Some(parent) };
                plane.open(step, &opening, &spec, &inside)
            })
            .await?;
        Ok(prepared.hand_out(opened))
    }

    /// The open runs, or with them the youngest closed ones, oldest first.
    pub async fn runs(
        &self,
        _who: &Acting<User>,
        include_closed: bool,
    ) -> Result<Vec<RunView>, AdminError> {
        let world = self.world();
        let show = self.show(&world);
        let now = self.clock().now();
        let open = world.runs.all().filter(|run| run.fact.is_open(now));
        let mut runs: Vec<_> = open.map(|run| show.run(&run.fact)).collect();
        if include_closed {
            let store = self.inner().store.clone();
            let recent =
                self.blocking(move || store.read("runs", |tx| tx.recent::<Run>(None, MAX_SHOWN)));
            let closed = recent.await??;
            let is_shown = |run: &Run| runs.iter().any(|shown| shown.id == run.id);
            let closed: Vec<_> = closed
                .iter()
                .filter(|run| !is_shown(&run.fact))
                .map(|run| show.run(&run.fact))
                .collect();
            runs.extend(closed);
        }
        runs.sort_by_key(|run| run.id);
        Ok(runs)
    }

    /// One run, open or closed, by id.
    pub async fn run(&self, _who: &Acting<User>, which: &str) -> Result<RunView, AdminError> {
        let id: Id<Run> = which.parse().map_err(|error| AdminError::invalid(&error))?;
        let world = self.world();
        if let Some(run) = world.runs.get(id) {
            return Ok(self.show(&world).run(&run.fact));
        }
        let store = self.inner().store.clone();
        let found = self.blocking(move || store.read("run", |tx| tx.get(id))).await??;
        let run = found.ok_or_else(|| AdminError::not_found("run", which, "marque run list"))?;
        Ok(self.show(&world).run(&run.fact))
    }

    /// The run's launcher says that its command has ended and that no process of it is left.
    ///
    /// Nobody else can: the run's secret lies inside the run.
    pub async fn end_run(&self, who: &Acting<Run>, peer: &Peer) -> Result<EndedView, AdminError> {
        must_be_launcher(who, peer)?;
        let (run, plane) = (who.run(), self.clone());
        let view = self
            .sequencer()
            .submit(Durability::Disk, move |step| {
                close_tree(step, run, Closing::Done, None)?;
                let closed = step.world.runs.get(run).ok_or_else(AdminError::unavailable)?;
                Ok::<_, AdminError>(plane.show(step.world).run(&closed.fact))
            })
            .await?;
        if let Some(session) = who.live().session {
            self.inner().humans.vacate(session, run);
        }
        Ok(EndedView { run: view, checkpoint: self.checkpoint(Some(run)).await? })
    }

    /// Takes hold of a run. Only its launcher can, and only once.
    pub fn hold_run(&self, who: &Acting<Run>, peer: &Peer) -> Result<(), AdminError> {
        must_be_launcher(who, peer)?;
        if who.live().take_hold() {
            return Ok(());
        }
        let message = format!("run `{}` is held already", who.run());
        Err(AdminError::new(AdminKind::Conflict, message))
    }

    /// Resolves when the run is closed, by whomever, and that is on disk.
    pub async fn closed_run(&self, who: &Acting<Run>) -> Result<RunView, AdminError> {
        let live = Arc::clone(who.live());
        live.cancelled().await;
        self.sequencer().submit(Durability::Disk, |_| Ok::<_, Failure>(())).await?;
        let world = self.world();
        let run = world.runs.get(live.run).ok_or_else(AdminError::unavailable)?;
        Ok(self.show(&world).run(&run.fact))
    }

    /// The run's launcher is gone without a word, or never took hold: the run is closed.
    ///
    /// The terminal it was opened from stays occupied: a process the run left behind there could
    /// pass for a human's.
    pub async fn abandon_run(&self, run: Id<Run>) {
        let closed = self.sequencer().submit_patiently(Durability::Disk, move |step| {
            close_tree(step, run, Closing::Orphaned, None)
        });
        if let Err(failure) = closed.await {
            tracing::error!(%run, %failure, "an abandoned run could not be closed; it is cut");
            if let Some(live) = self.world().live(run) {
                live.cut();
            }
        }
    }

    fn prepare(
        &self,
        launcher: &Peer,
        session: Option<TerminalSession>,
        spec: &RunSpec,
    ) -> Result<Arc<Prepared>, AdminError> {
        if spec.tier != Tier::Advisory {
            let message = format!("this version of marque holds no run in tier {}", spec.tier);
            return Err(AdminError::new(AdminKind::Invalid, message));
        }
        let ttl = Duration::from_secs(spec.ttl_secs).min(self.settings().max_run_ttl);
        if ttl.is_zero() {
            return Err(AdminError::new(AdminKind::Invalid, "a run lasts at least one second"));
        }
        let process = launcher.process().ok_or_else(|| {
            AdminError::new(AdminKind::Invalid, "the launcher's process cannot be told")
        })?;
        let proxy = self.inner().proxy.get().copied().ok_or_else(AdminError::unavailable)?;
        let (id, now) = (self.id::<Run>(), self.clock().now());
        let secret = MachineSecret::generate(self.random());
        let text = secret.expose_text();
        let hash = machine::hash(self.machine_key(), text.as_bytes());
        let intercept = InterceptAuthority::create(&id.to_string(), now, ttl)
            .map_err(|error| AdminError::invalid(&error))?;
        let live = Arc::new(LiveRun::new(id, intercept, (process, session), hash));
        Ok(Arc::new(Prepared { live, secret: text, proxy, ttl }))
    }

    // Everything that bounds a run is looked at here, inside its savepoint.
    fn open(
        &self,
        step: &mut Step<'_, '_>,
        opening: &Opening,
        spec: &RunSpec,
        prepared: &Prepared,
    ) -> Result<(RunView, Vec<String>), AdminError> {
        let agent = wanted_agent(step.world, opening, spec)?;
        let grants = grants_for(step.world, &agent, &opening.opener, step.now)?;
        let (mandate, left_out) = mandate(step.world, opening, spec, &grants)?;
        let run = self.bounded(step, opening, spec, (&agent, mandate, prepared))?;
        let run = step.save(run)?;
        step.world.enliven(Arc::clone(&prepared.live));
        let mut facts = vec![run.reference()];
        facts.extend(step.world.agents.get(agent.id).map(|agent| agent.reference()));
        facts.extend(grants.iter().map(|grant| grant.reference()));
        step.append(Event::RunOpened(Box::new(opened(&run.fact, &agent, opening, facts))))?;
        Ok((self.show(step.world).run(&run.fact), left_out))
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
            None => ActorChain::starting(on_behalf_of(step.world, opening, spec)?, actor),
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
            tier: parent.map_or(spec.tier, |parent| parent.tier),
            opened_at: step.now,
            expires_at: parent.map_or(expires_at, |parent| expires_at.min(parent.expires_at)),
            state: RunState::Open,
        })
    }
}

// One tree of runs cannot take the room of all others (threat 45).
fn must_have_room(step: &Step<'_, '_>, opening: &Opening) -> Result<(), AdminError> {
    let root = |run: &Run| run.chain.actors.first().map(|first| first.run);
    let tree = opening.parent.as_ref().and_then(|parent| root(&parent.fact));
    let open: Vec<_> = step.world.runs.all().filter(|run| run.fact.is_open(step.now)).collect();
    let kin = open.iter().filter(|run| tree.is_some() && root(&run.fact) == tree).count();
    if open.len() >= MAX_OPEN || kin >= MAX_TREE {
        let message = format!("{} runs are open, {kin} of them in this tree", open.len());
        return Err(AdminError::new(AdminKind::Unavailable, message)
            .hint("let some end first: `marque run list`"));
    }
    Ok(())
}

fn must_be_launcher(who: &Acting<Run>, peer: &Peer) -> Result<(), AdminError> {
    if peer.process() == Some(who.live().launcher) {
        return Ok(());
    }
    let message = "only the launcher of a run can hold or end it";
    Err(AdminError::new(AdminKind::Forbidden, message)
        .hint("a run ends when its command does; a human can end it with `marque kill`"))
}

// What a run needs that must not be made inside a transaction.
struct Prepared {
    live: Arc<LiveRun>,
    secret: zeroize::Zeroizing<String>,
    proxy: std::net::SocketAddr,
    ttl: Duration,
}

impl Prepared {
    fn hand_out(&self, (run, left_out): (RunView, Vec<String>)) -> OpenedRunView {
        OpenedRunView {
            run,
            secret: self.secret.to_string(),
            proxy: self.proxy.to_string(),
            ca_pem: self.live.intercept.ca_pem(),
            left_out,
        }
    }
}

/// The setting that says a task is closed.
pub(crate) fn closed_task(task: &TaskRef) -> String {
    format!("closed_task {task}")
}

fn unnamed_task(run: Id<Run>) -> Result<TaskRef, AdminError> {
    format!("unnamed:{run}").parse().map_err(|error| AdminError::invalid(&error))
}

fn open_parent(
    world: &World,
    parent: Id<Run>,
    now: marque_domain::Timestamp,
) -> Result<Arc<Revised<Run>>, AdminError> {
    let parent = world.runs.get(parent).filter(|run| run.fact.is_open(now));
    parent.cloned().ok_or_else(|| AdminError::new(AdminKind::Conflict, "the opening run is closed"))
}

fn wanted_agent(world: &World, opening: &Opening, spec: &RunSpec) -> Result<Agent, AdminError> {
    let agent = match (&spec.agent, &opening.parent) {
        (Some(name), _) => find_agent(world, name.as_str())?,
        (None, Some(parent)) => {
            let agent = world.agents.get(parent.fact.agent);
            agent.map(|agent| agent.fact.clone()).ok_or_else(AdminError::unavailable)?
        }
        (None, None) => {
            return Err(AdminError::new(AdminKind::Invalid, "a run needs an agent")
                .hint("name it: `marque run --agent NAME -- COMMAND`; see `marque agent list`"));
        }
    };
    if agent.is_active() {
        return Ok(agent);
    }
    let message = format!("agent `{}` is {}", agent.name, agent.state.word());
    Err(AdminError::new(AdminKind::Conflict, message))
}

// The live grants that name the human who opens. Without one there is nothing to open under.
fn grants_for(
    world: &World,
    agent: &Agent,
    opener: &UserRef,
    now: marque_domain::Timestamp,
) -> Result<Vec<Arc<Revised<Grant>>>, AdminError> {
    let grants: Vec<_> = world
        .live_grants(agent.id, now)
        .filter(|grant| grant.fact.openers.contains(&opener.id))
        .cloned()
        .collect();
    if grants.is_empty() {
        let message =
            format!("no live grant of agent `{}` names `{}` as opener", agent.name, opener.name);
        return Err(AdminError::new(AdminKind::Forbidden, message).hint(format!(
            "give one: `marque grant add {} --allow 'CONNECTION:GET /**' --for 30d`",
            agent.name
        )));
    }
    Ok(grants)
}

fn on_behalf_of(
    world: &World,
    opening: &Opening,
    spec: &RunSpec,
) -> Result<Option<Id<User>>, AdminError> {
    let Some(name) = &spec.on_behalf_of else { return Ok(None) };
    let person = world.user_named(name).filter(|user| user.fact.is_live());
    match person {
        Some(person) if person.fact.id == opening.opener.id => Ok(Some(person.fact.id)),
        _ => {
            let message = format!("acting for `{name}` needs that person's own proof");
            Err(AdminError::new(AdminKind::Forbidden, message)
                .hint("open the run as yourself, or have them open it"))
        }
    }
}

// Grants ⊇ parent's mandate ⊇ what was asked for ⊇ what the repository's file leaves of it.
fn mandate(
    world: &World,
    opening: &Opening,
    spec: &RunSpec,
    grants: &[Arc<Revised<Grant>>],
) -> Result<(Authority, Vec<String>), AdminError> {
    let too_complex = |error: &_| AdminError::invalid(error);
    let mut ceiling =
        Authority::together(grants.iter().map(|grant| &grant.fact.authority)).normal();
    if let Some(parent) = &opening.parent {
        ceiling = narrow(&ceiling, &parent.fact.mandate).map_err(|error| too_complex(&error))?;
    }
    let asked = asked_for(world, &spec.mandate, &ceiling)?;
    let outside = beyond(&asked, &ceiling);
    if !outside.is_empty() {
        let listed: Vec<_> = outside.iter().map(|line| format!("`{line}`")).collect();
        let message = format!("{} is not inside what the run may have", listed.join(", "));
        return Err(AdminError::new(AdminKind::Forbidden, message)
            .hint("grant it first: `marque grant add AGENT --allow 'LINE' --for 30d`"));
    }
    let mandate = narrow(&asked, &ceiling).map_err(|error| too_complex(&error))?;
    let Some(file) = &spec.file_mandate else { return Ok((mandate, Vec::new())) };
    let file = asked_for(world, file, &mandate)?;
    let left_out = beyond(&file, &mandate).iter().map(ToString::to_string).collect();
    Ok((narrow(&mandate, &file).map_err(|error| too_complex(&error))?, left_out))
}

// Lines that only forbid take away from all there is.
fn asked_for(world: &World, wanted: &Lines, ceiling: &Authority) -> Result<Authority, AdminError> {
    let mut asked = lines::read(world, wanted)?;
    // What was written counts, not what is left of it: an allow that its own `never` swallows is an
    // empty mandate, never the whole ceiling.
    if wanted.allow.is_empty() && wanted.ask.is_empty() {
        asked.allow.clone_from(&ceiling.allow);
        asked.ask.clone_from(&ceiling.ask);
    }
    Ok(asked)
}

fn opened(
    run: &Run,
    agent: &Agent,
    opening: &Opening,
    facts: Vec<marque_domain::FactRef>,
) -> RunOpened {
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
        allow: lines::print(&run.mandate.allow),
        ask: lines::print(&run.mandate.ask),
        never: lines::print(&run.mandate.never),
        expires_at: run.expires_at,
        facts,
    }
}

/// Closes a run and every open run below it, lapses their approvals, and has their streams cut
/// once that is committed. Returns what it closed; nothing if the run was closed before.
pub(crate) fn close_tree(
    step: &mut Step<'_, '_>,
    run: Id<Run>,
    cause: Closing,
    by: Option<&UserRef>,
) -> Result<Vec<Id<Run>>, Failure> {
    let mut closed = Vec::new();
    let mut pending = vec![run];
    while let Some(id) = pending.pop() {
        pending.extend(step.world.children_of(id).map(|child| child.fact.id));
        let found = step.world.runs.get(id).map(|run| run.fact.clone());
        let Some(Ok(over)) = found.map(|run| run.close(cause.clone(), step.now)) else { continue };
        step.save(over)?;
        let open: Vec<Approval> =
            step.world.approvals_of(id).map(|approval| approval.fact.clone()).collect();
        let now = step.now;
        for lapsed in open.into_iter().filter_map(|approval| approval.lapse(now).ok()) {
            step.save(lapsed)?;
        }
        let calls = step.world.meter(MeterKey::Run(id)).calls;
        let refusals = step.world.refusals(id);
        let (cause, by) = (cause.clone(), by.cloned());
        step.append(Event::RunClosed { run: id, cause, by, calls, refusals })?;
        if let Some(live) = step.world.live(id).cloned() {
            step.cut(live);
        }
        closed.push(id);
    }
    Ok(closed)
}
