//! Actors: humans at terminals and runs with their secrets, each doing what only they can do.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use marque_crypto::Secret;
use marque_domain::{Approval, Id, Limits, Outcome, Refusal, Run, Service, Slot, Tier, User};
use marque_plane::spec::{
    AgentSpec, ConnectionSpec, GrantSpec, KillTarget, LimitSpec, Lines, RunSpec,
};
use marque_plane::view::{
    AgentView, ApprovalView, ClaimView, ConnectionView, EndedView, GrantView, KilledView,
    OpenedRunView,
};
use marque_plane::{
    Acting, AdminError, Ask, Crossed, Factor, Opened, Peer, Permit, Presented, ProcessKey,
    TerminalSession, broker,
};

use crate::{CANARY, Call, Done, HOST, PASSPHRASE, TestPlane, Verdict};

/// Numbers of processes, never given twice.
static PIDS: AtomicU32 = AtomicU32::new(10_000);

/// A human with a passphrase, at a terminal that is locked until they unlock it.
#[derive(Clone)]
pub struct Human {
    pub(crate) plane: TestPlane,
    name: &'static str,
    peer: Peer,
}

/// A run, holding its secret and nothing else.
pub struct RunActor {
    plane: TestPlane,
    opened: OpenedRunView,
    launcher: Peer,
}

impl Human {
    pub(crate) fn at_terminal(plane: TestPlane, name: &'static str, tty: u32) -> Self {
        let leader = ProcessKey { pid: 1_000 + tty, started: 1 };
        let session = Some(TerminalSession { leader, tty });
        let ancestors = vec![process(), leader, init()];
        Self { plane, name, peer: Peer { uid: 1_000, session, ancestors } }
    }

    /// The same human at another terminal.
    #[must_use]
    pub fn at(&self, tty: u32) -> Self {
        Self::at_terminal(self.plane.clone(), self.name, tty)
    }

    /// The process they ask with.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Their proof of presence.
    pub fn factor(&self) -> Factor {
        self.wrong_factor(PASSPHRASE)
    }

    /// What somebody who guesses would give.
    pub fn wrong_factor(&self, guess: &str) -> Factor {
        let user = Some(self.name.parse().unwrap());
        Factor { user, passphrase: Secret::from_string(guess.to_owned()) }
    }

    /// Themselves, proven by the factor.
    pub async fn acting(&self) -> Acting<User> {
        self.identified(false).await
    }

    /// Themselves, for trying what a verb would do.
    pub async fn rehearsing(&self) -> Acting<User> {
        self.identified(true).await
    }

    async fn identified(&self, is_dry_run: bool) -> Acting<User> {
        let plane = self.plane.plane();
        plane.identify(&self.peer, Some(self.factor()), is_dry_run).await.unwrap()
    }

    /// Takes the plane.
    pub async fn claims(&self) -> Result<ClaimView, AdminError> {
        self.plane.plane().claim(&self.peer, self.factor()).await
    }

    /// Opens their terminal for ten minutes.
    pub async fn unlocks(&self) {
        self.plane.plane().unlock(&self.peer, self.factor(), 600).await.unwrap();
    }

    /// Registers the connection of that name to [`HOST`], with [`CANARY`] behind it.
    pub async fn connects(&self, name: &str) -> ConnectionView {
        self.connects_as(connection(name)).await
    }

    /// Registers a connection with [`CANARY`] behind it.
    pub async fn connects_as(&self, spec: ConnectionSpec) -> ConnectionView {
        let secret = spec.slot.as_ref().map(|_| Secret::from_string(CANARY.to_owned()));
        self.plane.plane().add_connection(&self.acting().await, spec, secret).await.unwrap()
    }

    /// Registers an agent.
    pub async fn registers(&self, name: &str) -> AgentView {
        self.plane.plane().add_agent(&self.acting().await, agent(name)).await.unwrap()
    }

    /// Limits what all runs of an agent together may spend, besides what is limited already.
    pub async fn limits(&self, agent: &str, limits: Limits) -> AgentView {
        let spec = LimitSpec { clear: false, limits };
        self.plane.plane().limit_agent(&self.acting().await, agent, spec).await.unwrap()
    }

    /// Lets an agent do what the lines say, for thirty days.
    pub async fn grants(&self, agent: &str, allow: &[&str]) -> GrantView {
        self.grants_lines(agent, lines(allow)).await
    }

    /// As [`Human::grants`], with lines that ask and forbid.
    pub async fn grants_lines(&self, agent: &str, lines: Lines) -> GrantView {
        let spec = self.grant(agent, lines);
        self.plane.plane().add_grant(&self.acting().await, spec).await.unwrap()
    }

    /// What a grant of thirty days says.
    pub fn grant(&self, agent: &str, lines: Lines) -> GrantSpec {
        let until = self.plane.plane().clock().now().plus(Duration::from_secs(30 * 86_400));
        GrantSpec {
            agent: agent.parse().unwrap(),
            lines,
            until,
            openers: [].into(),
            tier_floor: None,
            user_namespaces: false,
        }
    }

    /// Opens a run with all that its agent was granted.
    pub async fn starts_a_run(&self, agent: &str) -> RunActor {
        self.starts(run_of(agent)).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Opens a run.
    pub async fn starts(&self, spec: RunSpec) -> Result<RunActor, AdminError> {
        let launcher = self.launcher();
        let acting = self.acting().await;
        let opened = self.plane.plane().open_run(&acting, &launcher, spec).await?;
        Ok(RunActor { plane: self.plane.clone(), opened, launcher })
    }

    /// Kills a run.
    pub async fn kills(&self, run: &RunActor) -> KilledView {
        let target = KillTarget::Run(run.id().to_string());
        self.plane.plane().kill(&self.acting().await, target).await.unwrap()
    }

    /// Ends a grant.
    pub async fn revokes(&self, grant: &GrantView) {
        let which = grant.id.to_string();
        self.plane.plane().revoke_grant(&self.acting().await, &which).await.unwrap();
    }

    /// The questions that wait for an answer.
    pub async fn waiting(&self) -> Vec<Id<Approval>> {
        let open = self.plane.plane().approvals(&self.acting().await, false).await.unwrap();
        open.into_iter().map(|view| view.approval.id).collect()
    }

    /// Looks at a question and says yes to exactly what is shown.
    pub async fn approves(&self, which: Id<Approval>) -> Result<ApprovalView, AdminError> {
        let (plane, which) = (self.plane.plane(), which.to_string());
        let shown = plane.approval(&self.acting().await, &which).await?;
        let digest = shown.approval.digest;
        plane.give_approval(&self.peer, self.factor(), &which, digest).await
    }

    /// A new process of this terminal, about to run something.
    fn launcher(&self) -> Peer {
        descend(&self.peer)
    }
}

impl RunActor {
    /// Which.
    pub fn id(&self) -> Id<Run> {
        self.opened.run.id
    }

    /// What its launcher was told.
    pub fn opened(&self) -> &OpenedRunView {
        &self.opened
    }

    /// Its proof.
    pub fn presented(&self) -> Presented {
        let secret = Secret::from_string(self.opened.secret.clone());
        Presented::RunSecret { run: self.id().to_string(), secret }
    }

    /// The process that opened it.
    pub fn launcher(&self) -> &Peer {
        &self.launcher
    }

    /// A process inside it, on the terminal it was started from.
    pub fn inside(&self) -> Peer {
        descend(&self.launcher)
    }

    /// Itself, proven by its secret.
    pub fn acting(&self) -> Acting<Run> {
        self.plane.plane().identify_run(&self.presented()).unwrap()
    }

    /// The same run, asking another server of its plane.
    #[must_use]
    pub fn through(&self, plane: &TestPlane) -> Self {
        let (opened, launcher) = (self.opened.clone(), self.launcher.clone());
        Self { plane: plane.clone(), opened, launcher }
    }

    /// Asks the road, opens what it is given, and goes through with the act.
    pub async fn calls(&self, method: &str, path: &str) -> Verdict {
        self.asks(Call::new(method, path)).await
    }

    /// As [`RunActor::calls`], with a call in full.
    pub async fn asks(&self, call: Call) -> Verdict {
        Verdict(self.act(call).await)
    }

    /// Asks the road, and holds on to the permit.
    pub async fn permit(&self, call: Call) -> Result<Permit, Refusal> {
        let (operation, announced_bytes) = (call.operation, call.announced_bytes);
        let ask = Ask { presented: self.presented(), operation, announced_bytes };
        self.plane.plane().decide(ask).await
    }

    /// Asks the road, opens what it is given, and holds on to the lease.
    pub async fn opens(&self, call: Call) -> Opened {
        let permit = self.permit(call).await.unwrap_or_else(|refusal| panic!("{refusal}"));
        broker::open(self.plane.plane(), permit).unwrap_or_else(|refusal| panic!("{refusal}"))
    }

    /// Opens a child run.
    pub async fn starts(&self, spec: RunSpec) -> Result<Self, AdminError> {
        let launcher = self.inside();
        let opened = self.plane.plane().open_child(&self.acting(), &launcher, spec).await?;
        Ok(Self { plane: self.plane.clone(), opened, launcher })
    }

    /// Its command has ended.
    pub async fn ends(&self) -> EndedView {
        self.plane.plane().end_run(&self.acting(), &self.launcher).await.unwrap()
    }

    async fn act(&self, call: Call) -> Result<Done, Refusal> {
        let permit = self.permit(call).await?;
        let (index, leaf, operation) = (permit.index(), permit.leaf(), permit.operation());
        let decision = permit.decision();
        let opened = broker::open(self.plane.plane(), permit)?;
        let injected = opened.injection.map(|injection| {
            let value = String::from_utf8(injection.value.expose().to_vec()).unwrap();
            (injection.header, value)
        });
        opened.lease.finish(Outcome::Answered { status: 200 }, Crossed::default());
        self.plane.settled(decision).await;
        Ok(Done { decision, index, leaf, operation, injected })
    }
}

/// A run of that agent with all it was granted, for an hour.
pub fn run_of(agent: &str) -> RunSpec {
    RunSpec { agent: Some(agent.parse().unwrap()), ..child() }
}

/// A child run of the agent that asks, with all it may have.
pub fn child() -> RunSpec {
    RunSpec {
        keys: None,
        agent: None,
        task: None,
        on_behalf_of: None,
        mandate: Lines::default(),
        file_mandate: None,
        limits: Limits::default(),
        ttl_secs: 3_600,
        tier: Tier::Advisory,
        tier_floor: None,
    }
}

/// Lines that allow.
pub fn lines(allow: &[&str]) -> Lines {
    Lines { allow: owned(allow), ..Lines::default() }
}

/// Lines that ask.
pub fn asking(ask: &[&str]) -> Lines {
    Lines { ask: owned(ask), ..Lines::default() }
}

/// A connection of that name to [`HOST`], which takes a bearer token.
pub fn connection(name: &str) -> ConnectionSpec {
    ConnectionSpec {
        tokens: None,
        name: name.parse().unwrap(),
        service: Service::Http,
        hosts: vec![HOST.to_owned()],
        pin: None,
        authority_pem: None,
        plain_http: false,
        slot: Some(Slot::Bearer {}),
        ceiling: Vec::new(),
        limits: Limits::default(),
        trust_floor: 0,
        rotation: None,
        answers: marque_domain::Answers::default(),
        never_holds: None,
    }
}

/// A connection of that name to the git server at [`HOST`], which takes a token as password.
pub fn git_connection(name: &str) -> ConnectionSpec {
    let slot = Some(Slot::Basic { user: "x-access-token".to_owned() });
    ConnectionSpec { service: Service::Git, slot, ..connection(name) }
}

/// An agent of that name.
pub fn agent(name: &str) -> AgentSpec {
    AgentSpec {
        name: name.parse().unwrap(),
        purpose: "looks after items".to_owned(),
        owner: None,
        sponsor: None,
        digests: [].into(),
        limits: Limits::default(),
    }
}

fn owned(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

fn process() -> ProcessKey {
    ProcessKey { pid: PIDS.fetch_add(1, Ordering::Relaxed), started: 2 }
}

fn init() -> ProcessKey {
    ProcessKey { pid: 1, started: 0 }
}

fn descend(parent: &Peer) -> Peer {
    let ancestors = [process()].into_iter().chain(parent.ancestors.iter().copied()).collect();
    Peer { ancestors, ..parent.clone() }
}
