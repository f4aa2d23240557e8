//! The plane: everything one server holds, and the front door of every verb.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use marque_crypto::Random;
use marque_crypto::factor::Cost;
use marque_crypto::intercept::InterceptAuthority;
use marque_crypto::machine::MachineHashKey;
use marque_crypto::seal::KeyManager;
use marque_domain::{
    Code, Connection, Endpoint, GitAuthor, Id, Named, Refusal, Revised, Run, Tier, Timestamp, User,
    UserRef,
};
use marque_policy::PolicySet;
use marque_store::Store;
use marque_tlog::{KeyName, VerifierKey};
use metrics::Counter;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::caller::{
    self, Acting, Factor, Humans, Peer, Presented, TerminalSession, Tried, who_is_meant,
};
use crate::clock::Clock;
use crate::decide::{self, Ask, Preview};
use crate::error::{AdminError, AdminKind};
use crate::git::GitSigner;
use crate::issuer_keys::KeyFetches;
use crate::laps::StageTimes;
use crate::live::{Birth, Kin, LiveRun};
use crate::log_key::LogSigner;
use crate::oauth::{Asserted, LatestNonces, OAuthSettings, Polls, Rendered, VerifiedTokens};
use crate::outbound::Outbound;
use crate::record::{self, Permit};
use crate::seen::Seen;
use crate::sequence::{BEHIND_MAX, Durability, LOST, Sequencer};
use crate::step::Step;
use crate::verbs::kill::Unrecorded;
use crate::world::World;

/// What the plane is given: keys, policies, and the things it must not fetch itself.
pub struct Parts {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Fetches what other issuers publish.
    pub outbound: Arc<dyn Outbound>,
    /// Draws ids and secrets.
    pub random: Arc<dyn Random>,
    /// Wraps the keys of sealed credentials.
    pub key_manager: Arc<dyn KeyManager>,
    /// Signs checkpoints, and nothing else.
    pub log_key: Arc<LogSigner>,
    /// Hashes machine secrets.
    pub machine_key: MachineHashKey,
    /// The policies in force.
    pub policies: Arc<PolicySet>,
    /// What a passphrase costs to check.
    pub factor_cost: Cost,
    /// What was seen of the store before, kept outside it: a store that is an older copy is not
    /// taken.
    pub seen: Vec<Seen>,
}

/// What an administrator can set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The name of the plane in SPIFFE ids and checkpoints; drawn at the first start if `None`.
    pub trust_domain: Option<String>,
    /// How long a question waits for a human, and a given approval for its use.
    pub approval_ttl: Duration,
    /// The longest a run may last.
    pub max_run_ttl: Duration,
    /// What runs commit as.
    pub git: GitSettings,
    /// How deep an actor chain may grow.
    pub max_depth: usize,
    /// The score below which every run is refused, 0 to 100.
    pub trust_floor: u8,
    /// How firmly every run must at least be held.
    pub tier_floor: Tier,
    /// The token service; off if `None`.
    pub oauth: Option<OAuthSettings>,
}

/// What runs commit as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GitSettings {
    /// Whether runs have a git identity of their own, and signatures for it.
    pub identity: bool,
    /// Whom a commit may name as its author.
    pub author: GitAuthor,
}

impl Default for GitSettings {
    fn default() -> Self {
        Self { identity: true, author: GitAuthor::Agent }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            trust_domain: None,
            approval_ttl: Duration::from_secs(15 * 60),
            max_run_ttl: Duration::from_secs(24 * 3_600),
            git: GitSettings::default(),
            max_depth: marque_domain::chain::DEFAULT_DEPTH,
            trust_floor: 0,
            tier_floor: Tier::Advisory,
            oauth: None,
        }
    }
}

/// One server's plane. Cheap to clone.
#[derive(Clone)]
pub struct Plane {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) sequencer: Sequencer,
    pub(crate) parts: Parts,
    pub(crate) settings: Settings,
    pub(crate) trust_domain: String,
    pub(crate) git: GitSigner,
    pub(crate) log_name: KeyName,
    pub(crate) humans: Humans,
    pub(crate) tasks: TaskTracker,
    pub(crate) stages: StageTimes,
    pub(crate) allowed: Counter,
    pub(crate) stopping: CancellationToken,
    pub(crate) proxy: OnceLock<SocketAddr>,
    pub(crate) kin: Kin,
    /// How often an older copy of the store was taken.
    pub(crate) restored: u64,
    /// Until when runs of an earlier server are waited for, since this one started its clock.
    pub(crate) awaits_until: Duration,
    /// Whether a kill may have come that this server did not hear of.
    pub(crate) is_lost: watch::Sender<bool>,
    /// Whether the other servers go on without this one.
    pub(crate) deposed: CancellationToken,
    /// Assertions that were used and are not in the store yet.
    pub(crate) asserted: Arc<Asserted>,
    /// When clients asked last how their requests stand.
    pub(crate) polls: Polls,
    /// Kills that the log could not take.
    pub(crate) unrecorded: Unrecorded,
    /// Tokens whose signature was verified.
    pub(crate) verified: VerifiedTokens,
    /// Status lists as they were published last.
    pub(crate) rendered: Rendered,
    /// The nonces of now.
    pub(crate) nonces: LatestNonces,
    /// When which other issuer was asked for its keys.
    pub(crate) key_fetches: KeyFetches,
}

impl Plane {
    pub(crate) fn from_inner(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// Lets everything under way finish, then closes the log. Waits as long as the disk does;
    /// whoever cannot wait that long bounds it.
    pub async fn stop(&self) {
        self.inner.stopping.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
        let plane = self.clone();
        let closing = TaskTracker::new().spawn_blocking(move || plane.inner.sequencer.stop());
        if closing.await.is_err() {
            tracing::error!("the log was not closed in order");
        }
    }

    /// The clock.
    pub fn clock(&self) -> &dyn Clock {
        &*self.inner.parts.clock
    }

    /// What time it is for runs, grants and all else that ends at a moment, certificates apart: the
    /// database's where servers share a store, so that a clock which is wrong here ends nothing too
    /// early or too late.
    pub fn now(&self) -> Timestamp {
        let clock = self.clock();
        let shared = || self.sequencer().pulse().time(clock.elapsed());
        let shared = if self.inner.store.is_shared() { shared() } else { None };
        shared.unwrap_or_else(|| clock.now())
    }

    /// Who holds this proof, for choosing the authority that intercepts for the run. Not a
    /// decision: nothing may be done because of it.
    pub fn caller(&self, presented: &Presented) -> Result<Arc<LiveRun>, Refusal> {
        caller::prove(&self.world(), self.machine_key(), presented)
    }

    /// As [`Plane::caller`], for somebody who has just come: a proof that nobody here knows may be
    /// of a run that another server has opened a moment ago. It is looked up again once everything
    /// that was committed by now is known here, or half a second has passed.
    pub async fn meet(&self, presented: &Presented) -> Result<Arc<LiveRun>, Refusal> {
        let met = self.caller(presented);
        let is_unknown = matches!(&met, Err(refusal) if refusal.code == Code::CallerUnknown);
        if !is_unknown || !self.inner.store.is_shared() {
            return met;
        }
        self.sequencer().pulse().passes(self.clock()).await;
        self.caller(presented)
    }

    /// The connections that serve an endpoint.
    pub fn connections_at(&self, endpoint: &Endpoint) -> Vec<Arc<Revised<Connection>>> {
        self.world().connections_at(endpoint).cloned().collect()
    }

    /// What the road would answer now. Records nothing.
    pub fn preview(&self, ask: &Ask) -> Preview {
        decide::preview(self, ask)
    }

    /// How far this server may be behind the others that share its store; nothing if it has its
    /// store to itself.
    pub fn behind(&self) -> Duration {
        if !self.inner.store.is_shared() {
            return Duration::ZERO;
        }
        self.sequencer().pulse().behind(self.clock().elapsed())
    }

    /// Whether it is too far behind to answer.
    pub fn is_behind(&self) -> bool {
        self.behind() > BEHIND_MAX
    }

    /// Resolves while a kill may have come that this server did not hear of: nothing may flow.
    pub async fn lost(&self) {
        if !self.inner.store.is_shared() {
            return std::future::pending().await;
        }
        let mut is_lost = self.inner.is_lost.subscribe();
        // The sender lives as long as this plane.
        let mut told = pin!(is_lost.wait_for(|is_lost| *is_lost));
        poll_fn(|cx| {
            // ORDER: the pulse first. After a pause of the whole process whoever is told of it may
            // be told too late.
            if self.behind() > LOST {
                return Poll::Ready(());
            }
            told.as_mut().poll(cx).map(|_| ())
        })
        .await;
    }

    /// What is on disk of the log: what the next start must find again.
    pub fn seen(&self) -> Seen {
        let head = self.sequencer().synced();
        Seen { restored: self.inner.restored, size: head.size, root: head.root }
    }

    /// Whether the other servers go on without this one.
    pub fn is_deposed(&self) -> bool {
        self.inner.deposed.is_cancelled()
    }

    /// Resolves once the other servers go on without this one: it must be started anew.
    pub async fn deposed(&self) {
        self.inner.deposed.cancelled().await;
    }

    /// Walks the road: the only way to a [`Permit`]. Refusals are recorded too.
    ///
    /// A server that has not heard from the others for half a second refuses everything.
    pub async fn decide(&self, ask: Ask) -> Result<Permit, Refusal> {
        self.must_hear()?;
        decide::decide(self, ask).await
    }

    /// Refuses where it is too far behind to answer.
    pub fn must_hear(&self) -> Result<(), Refusal> {
        if self.is_behind() {
            return Err(record::behind(self.behind(), self.sequencer().pulse().is_rewound()));
        }
        Ok(())
    }

    /// Refuses where nothing can be recorded: the last try to write the log failed. Ends by itself
    /// once there is room again, or the disk or the database can be written.
    pub fn must_record(&self) -> Result<(), Refusal> {
        self.sequencer().failure().map_or(Ok(()), |failure| Err(record::unwritable(&failure)))
    }

    /// Says where the proxy door listens; the first word counts.
    pub fn set_proxy_address(&self, address: SocketAddr) {
        self.inner.proxy.get_or_init(|| address);
    }

    /// Proves a human: by their factor, else by the peer's unlocked terminal.
    ///
    /// A process inside a run is never a human, whatever it presents.
    pub async fn identify(
        &self,
        peer: &Peer,
        factor: Option<Factor>,
        is_dry_run: bool,
    ) -> Result<Acting<User>, AdminError> {
        let user = match factor {
            Some(factor) => self.prove_human(peer, factor).await?,
            None => self.at_terminal(peer)?,
        };
        Ok(Acting::proven(user, is_dry_run))
    }

    /// Proves a run by its secret, or by a door of it. For what a run may ask of the plane itself:
    /// the secret of a captured run serves here, for its launcher has nothing else, and on no road.
    pub fn identify_run(&self, presented: &Presented) -> Result<Acting<Run>, AdminError> {
        let live = caller::identify(&self.world(), self.machine_key(), presented)?;
        Ok(Acting::of_run(live))
    }

    /// The run a process belongs to, by descent from its launcher.
    ///
    /// A run that is closed counts too, as long as it is remembered: a run can end itself, and
    /// that must not turn what it left behind into a human's process.
    pub fn run_of(&self, peer: &Peer) -> Option<Id<Run>> {
        let world = self.world();
        let mut inside = world.all_live().filter(|live| live.holds(peer));
        inside.next().map(|live| live.run)
    }

    /// Checks a factor for one act, whatever terminal it comes from.
    pub(crate) async fn prove_human(
        &self,
        peer: &Peer,
        factor: Factor,
    ) -> Result<UserRef, AdminError> {
        self.must_be_outside(peer)?;
        let world = self.world();
        if world.users.is_empty() {
            return Err(AdminError::not_claimed());
        }
        let user = who_is_meant(&world, factor.user.as_ref());
        let hash = match &user {
            Some(user) => self.stored_factor(user.id).await?,
            None => None,
        };
        let tried = Tried { user: user.clone(), hash, session: peer.session };
        let (humans, now) = (&self.inner.humans, self.now());
        let proven = humans.prove(tried, factor.passphrase, now, &self.inner.tasks).await;
        if matches!(&proven, Err(error) if error.kind == AdminKind::BadFactor) {
            self.record_failed_factor(user).await;
        }
        proven
    }

    fn at_terminal(&self, peer: &Peer) -> Result<UserRef, AdminError> {
        self.must_be_outside(peer)?;
        if self.world().users.is_empty() {
            return Err(AdminError::not_claimed());
        }
        self.must_be_free(peer)?;
        let unlocked = self.inner.humans.at_terminal(peer, self.now());
        unlocked.map(|(user, _)| user).ok_or_else(AdminError::locked)
    }

    /// No run may sit at the peer's terminal when it is to count as a human's.
    pub(crate) fn must_be_free(&self, peer: &Peer) -> Result<(), AdminError> {
        let here = |session| self.inner.humans.occupant(session);
        match peer.session.and_then(|session| here(session).or_else(|| self.elsewhere(session))) {
            None => Ok(()),
            Some(run) => {
                let message =
                    format!("run `{run}` was opened from this terminal and has not ended in order");
                Err(AdminError::new(AdminKind::Locked, message)
                    .hint("use another terminal, or give the passphrase with the command"))
            }
        }
    }

    // A run that another server of this machine opened from that terminal.
    fn elsewhere(&self, session: TerminalSession) -> Option<Id<Run>> {
        let world = self.world();
        let is_there = |live: &&Arc<LiveRun>| {
            live.session == Some(session) && live.home != self.inner.kin.replica
        };
        let found = world.all_live().filter(is_there).find(|live| !live.is_cancelled());
        found.map(|live| live.run)
    }

    /// The living side of a new run, such that the other servers of a shared store can have it too,
    /// and that of a captured one the next server here.
    pub(crate) fn live(
        &self,
        birth: Birth,
        intercept: Option<InterceptAuthority>,
        tier: Tier,
    ) -> Result<LiveRun, AdminError> {
        let live = LiveRun::new(birth, intercept, Arc::clone(&self.inner.kin.replica));
        let outlives = tier == Tier::Captured || live.launcher.is_none();
        if !self.inner.store.is_shared() && !outlives {
            return Ok(live);
        }
        let kept = live.for_kin(&self.inner.kin, self.random());
        kept.map_err(|error| AdminError::invalid(&error))
    }

    pub(crate) fn must_be_outside(&self, peer: &Peer) -> Result<(), AdminError> {
        if peer.process().is_none() {
            let message = "the process that asks cannot be told from one inside a run";
            return Err(AdminError::new(AdminKind::InsideRun, message));
        }
        match self.run_of(peer) {
            None => Ok(()),
            Some(run) => {
                let message = format!("a process inside run `{run}` cannot act as a human");
                Err(AdminError::new(AdminKind::InsideRun, message)
                    .hint("use another terminal; inside a run an agent can only ask"))
            }
        }
    }

    /// Queues a human's change. A dry run does everything but keep it.
    pub(crate) async fn change<R: Send + 'static>(
        &self,
        who: &Acting<User>,
        mut body: impl FnMut(&mut Step<'_, '_>) -> Result<R, AdminError> + Send + 'static,
    ) -> Result<R, AdminError> {
        let is_dry_run = who.is_dry_run;
        let answer = self.sequencer().submit(Durability::Disk, move |step| match body(step) {
            Ok(done) if is_dry_run => Err(Undone::Rehearsed(done)),
            Ok(done) => Ok(done),
            Err(error) => Err(Undone::Failed(error)),
        });
        match answer.await {
            Ok(done) | Err(Undone::Rehearsed(done)) => Ok(done),
            Err(Undone::Failed(error)) => Err(error),
        }
    }

    pub(crate) fn world(&self) -> Arc<World> {
        self.inner.sequencer.world()
    }

    pub(crate) fn sequencer(&self) -> &Sequencer {
        &self.inner.sequencer
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    pub(crate) fn machine_key(&self) -> &MachineHashKey {
        &self.inner.parts.machine_key
    }

    pub(crate) fn key_manager(&self) -> &dyn KeyManager {
        &*self.inner.parts.key_manager
    }

    pub(crate) fn signer(&self) -> &Arc<LogSigner> {
        &self.inner.parts.log_key
    }

    pub(crate) fn random(&self) -> &dyn Random {
        &*self.inner.parts.random
    }

    pub(crate) fn verifier_key(&self) -> VerifierKey {
        VerifierKey::new(self.inner.log_name.clone(), self.signer().public())
    }

    /// A new id of this moment.
    pub(crate) fn id<K: Named>(&self) -> Id<K> {
        Id::new(self.now(), marque_crypto::random::bytes(self.random()))
    }

    /// What measures the stages of the road.
    pub(crate) fn stopwatch(&self) -> (&dyn Clock, &StageTimes) {
        (self.clock(), &self.inner.stages)
    }

    /// Starts a task that the plane waits for when it stops.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.inner.tasks.spawn(task);
    }
}

// What a rehearsed or failed change carries back past the rollback.
enum Undone<R> {
    Rehearsed(R),
    Failed(AdminError),
}

impl<R> From<crate::failure::Failure> for Undone<R> {
    fn from(failure: crate::failure::Failure) -> Self {
        Self::Failed(failure.into())
    }
}
