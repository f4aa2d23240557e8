//! Random stories of tokens: whatever is asked, exchanged, approved, taken back and killed, in
//! whatever order, nothing that comes of it is wider or longer than what it came of.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use marque_plane::oauth::EndpointAsk;
use marque_plane::spec::{KillTarget, Lines, TokenTargetSpec};
use marque_testkit::{Got, Human, OAuthClient, TestPlane, issuing};
use marque_wire::oauth::{AccessTokenClaims, Introspection};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

const AGENTS: [&str; 3] = ["alpha", "beta", "gamma"];
const SCOPES: [&str; 3] = ["read", "write", "pay"];

/// What an agent's grant says of a scope, of every resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Nothing,
    Ask,
    Allow,
    Never,
}

#[derive(Debug, Clone)]
enum Act {
    Take { who: usize, resource: usize, scopes: usize },
    Exchange { token: usize, resource: usize, scopes: usize },
    Steal { who: usize, token: usize, resource: usize, scopes: usize },
    Approve,
    TakeBack(usize),
    Kill(usize),
    Resume(usize),
    Wait(u64),
}

fn words() -> impl Strategy<Value = Vec<Word>> {
    let word = prop_oneof![
        1 => Just(Word::Nothing),
        2 => Just(Word::Ask),
        8 => Just(Word::Allow),
        1 => Just(Word::Never),
    ];
    prop::collection::vec(word, AGENTS.len() * SCOPES.len())
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let scopes = 0..1usize << SCOPES.len();
    let act = prop_oneof![
        4 => (0..3usize, 0..3usize, scopes.clone())
            .prop_map(|(who, resource, scopes)| Act::Take { who, resource, scopes }),
        6 => (0..6usize, 0..3usize, scopes.clone())
            .prop_map(|(token, resource, scopes)| Act::Exchange { token, resource, scopes }),
        2 => (0..3usize, 0..6usize, 0..3usize, scopes).prop_map(
            |(who, token, resource, scopes)| Act::Steal { who, token, resource, scopes }
        ),
        3 => Just(Act::Approve),
        2 => (0..4usize).prop_map(Act::TakeBack),
        1 => (0..6usize).prop_map(Act::Kill),
        1 => (0..3usize).prop_map(Act::Resume),
        1 => (1..200u64).prop_map(Act::Wait),
    ];
    prop::collection::vec(act, 8..40)
}

/// A token that was got, and the one it was exchanged for.
struct Held {
    token: String,
    claims: AccessTokenClaims,
    subject: Option<usize>,
    is_over: bool,
}

struct Story {
    plane: TestPlane,
    alice: Human,
    clients: Vec<OAuthClient>,
    words: Vec<Word>,
    held: Vec<Held>,
}

fn resource(number: usize) -> String {
    format!("https://{}.test/", AGENTS[number])
}

fn scope(bits: usize) -> String {
    let names = SCOPES.iter().enumerate().filter(|(place, _)| bits >> place & 1 == 1);
    names.map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
}

impl Story {
    async fn begin(words: Vec<Word>) -> Self {
        let plane = TestPlane::with(issuing()).await;
        let alice = plane.alice();
        let mut clients = Vec::new();
        for agent in AGENTS {
            alice.registers(agent).await;
        }
        for (number, agent) in AGENTS.iter().enumerate() {
            // Each agent serves the resource that is called after it.
            let tokens = TokenTargetSpec {
                audience: Some(resource(number)),
                served_by: Some(agent.parse().unwrap()),
                ..TokenTargetSpec::default()
            };
            alice.has_resource_as(&format!("at-{agent}"), tokens).await;
        }
        let mut story = Self { plane, alice, clients: Vec::new(), words, held: Vec::new() };
        for (number, agent) in AGENTS.iter().enumerate() {
            story.alice.grants_lines(agent, story.lines(number)).await;
            clients.push(story.alice.has_client(&format!("{agent}-prod"), agent).await);
        }
        story.clients = clients;
        story
    }

    fn word(&self, agent: usize, scope: &str) -> Word {
        let place = SCOPES.iter().position(|name| *name == scope).unwrap();
        self.words[agent * SCOPES.len() + place]
    }

    fn lines(&self, agent: usize) -> Lines {
        let mut lines = Lines::default();
        for at in AGENTS {
            lines.allow.push(format!("at-{at}:token"));
            for name in SCOPES {
                let line = format!("at-{at}:scope {name}");
                match self.word(agent, name) {
                    Word::Nothing => {}
                    Word::Ask => lines.ask.push(line),
                    Word::Allow => lines.allow.push(line),
                    Word::Never => lines.never.push(line),
                }
            }
        }
        lines
    }

    // One of the tokens there are, if there is one.
    fn one(&self, number: usize) -> Option<usize> {
        number.checked_rem(self.held.len())
    }

    async fn act(&mut self, act: &Act) {
        match *act {
            Act::Take { who, resource: at, scopes } => {
                let got = self.clients[who].takes(&resource(at), &scope(scopes)).await;
                self.hold(got.ok(), None, who);
            }
            Act::Exchange { token, resource: at, scopes } => {
                let Some(token) = self.one(token) else { return };
                let subject = &self.held[token];
                // By whom it came for, and for what it has.
                let aud = subject.claims.aud.as_str();
                let who = AGENTS.iter().position(|agent| aud.contains(agent)).unwrap();
                let names = SCOPES.iter().enumerate();
                let held = |name: &str| subject.claims.scope.names().any(|one| one == name);
                let has =
                    names.filter(|(_, name)| held(name)).fold(0, |all, (at, _)| all | 1 << at);
                self.exchange((who, token), at, scopes & has).await;
            }
            Act::Steal { who, token, resource: at, scopes } => {
                let Some(token) = self.one(token) else { return };
                self.exchange((who, token), at, scopes).await;
            }
            Act::Approve => {
                let waiting = self.alice.waiting().await;
                for question in waiting {
                    // One may lapse while another is answered.
                    let _given = self.alice.approves(question).await;
                }
            }
            Act::TakeBack(token) => self.take_back(token).await,
            Act::Kill(token) => {
                let Some(token) = self.one(token) else { return };
                let held = &self.held[token];
                let run = held.claims.run.as_ref().unwrap().id.to_string();
                let acting = self.alice.acting().await;
                let _closed = self.plane.plane().kill(&acting, KillTarget::Run(run)).await;
                self.end_run(token);
            }
            Act::Resume(who) => {
                let name = format!("{}-prod", AGENTS[who]);
                let acting = self.alice.acting().await;
                let _active = self.plane.plane().resume_client(&acting, &name).await;
            }
            Act::Wait(secs) => self.plane.clock().advance(Duration::from_secs(secs)),
        }
    }

    async fn exchange(&mut self, (who, token): (usize, usize), at: usize, scopes: usize) {
        let (text, at) = (self.held[token].token.clone(), resource(at));
        let got = self.clients[who].exchanges(&text, &at, &scope(scopes)).await;
        let was_over = self.held[token].is_over || self.expired(token);
        assert!(got.is_err() || !was_over, "nothing comes of a token that is over");
        self.hold(got.ok(), Some(token), who);
    }

    async fn take_back(&mut self, token: usize) {
        let Some(token) = self.one(token) else { return };
        let held = &self.held[token];
        if held.subject.is_some() {
            return;
        }
        let sub = held.claims.sub.rsplit('/').next().unwrap().to_owned();
        let who = AGENTS.iter().position(|agent| *agent == sub).unwrap();
        let about = self.clients[who].about(&held.token);
        let done = self.plane.plane().revoke(&EndpointAsk::bare(), &about).await;
        if done.is_ok() {
            self.held[token].is_over = true;
            self.end_descendants(token);
        }
    }

    // Every token of the run, and what came of them.
    fn end_run(&mut self, token: usize) {
        let run = self.held[token].claims.run.as_ref().unwrap().id;
        let same: Vec<_> = (0..self.held.len())
            .filter(|one| self.held[*one].claims.run.as_ref().unwrap().id == run)
            .collect();
        for one in same {
            self.held[one].is_over = true;
            self.end_descendants(one);
        }
    }

    fn end_descendants(&mut self, token: usize) {
        for later in token + 1..self.held.len() {
            let is_over = |one: usize| self.held[one].is_over;
            if self.held[later].subject.is_some_and(is_over) {
                self.held[later].is_over = true;
            }
        }
    }

    fn expired(&self, token: usize) -> bool {
        self.held[token].claims.exp.timestamp() <= self.plane.plane().now()
    }

    // What holds of every token that was ever got.
    fn hold(&mut self, got: Option<Got>, subject: Option<usize>, who: usize) {
        let Some(Got { token, claims, .. }) = got else { return };
        assert!(claims.exp.seconds_since(claims.iat) <= 300);
        let mut chain = vec![claims.sub.clone()];
        if let Some(act) = &claims.act {
            chain.extend(act.actors().iter().rev().map(|actor| actor.sub.clone()));
        }
        let presenter = chain.last().unwrap();
        assert!(presenter.ends_with(AGENTS[who]), "{presenter} is who asked");
        if let Some(subject) = subject {
            let before = &self.held[subject].claims;
            assert!(claims.scope.is_within(&before.scope), "a hop only narrows");
            assert!(claims.exp <= before.exp, "no token outlives its subject");
            assert_eq!(claims.sub, before.sub);
            assert_eq!(claims.txn, before.txn);
            assert!(before.aud.as_str().contains(AGENTS[who]), "it came for who exchanges it");
            let hops = |claims: &AccessTokenClaims| {
                claims.act.as_ref().map_or(0, |act| act.actors().len())
            };
            assert_eq!(hops(&claims), hops(before) + 1, "no hop is dropped");
        } else {
            assert!(claims.act.is_none());
        }
        let agents: BTreeSet<usize> = chain
            .iter()
            .map(|name| AGENTS.iter().position(|agent| name.ends_with(agent)).unwrap())
            .collect();
        for name in claims.scope.names() {
            let said: Vec<_> = agents.iter().map(|agent| self.word(*agent, name)).collect();
            assert!(said.iter().all(|word| matches!(word, Word::Ask | Word::Allow)), "{said:?}");
            let approvals = &claims.run.as_ref().unwrap().approvals;
            assert!(!said.contains(&Word::Ask) || approvals.len() == 1, "a human was asked");
        }
        self.held.push(Held { token, claims, subject, is_over: false });
    }

    // No token is worth anything once it, its run or what it came of is over.
    fn must_hold(&self) {
        for (place, held) in self.held.iter().enumerate() {
            let answers = self.clients.iter().map(|client| {
                let about = client.about(&held.token);
                self.plane.plane().introspect(&EndpointAsk::bare(), &about)
            });
            let is_active = answers
                .filter_map(Result::ok)
                .any(|(answer, _)| matches!(answer, Introspection::Active { .. }));
            let is_dead = held.is_over || self.expired(place);
            assert!(!(is_active && is_dead), "a token of a run that is over is worth something");
        }
    }
}

// threats 39, 42, 43, 45, 46, 49, 54
#[test]
fn nothing_that_comes_of_a_token_is_wider_or_longer() {
    let (hops, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let mut runner = TestRunner::new(ProptestConfig { cases: 48, ..ProptestConfig::default() });
    let told = runner.run(&(words(), acts()), |(words, acts)| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut story = Story::begin(words).await;
            for act in &acts {
                story.act(act).await;
                story.must_hold();
            }
            let got = story.held.iter().filter(|held| held.subject.is_some());
            hops.fetch_add(got.clone().count(), Ordering::Relaxed);
            ended.fetch_add(got.filter(|held| held.is_over).count(), Ordering::Relaxed);
        });
        Ok(())
    });
    told.unwrap();
    let (hops, ended) = (hops.into_inner(), ended.into_inner());
    assert!(hops > 20 && ended > 2, "too little happened: {hops} hops, {ended} of them ended");
}
