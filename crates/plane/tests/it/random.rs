//! Random stories: whatever humans and runs do, in whatever order, some things always hold.

use marque_domain::{Access, Agent, Answer, Connection, Decision, Event, Fact, Grant, Run};
use marque_plane::Permit;
use marque_plane::spec::{KillTarget, Lines, RunSpec};
use marque_plane::view::GrantView;
use marque_testkit::{Call, Human, RunActor, Setup, TestPlane, child, run_of};
use proptest::prelude::*;

const LINES: [&str; 5] =
    ["api:GET /v1/**", "api:GET /v1/items", "api:POST /v1/*", "api:read /**", "api:POST /**"];
const CALLS: [(&str, &str); 5] = [
    ("GET", "/v1/items"),
    ("GET", "/v2"),
    ("POST", "/v1/items"),
    ("POST", "/v2/deep/er"),
    ("DELETE", "/v1/items"),
];
const AGENTS: [&str; 2] = ["bot", "coder"];

#[derive(Debug, Clone)]
enum Act {
    Grant { agent: usize, part: usize, line: usize },
    Revoke(usize),
    Open { agent: usize, mandate: Option<usize> },
    Child { parent: usize, agent: usize },
    Call { run: usize, call: usize },
    Approve,
    Kill(usize),
    Suspend(usize),
    Resume(usize),
    Rotate,
    Wait(u64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let call = (0..8usize, 0..CALLS.len()).prop_map(|(run, call)| Act::Call { run, call });
    let act = prop_oneof![
        3 => (0..2usize, 0..3usize, 0..LINES.len())
            .prop_map(|(agent, part, line)| Act::Grant { agent, part, line }),
        1 => (0..8usize).prop_map(Act::Revoke),
        3 => (0..2usize, prop::option::of(0..LINES.len()))
            .prop_map(|(agent, mandate)| Act::Open { agent, mandate }),
        2 => (0..8usize, 0..2usize).prop_map(|(parent, agent)| Act::Child { parent, agent }),
        12 => call,
        2 => Just(Act::Approve),
        1 => (0..8usize).prop_map(Act::Kill),
        1 => (0..2usize).prop_map(Act::Suspend),
        1 => (0..2usize).prop_map(Act::Resume),
        1 => Just(Act::Rotate),
        1 => (1..2_000u64).prop_map(Act::Wait),
    ];
    prop::collection::vec(act, 1..40)
}

/// One story while it is told.
struct Story {
    plane: TestPlane,
    alice: Human,
    grants: Vec<GrantView>,
    runs: Vec<RunActor>,
    permits: Vec<Permit>,
}

impl Story {
    async fn begin(seed: u64) -> Self {
        let plane = TestPlane::with(Setup { seed, ..Setup::default() }).await;
        let alice = plane.alice();
        alice.connects("api").await;
        for agent in AGENTS {
            alice.registers(agent).await;
        }
        Self { plane, alice, grants: Vec::new(), runs: Vec::new(), permits: Vec::new() }
    }

    async fn goes_on(&mut self, act: Act) {
        let acting = self.alice.acting().await;
        let front = self.plane.plane();
        match act {
            Act::Grant { agent, part, line } => {
                let lines = in_part(part, LINES[line]);
                self.grants.push(self.alice.grants_lines(AGENTS[agent], lines).await);
            }
            Act::Revoke(which) => {
                if let Some(grant) = pick(&self.grants, which) {
                    drop(front.revoke_grant(&acting, &grant.id.to_string()).await);
                }
            }
            Act::Open { agent, mandate } => {
                let mandate = mandate.map_or_else(Lines::default, |line| in_part(0, LINES[line]));
                let spec = RunSpec { mandate, ttl_secs: 3, ..run_of(AGENTS[agent]) };
                self.runs.extend(self.alice.starts(spec).await.ok());
            }
            Act::Child { parent, agent } => {
                if let Some(parent) = pick(&self.runs, parent) {
                    let spec = RunSpec { agent: AGENTS[agent].parse().ok(), ..child() };
                    let opened = parent.starts(spec).await.ok();
                    self.runs.extend(opened);
                }
            }
            Act::Call { run, call } => self.calls(run, CALLS[call]).await,
            Act::Approve => {
                let waiting = front.approvals(&acting, false).await.unwrap();
                if let Some(view) = waiting.first() {
                    drop(self.alice.approves(view.approval.id).await);
                }
            }
            Act::Kill(which) => {
                if let Some(run) = pick(&self.runs, which) {
                    drop(front.kill(&acting, KillTarget::Run(run.id().to_string())).await);
                }
            }
            Act::Suspend(agent) => drop(front.suspend_agent(&acting, AGENTS[agent]).await),
            Act::Resume(agent) => drop(front.resume_agent(&acting, AGENTS[agent]).await),
            Act::Rotate => {
                let secret = marque_crypto::Secret::from_string("another".to_owned());
                front.rotate_connection(&acting, "api", secret).await.unwrap();
            }
            Act::Wait(millis) => {
                self.plane.clock().advance(std::time::Duration::from_millis(millis));
            }
        }
    }

    /// Asks the road, and holds its answer against what the facts in the store say by themselves.
    async fn calls(&mut self, which: usize, (method, path): (&str, &str)) {
        let Some(run) = pick(&self.runs, which) else { return };
        let call = Call::new(method, path);
        let width = self.width(run, &call);
        let answer = run.permit(call).await;
        let recorded = self.plane.log().last_decision().clone();
        match answer {
            Ok(permit) => {
                assert!(width >= 2, "{method} {path} was allowed beyond what the facts say");
                assert_eq!(width == 2, recorded.approval.is_some(), "a question had its answer");
                assert_eq!(recorded.id, permit.decision());
                self.permits.push(permit);
            }
            Err(refusal) if refusal.code.is_hold() => assert_eq!(width, 2, "{refusal}"),
            Err(refusal) => assert!(width < 2, "{refusal}, though nothing forbids it"),
        }
    }

    /// How far the narrowest of connection, chain, grants and mandate reaches: 0 never to 3 allow.
    fn width(&self, run: &RunActor, call: &Call) -> u8 {
        let now = self.plane.plane().clock().now();
        let run = self.stored::<Run>().into_iter().find(|stored| stored.id == run.id());
        let Some(run) = run.filter(|run| run.is_open(now)) else { return 0 };
        let connection = self.stored::<Connection>().remove(0);
        let (operation, resource) = (&call.operation().name, &call.operation().resource);
        let access = Access { connection: connection.id, operation, resource };
        let grants = self.stored::<Grant>();
        let agents = self.stored::<Agent>();
        let granted = run.chain.actors.iter().map(|actor| {
            let live = |grant: &&Grant| grant.agent == actor.agent && grant.is_live(now);
            let widths =
                grants.iter().filter(live).map(|grant| grant.authority.rule(&access).width());
            widths.filter(|width| *width != 1).min().unwrap_or(1)
        });
        let is_active = |id| agents.iter().any(|agent| agent.id == id && agent.is_active());
        let own = [run.mandate.rule(&access).width(), connection.ceiling.rule(&access).width()];
        let narrowest = granted.chain(own).min().unwrap();
        if is_active(run.agent) { narrowest } else { 0 }
    }

    fn stored<T: Fact>(&self) -> Vec<T> {
        let facts = self.plane.store().read("test.facts", |tx| {
            Ok(tx.all::<T>()?.into_iter().map(|revised| revised.fact).collect())
        });
        facts.unwrap()
    }

    /// What must hold at the end, whatever happened.
    async fn ends(self) {
        let log = self.plane.log();
        assert!(log.entries().iter().map(|entry| entry.index).eq(0..log.size() as u64));
        for permit in &self.permits {
            let entry = &log.entries()[usize::try_from(permit.index()).unwrap()];
            let decision = decision(&entry.event);
            assert_eq!(decision.answer, Answer::Allowed);
            assert_eq!(
                (decision.id, decision.operation.digest),
                (permit.decision(), permit.operation())
            );
            assert_eq!(log.leaf(permit.index()), Some(permit.leaf()));
        }
        assert_eq!(log.allowed(), self.permits.len(), "no yes without a permit, and none twice");
        let report = log.verified(&self.plane.log_key(), &self.plane.checkpoint().await.note);
        assert!(report.holds(), "{report:?}");
        assert!(!log.text().contains(marque_testkit::CANARY));
    }
}

fn decision(event: &Event) -> &Decision {
    match event {
        Event::Decided(decision) => decision,
        other => panic!("a permit names a decision, not {other:?}"),
    }
}

fn in_part(part: usize, line: &str) -> Lines {
    let line = vec![line.to_owned()];
    match part {
        0 => Lines { allow: line, ..Lines::default() },
        1 => Lines { ask: line, ..Lines::default() },
        _ => Lines { never: line, ..Lines::default() },
    }
}

fn pick<T>(things: &[T], which: usize) -> Option<&T> {
    things.get(which % things.len().max(1))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    // threats 39 to 44 in what they come to: nobody ever gets what the facts do not give.
    #[test]
    fn nothing_is_allowed_that_the_facts_do_not_allow(seed: u64, acts in acts()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut story = Story::begin(seed).await;
            for act in acts {
                story.goes_on(act).await;
            }
            story.ends().await;
        });
    }

    // Time stands still here: what looks after expired runs goes by the machine's own clock.
    #[test]
    fn the_same_seed_tells_the_same_story(seed: u64, acts in acts()) {
        let still = |act: &Act| !matches!(act, Act::Wait(_));
        let acts: Vec<_> = acts.into_iter().filter(still).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let tell = || runtime.block_on(async {
            let mut story = Story::begin(seed).await;
            for act in acts.clone() {
                story.goes_on(act).await;
            }
            story.plane.log().text()
        });
        prop_assert_eq!(tell(), tell());
    }
}
