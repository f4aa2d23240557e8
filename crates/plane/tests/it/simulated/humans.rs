//! What humans and launchers do, drawn at random.

use std::time::Duration;

use marque_crypto::Secret;
use marque_domain::{Limits, Tier, Verb};
use marque_plane::AdminKind;
use marque_plane::spec::{ConnectionSpec, GrantSpec, KillTarget, LimitSpec, Lines, RunSpec};
use marque_testkit::{agent, child, connection, run_of};

use super::model::{Wrong, must};
use super::sim::{Runner, Sim};

pub(super) const AGENTS: [&str; 2] = ["bot", "coder"];
const METHODS: [&str; 3] = ["GET", "PUT", "POST"];
/// Runs that are kept in mind at once.
const RUNNERS: usize = 12;

impl Sim {
    /// A plane that nobody has claimed becomes one with two agents and a connection.
    pub(super) async fn settles_in(&mut self) -> Result<(), Wrong> {
        let plane = self.front();
        plane.alice().claims().await.map_err(|error| error.to_string())?;
        self.absorb()?;
        let alice = self.alice().await?;
        for name in AGENTS {
            let added = plane.plane().add_agent(&alice, agent(name)).await;
            self.answered(Verb::AgentAdded, added)?;
            self.limits(name).await?;
        }
        self.connects().await?;
        for name in AGENTS {
            self.grants(name).await?;
        }
        Ok(())
    }

    pub(super) async fn connects(&mut self) -> Result<(), Wrong> {
        if self.model.connection.is_some() {
            return Ok(());
        }
        self.connections += 1;
        let name = format!("api{}", self.connections);
        let spec = ConnectionSpec { name: name.parse().unwrap(), ..connection("api") };
        let (alice, secret) = (self.alice().await?, sealed(self.model.sealed + 1));
        let added = self.front().plane().add_connection(&alice, spec, Some(secret)).await;
        self.answered(Verb::ConnectionAdded, added).map(|_| ())
    }

    pub(super) async fn grants(&mut self, agent: &str) -> Result<(), Wrong> {
        let Some(connection) = self.model.connection.clone() else { return Ok(()) };
        let line = |method: &str| format!("{connection}:{method} /**");
        let mut lines = Lines::default();
        for method in METHODS {
            match self.dice.below(8) {
                0 => {}
                1 => lines.ask.push(line(method)),
                _ if method == "POST" => lines.ask.push(line(method)),
                _ => lines.allow.push(line(method)),
            }
        }
        let seconds = self.dice.one_of(&[40, 9_000, 200_000, 2_000_000]);
        let until = self.now().plus(Duration::from_secs(seconds));
        let spec = GrantSpec {
            agent: agent.parse().unwrap(),
            lines,
            until,
            openers: [].into(),
            tier_floor: None,
            user_namespaces: false,
        };
        let alice = self.alice().await?;
        let given = self.front().plane().add_grant(&alice, spec).await;
        self.answered(Verb::GrantAdded, given).map(|_| ())
    }

    pub(super) async fn revokes(&mut self) -> Result<(), Wrong> {
        let live: Vec<_> =
            self.model.grants.iter().filter(|(_, grant)| !grant.is_revoked).collect();
        let Some(which) = self.dice.place(live.len()) else { return Ok(()) };
        let which = live[which].0.clone();
        let alice = self.alice().await?;
        let revoked = self.front().plane().revoke_grant(&alice, &which).await;
        self.answered(Verb::GrantRevoked, revoked).map(|_| ())
    }

    pub(super) async fn limits(&mut self, agent: &str) -> Result<(), Wrong> {
        let calls = Some(self.dice.one_of(&[0, 4, 12, 1_000, 1_000]));
        let limits = Limits { calls, ..Limits::default() };
        let (alice, spec) = (self.alice().await?, LimitSpec { clear: false, limits });
        let limited = self.front().plane().limit_agent(&alice, agent, spec).await;
        self.answered(Verb::AgentLimited, limited).map(|_| ())
    }

    pub(super) async fn opens(&mut self) -> Result<(), Wrong> {
        let plane = self.front();
        let launcher = self.descend(plane.alice().peer());
        let name = self.dice.one_of(&AGENTS);
        let tier = self.dice.one_of(&[Tier::Advisory, Tier::Captured]);
        let spec = RunSpec { tier, ..self.spec(run_of(name)) };
        let (limits, alice) = (spec.limits, self.alice().await?);
        let opened = plane.plane().open_run(&alice, &launcher, spec).await;
        self.has_opened(opened, launcher, limits)
    }

    pub(super) async fn opens_a_child(&mut self) -> Result<(), Wrong> {
        let Some(place) = self.picks_a_runner() else { return Ok(()) };
        let outside = self.runners[place].launcher.clone();
        let launcher = self.descend(&outside);
        let name = self.dice.one_of(&AGENTS);
        let spec = RunSpec { agent: name.parse().ok(), ..self.spec(child()) };
        let (plane, limits) = (self.front(), spec.limits);
        let Ok(parent) = plane.plane().identify_run(&self.runners[place].presented()) else {
            return Ok(());
        };
        let opened = plane.plane().open_child(&parent, &launcher, spec).await;
        self.has_opened(opened, launcher, limits)
    }

    fn spec(&mut self, spec: RunSpec) -> RunSpec {
        let calls = self.dice.one_of(&[None, Some(1), Some(4), None, None]);
        let bytes = self.dice.one_of(&[None, None, None, None, Some(300_000), Some(2 << 20)]);
        let ttl_secs = self.dice.one_of(&[30, 900, 3_600, 80_000]);
        let limits = Limits { calls, bytes, ..Limits::default() };
        RunSpec { limits, ttl_secs, ..spec }
    }

    fn has_opened(
        &mut self,
        opened: Result<marque_plane::view::OpenedRunView, marque_plane::AdminError>,
        launcher: marque_plane::Peer,
        limits: Limits,
    ) -> Result<(), Wrong> {
        self.absorb()?;
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.trace.push(format!("    {:?}: {error}", error.kind));
                return self.may_fail(&error);
            }
        };
        let id = opened.run.id;
        let ran = self.model.runs.get_mut(&id);
        let ran = ran.ok_or_else(|| format!("{id} was opened, and is not in the log"))?;
        (ran.calls_limit, ran.bytes_limit) = (limits.calls, limits.bytes);
        let runner = Runner { id, secret: opened.secret, launcher, tier: opened.run.tier };
        self.trace.push(format!("    opened {id} {:?}", runner.tier));
        if self.runners.len() >= RUNNERS {
            self.runners.remove(0);
        }
        self.runners.push(runner);
        Ok(())
    }

    pub(super) fn holds(&mut self) -> Result<(), Wrong> {
        let Some(place) = self.picks_a_runner() else { return Ok(()) };
        let (plane, runner) = (self.front(), &self.runners[place]);
        let Ok(acting) = plane.plane().identify_run(&runner.presented()) else { return Ok(()) };
        let first = plane.plane().hold_run(&acting, &runner.launcher);
        let again = plane.plane().hold_run(&acting, &runner.launcher);
        must(again.is_err(), || format!("{} has two holds, the first {first:?}", runner.id))
    }

    pub(super) async fn loses_its_hold(&mut self) -> Result<(), Wrong> {
        let Some(place) = self.picks_a_runner() else { return Ok(()) };
        let id = self.runners[place].id;
        self.front().plane().abandon_run(id).await;
        self.absorb()?;
        let is_over = self.model.runs.get(&id).is_some_and(|run| run.is_closed || run.is_killed);
        if !is_over {
            // Forgotten, or cut without a word in the log.
            self.cut.insert(id);
        }
        Ok(())
    }

    pub(super) async fn ends(&mut self) -> Result<(), Wrong> {
        let Some(place) = self.picks_a_runner() else { return Ok(()) };
        let plane = self.front();
        let runner = &self.runners[place];
        let Ok(acting) = plane.plane().identify_run(&runner.presented()) else { return Ok(()) };
        let id = runner.id;
        let ended = plane.plane().end_run(&acting, &runner.launcher).await;
        self.absorb()?;
        match ended {
            Ok(_) => must(self.model.runs.get(&id).is_some_and(|run| run.is_closed), || {
                format!("{id} has ended, and that is not in the log")
            }),
            Err(error) => self.may_fail(&error),
        }
    }

    pub(super) async fn kills(&mut self) -> Result<(), Wrong> {
        let target = match self.dice.below(6) {
            0 => KillTarget::All,
            1 => KillTarget::Agent(self.dice.one_of(&AGENTS).parse().unwrap()),
            _ => match self.dice.place(self.runners.len()) {
                Some(place) => KillTarget::Run(self.runners[place].id.to_string()),
                None => return Ok(()),
            },
        };
        self.trace.push(format!("    {target:?}"));
        let alice = self.alice().await?;
        let killed = self.front().plane().kill(&alice, target).await;
        let is_in_doubt = matches!(&killed, Err(error) if error.kind == AdminKind::Unavailable);
        self.answered(Verb::Killed, killed)?;
        if is_in_doubt {
            self.cut.extend(self.model.runs.keys());
        }
        Ok(())
    }

    pub(super) async fn stops_an_agent(&mut self) -> Result<(), Wrong> {
        let (name, plane, alice) = (self.dice.one_of(&AGENTS), self.front(), self.alice().await?);
        if self.model.agents.values().any(|agent| agent.name == name && agent.is_suspended) {
            let resumed = plane.plane().resume_agent(&alice, name).await;
            return self.answered(Verb::AgentResumed, resumed).map(|_| ());
        }
        if self.dice.once_in(3) {
            let suspended = plane.plane().suspend_agent(&alice, name).await;
            self.answered(Verb::AgentSuspended, suspended)?;
        }
        Ok(())
    }

    pub(super) async fn answers_a_question(&mut self) -> Result<(), Wrong> {
        let open: Vec<_> = self.model.questions.iter().filter(|(_, one)| !one.is_over).collect();
        let Some(place) = self.dice.place(open.len()) else { return Ok(()) };
        let (which, plane) = (*open[place].0, self.front());
        if self.dice.once_in(5) {
            let alice = self.alice().await?;
            let declined = plane.plane().decline_approval(&alice, &which.to_string()).await;
            return self.answered(Verb::ApprovalDeclined, declined).map(|_| ());
        }
        let given = plane.alice().approves(which).await;
        self.answered(Verb::ApprovalGiven, given).map(|_| ())
    }

    pub(super) async fn rotates(&mut self) -> Result<(), Wrong> {
        let Some(connection) = self.model.connection.clone() else { return Ok(()) };
        let (alice, secret) = (self.alice().await?, sealed(self.model.sealed + 1));
        let rotated = self.front().plane().rotate_connection(&alice, &connection, secret).await;
        self.answered(Verb::ConnectionRotated, rotated).map(|_| ())
    }

    pub(super) async fn disconnects(&mut self) -> Result<(), Wrong> {
        let Some(connection) = self.model.connection.clone() else { return Ok(()) };
        let alice = self.alice().await?;
        let removed = self.front().plane().remove_connection(&alice, &connection).await;
        self.answered(Verb::ConnectionRemoved, removed)?;
        Ok(())
    }
}

fn sealed(secret: u64) -> Secret {
    Secret::from_string(format!("secret-{secret}"))
}
