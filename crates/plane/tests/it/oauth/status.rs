//! Status lists: which tokens have a place, that no two have one, and that a place says what
//! introspection says.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use marque_crypto::proof_key::ProofKey;
use marque_crypto::token_key::TokenAlgorithm;
use marque_domain::{Id, TokenStatusList};
use marque_plane::Secret;
use marque_plane::oauth::{EndpointAsk, PublishedList};
use marque_plane::spec::{KillTarget, TokenTargetSpec};
use marque_store::OpenOptions;
use marque_testkit::{
    FilePlane, Got, Human, OAuthClient, PostgresServer, Setup, TestPlane, issuing,
};
use marque_wire::jose::{JwkSet, NumericDate, TokenClass, Unverified};
use marque_wire::oauth::{
    Form, Introspection, IntrospectionRequest, Status, StatusListClaims, StatusReference,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

const API: &str = "https://api.test/";
const AGENTS: [&str; 2] = ["asker", "server"];
/// How old a list may be that is answered.
const MADE_EVERY: Duration = Duration::from_secs(2);

fn living(ttl_secs: u64) -> Setup {
    let mut setup = issuing();
    let oauth = setup.settings.oauth.as_mut().unwrap();
    oauth.token_ttl = Duration::from_secs(ttl_secs);
    setup
}

fn list_of(place: &StatusReference) -> Id<TokenStatusList> {
    place.uri.as_str().strip_prefix("https://id.test/oauth/status/").unwrap().parse().unwrap()
}

fn place_of(got: &Got) -> StatusReference {
    got.claims.status.clone().unwrap()
}

fn claims_of(
    plane: &TestPlane,
    published: &PublishedList,
    place: &StatusReference,
) -> StatusListClaims {
    let keys = plane.plane().published_token_keys().to_string();
    let keys = JwkSet::parse(keys.as_bytes()).unwrap();
    let read = Unverified::parse(TokenClass::StatusList, published.token.as_bytes()).unwrap();
    let key = keys.find(read.key_id(), read.algorithm()).unwrap();
    let now = NumericDate::of(plane.plane().now());
    StatusListClaims::read(read.verify(key).unwrap(), &place.uri, now).unwrap()
}

/// What the list that is published now says of a token.
async fn listed(plane: &TestPlane, got: &Got) -> Status {
    let place = place_of(got);
    let published = plane.plane().status_list(list_of(&place)).await.unwrap().unwrap();
    let claims = claims_of(plane, &published, &place);
    claims.list.status(usize::try_from(place.idx).unwrap()).unwrap()
}

/// Two workloads, one of which serves `api`, which asks about tokens with a secret.
struct Cast {
    plane: TestPlane,
    alice: Human,
    clients: Vec<OAuthClient>,
    api: (String, String),
}

type Belongings = (Vec<(String, ProofKey, ProofKey)>, (String, String));

impl Cast {
    async fn at(plane: TestPlane) -> Self {
        let alice = plane.alice();
        for agent in AGENTS {
            alice.registers(agent).await;
        }
        let tokens = TokenTargetSpec {
            audience: Some(API.to_owned()),
            served_by: Some("server".parse().unwrap()),
            secret: true,
            ..TokenTargetSpec::default()
        };
        let view = alice.has_resource_as("api", tokens).await;
        let secret = view.tokens.and_then(|tokens| tokens.secret).unwrap();
        let mut clients = Vec::new();
        for agent in AGENTS {
            alice.grants(agent, &["api:token"]).await;
            clients.push(alice.has_client(&format!("{agent}-prod"), agent).await);
        }
        Self { plane, alice, clients, api: (view.id.to_string(), secret) }
    }

    /// Lets go of the plane; what is needed to come back to it.
    fn leaves(self) -> Belongings {
        let keys = self.clients.into_iter();
        let keys = keys.map(|client| (client.id, client.key, client.proof_key)).collect();
        (keys, self.api)
    }

    fn again(plane: TestPlane, (keys, api): Belongings) -> Self {
        let client = |(id, key, proof_key)| {
            let mut client = OAuthClient::new(plane.clone(), id, key);
            client.proof_key = proof_key;
            client
        };
        let clients = keys.into_iter().map(client).collect();
        Self { alice: plane.alice(), clients, api, plane }
    }

    async fn takes(&self) -> Got {
        self.clients[0].takes(API, "").await.unwrap()
    }

    /// What `api` is told of a token.
    fn introspects(&self, got: &Got) -> bool {
        let form = Form::parse(format!("token={}", got.token).as_bytes()).unwrap();
        let basic = Some((self.api.0.clone(), Secret::from_string(self.api.1.clone())));
        let ask = EndpointAsk { basic, ..EndpointAsk::bare() };
        let request = IntrospectionRequest::parse(form).unwrap();
        let (told, _) = self.plane.plane().introspect(&ask, &request).unwrap();
        matches!(told, Introspection::Active { .. })
    }

    async fn kills(&self, got: &Got) {
        let run = got.claims.run.as_ref().unwrap().id.to_string();
        let who = self.alice.acting().await;
        self.plane.plane().kill(&who, KillTarget::Run(run)).await.unwrap();
    }
}

#[tokio::test]
async fn a_token_that_lives_five_minutes_at_most_has_no_place() {
    let cast = Cast::at(TestPlane::with(living(300)).await).await;
    assert_eq!(cast.takes().await.claims.status, None);
    let metadata = cast.plane.plane().oauth_metadata().unwrap();
    assert_eq!(metadata.status_list_aggregation_endpoint, None);
    assert!(cast.plane.plane().status_lists().is_empty());

    let cast = Cast::at(TestPlane::with(living(301)).await).await;
    let got = cast.takes().await;
    assert_eq!(got.claims.exp.seconds_since(got.claims.iat), 301);
    let place = place_of(&got);
    assert_eq!(cast.plane.plane().status_lists(), [place.uri.as_str()]);
    let metadata = cast.plane.plane().oauth_metadata().unwrap();
    let there = metadata.status_list_aggregation_endpoint;
    assert_eq!(there.as_deref(), Some("https://id.test/oauth/status"));
    // A hop lives as long as what it came of, which is less by now.
    cast.plane.clock().advance(Duration::from_secs(2));
    let hop = cast.clients[1].exchanges(&got.token, API, "").await.unwrap();
    assert_eq!(hop.claims.status, None);
}

#[tokio::test]
async fn no_two_tokens_have_one_place_and_none_can_be_guessed_from_another() {
    let cast = Cast::at(TestPlane::with(living(900)).await).await;
    let mut places = Vec::new();
    for _ in 0..100 {
        let place = place_of(&cast.takes().await);
        places.push((list_of(&place), place.idx));
    }
    let different: BTreeSet<_> = places.iter().collect();
    assert_eq!(different.len(), places.len());
    assert!(places.iter().all(|(list, index)| *list == places[0].0 && *index < 1 << 17));
    let ascents = places.windows(2).filter(|pair| pair[0].1 < pair[1].1).count();
    assert!((20..80).contains(&ascents), "{ascents} of 99 were larger than the one before");
    let quarters: BTreeSet<_> = places.iter().map(|(_, index)| index >> 15).collect();
    assert_eq!(quarters.len(), 4, "they lie all over the list");
}

#[tokio::test]
async fn a_list_is_made_once_in_two_seconds_and_says_how_long_it_is_good() {
    let cast = Cast::at(TestPlane::with(living(900)).await).await;
    let (got, other) = (cast.takes().await, cast.takes().await);
    let (plane, place) = (cast.plane.plane(), place_of(&got));
    let list = async || plane.status_list(list_of(&place)).await.unwrap().unwrap();
    let first = list().await;
    assert_eq!(first.max_age_secs, 30);
    let claims = claims_of(&cast.plane, &first, &place);
    assert_eq!(claims.ttl_secs, Some(30));
    assert_eq!(claims.exp.unwrap().seconds_since(claims.iat), 120);
    assert_eq!(listed(&cast.plane, &got).await, Status::Valid);

    plane.revoke(&EndpointAsk::bare(), &cast.clients[0].about(&got.token)).await.unwrap();
    cast.plane.clock().advance(Duration::from_secs(1));
    let same = list().await;
    assert_eq!((same.token, same.max_age_secs), (first.token, 29));
    cast.plane.clock().advance(Duration::from_secs(1));
    assert_eq!(listed(&cast.plane, &got).await, Status::Invalid);
    assert_eq!(listed(&cast.plane, &other).await, Status::Valid, "of the same run");
    assert_eq!(list().await.max_age_secs, 30);
    assert_eq!(
        plane.status_list("stl_01M8QPX8KXX6AQYXQJ5YVQCAHB".parse().unwrap()).await.unwrap(),
        None
    );
}

// threat 21: what a stolen key has signed is worth nothing, and the list says so as well.
#[tokio::test]
async fn a_key_that_is_retired_takes_its_tokens_along() {
    let cast = Cast::at(TestPlane::with(living(900)).await).await;
    let plane = cast.plane.plane();
    let rotate = async || {
        let who = cast.alice.acting().await;
        plane.rotate_token_key(&who, TokenAlgorithm::Es256).await.unwrap();
    };
    rotate().await;
    cast.plane.clock().advance(Duration::from_secs(1_320));
    let old = cast.takes().await;
    rotate().await;
    let new = cast.takes().await;
    assert_eq!(listed(&cast.plane, &old).await, Status::Valid, "its key still verifies");
    let kid = |got: &Got| {
        let read = Unverified::parse(TokenClass::AccessToken, got.token.as_bytes()).unwrap();
        read.key_id().unwrap().to_owned()
    };
    plane.retire_token_key(&cast.alice.acting().await, &kid(&old)).await.unwrap();
    cast.plane.clock().advance(MADE_EVERY);
    assert!(!cast.introspects(&old) && cast.introspects(&new));
    assert_eq!(listed(&cast.plane, &old).await, Status::Invalid);
    assert_eq!(listed(&cast.plane, &new).await, Status::Valid);
}

// threat 46
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_gives_no_place_again_and_forgets_nothing_of_the_lists() {
    let home = FilePlane::new();
    let cast = Cast::at(home.start(living(900)).await).await;
    let (revoked, kept) = (cast.takes().await, cast.takes().await);
    let hop = cast.clients[1].exchanges(&kept.token, API, "").await.unwrap();
    cast.kills(&hop).await;
    let about = cast.clients[0].about(&revoked.token);
    cast.plane.plane().revoke(&EndpointAsk::bare(), &about).await.unwrap();
    cast.plane.plane().stop().await;

    let belongings = cast.leaves();
    let cast = Cast::again(home.start(living(900)).await, belongings);
    let mut places = BTreeSet::new();
    for got in [&revoked, &kept, &hop] {
        places.insert(place_of(got).idx);
        let is_good = listed(&cast.plane, got).await == Status::Valid;
        assert_eq!((is_good, cast.introspects(got)), (got.token == kept.token, is_good));
    }
    for _ in 0..20 {
        let place = place_of(&cast.takes().await);
        assert_eq!(place.uri, place_of(&kept).uri, "the list goes on");
        assert!(places.insert(place.idx));
    }
    cast.plane.plane().stop().await;
}

// What was given since the copy was made is not in it: no list may say that a place is good.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_of_the_store_publishes_none_of_its_lists() {
    let home = FilePlane::new();
    let cast = Cast::at(home.start(living(900)).await).await;
    let known = place_of(&cast.takes().await);
    let copy = home.as_after_a_crash();
    assert_eq!(place_of(&cast.takes().await).uri, known.uri);
    cast.plane.plane().stop().await;
    drop(cast.leaves());

    copy.restores(&living(900));
    let plane = copy.start(living(900)).await;
    assert!(plane.plane().status_lists().is_empty());
    assert_eq!(plane.plane().status_list(list_of(&known)).await.unwrap(), None);
    plane.plane().stop().await;
}

#[tokio::test]
async fn a_list_ends_once_no_verifier_needs_it() {
    let cast = Cast::at(TestPlane::with(living(900)).await).await;
    let got = cast.takes().await;
    let (plane, list) = (cast.plane.plane(), list_of(&place_of(&got)));
    cast.plane.clock().advance(Duration::from_secs(900 + 119));
    assert_eq!(listed(&cast.plane, &got).await, Status::Invalid, "for clocks that are behind");
    cast.plane.clock().advance(MADE_EVERY);
    assert_eq!(listed(&cast.plane, &got).await, Status::Valid, "and then it says nothing of it");
    cast.plane.clock().advance(Duration::from_secs(120));
    let ends = async {
        while plane.status_list(list).await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ends).await.unwrap();
    assert!(plane.status_lists().is_empty());
    assert_ne!(list_of(&place_of(&cast.takes().await)), list, "no name is used twice");
}

#[derive(Debug, Clone)]
enum Act {
    Take(usize),
    Exchange(usize),
    TakeBack(usize),
    Kill(usize),
    KillAll,
    Client(usize, bool),
    Agent(usize, bool),
    Wait(u64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (0..2usize).prop_map(Act::Take),
        4 => (0..8usize).prop_map(Act::Exchange),
        2 => (0..8usize).prop_map(Act::TakeBack),
        1 => (0..8usize).prop_map(Act::Kill),
        1 => Just(Act::KillAll),
        3 => (0..2usize, any::<bool>()).prop_map(|(who, on)| Act::Client(who, on)),
        3 => (0..2usize, any::<bool>()).prop_map(|(who, on)| Act::Agent(who, on)),
        2 => (1..400u64).prop_map(Act::Wait),
    ];
    prop::collection::vec(act, 4..24)
}

impl Cast {
    async fn act(&self, act: &Act, held: &mut Vec<Got>) {
        let plane = self.plane.plane();
        let who = self.alice.acting().await;
        let one = |number: usize| number.checked_rem(held.len());
        match *act {
            Act::Take(client) => held.extend(self.clients[client].takes(API, "").await),
            Act::Exchange(token) => {
                let Some(token) = one(token) else { return };
                let hop = self.clients[1].exchanges(&held[token].token, API, "").await;
                held.extend(hop);
            }
            Act::TakeBack(token) => {
                let Some(token) = one(token) else { return };
                for client in &self.clients {
                    let about = client.about(&held[token].token);
                    let _done = plane.revoke(&EndpointAsk::bare(), &about).await;
                }
            }
            Act::Kill(token) => {
                let Some(token) = one(token) else { return };
                let run = held[token].claims.run.as_ref().unwrap().id.to_string();
                let _closed = plane.kill(&who, KillTarget::Run(run)).await;
            }
            Act::KillAll => drop(plane.kill(&who, KillTarget::All).await),
            Act::Client(client, is_on) => {
                let name = format!("{}-prod", AGENTS[client]);
                let _moved = if is_on {
                    plane.resume_client(&who, &name).await
                } else {
                    plane.suspend_client(&who, &name).await
                };
            }
            Act::Agent(agent, is_on) => {
                let _moved = if is_on {
                    plane.resume_agent(&who, AGENTS[agent]).await
                } else {
                    plane.suspend_agent(&who, AGENTS[agent]).await
                };
            }
            Act::Wait(secs) => self.plane.clock().advance(Duration::from_secs(secs)),
        }
    }
}

// threats 46, 47
#[test]
fn a_list_and_introspection_never_differ() {
    let (good, bad) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let mut runner = TestRunner::new(ProptestConfig { cases: 24, ..ProptestConfig::default() });
    let told = runner.run(&acts(), |acts| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let cast = Cast::at(TestPlane::with(living(900)).await).await;
            let mut held = Vec::new();
            for act in &acts {
                cast.act(act, &mut held).await;
                cast.plane.clock().advance(MADE_EVERY);
                let mut places = BTreeSet::new();
                for got in held.iter().filter(|got: &&Got| got.claims.status.is_some()) {
                    let until = got.claims.exp.timestamp().plus(Duration::from_secs(120));
                    if cast.plane.plane().now() >= until {
                        continue;
                    }
                    let place = place_of(got);
                    assert!(places.insert((list_of(&place), place.idx)), "one place, two tokens");
                    let is_active = cast.introspects(got);
                    let says = listed(&cast.plane, got).await;
                    assert_eq!(says == Status::Valid, is_active, "after {act:?} of {acts:?}");
                    let count = if is_active { &good } else { &bad };
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Ok(())
    });
    told.unwrap();
    let (good, bad) = (good.into_inner(), bad.into_inner());
    assert!(good > 100 && bad > 100, "too little happened: {good} were good, {bad} were not");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_give_no_place_twice_and_publish_what_the_other_knows() {
    let Some(database) = PostgresServer::shared() else { return };
    let url = database.url();
    let replica = |name: &str| {
        let seed = name.bytes().map(u64::from).sum();
        let store = OpenOptions { replica: name.to_owned(), ..OpenOptions::default() };
        Setup { store, seed, ..living(900) }
    };
    let cast = Cast::at(TestPlane::in_postgres(&url, replica("one")).await).await;
    let other = TestPlane::in_postgres(&url, replica("other")).await;
    let own = &cast.clients[0];
    let key = ProofKey::from_pkcs8(&own.key.to_pkcs8().unwrap());
    let there = OAuthClient::new(other.clone(), own.id.clone(), key.unwrap());
    let first = cast.takes().await;
    // Known there the moment its first token is.
    assert_eq!(listed(&other, &first).await, Status::Valid);
    let mut places = BTreeSet::from([place_of(&first).idx]);
    for _ in 0..8 {
        let (here, there) = tokio::join!(own.takes(API, ""), there.takes(API, ""));
        for got in [here, there].into_iter().flatten() {
            assert_eq!(place_of(&got).uri, place_of(&first).uri);
            assert!(places.insert(place_of(&got).idx), "one place, two tokens");
        }
    }
    assert!(places.len() > 8, "both gave some: {places:?}");
    cast.kills(&first).await;
    // Its own clock goes on, so that it makes another list; for a moment it has not heard anything.
    let hears = async {
        loop {
            other.clock().advance(MADE_EVERY);
            tokio::time::sleep(Duration::from_millis(100)).await;
            let place = place_of(&first);
            let Ok(Some(list)) = other.plane().status_list(list_of(&place)).await else { continue };
            let claims = claims_of(&other, &list, &place);
            if claims.list.status(usize::try_from(place.idx).unwrap()) == Ok(Status::Invalid) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), hears).await.unwrap();
}
