//! Races: a kill or a revocation while tokens are exchanged, and two servers that are asked at
//! once.

use marque_plane::oauth::EndpointAsk;
use marque_plane::spec::{KillTarget, TokenTargetSpec};
use marque_store::OpenOptions;
use marque_testkit::{FilePlane, Human, OAuthClient, PostgresServer, Setup, TestPlane, issuing};
use marque_wire::oauth::{ErrorCode, Introspection};

const FIRST: &str = "https://first.test/";
const SECOND: &str = "https://second.test/";
const ROUNDS: usize = 12;
const AT_ONCE: usize = 8;

async fn chain(plane: &TestPlane) -> (Human, OAuthClient, OAuthClient) {
    let alice = plane.alice();
    alice.registers("asker").await;
    alice.registers("server").await;
    let served = TokenTargetSpec {
        audience: Some(FIRST.to_owned()),
        served_by: Some("server".parse().unwrap()),
        ..TokenTargetSpec::default()
    };
    alice.has_resource_as("first", served).await;
    alice.has_resource("second", SECOND).await;
    for agent in ["asker", "server"] {
        alice.grants(agent, &["first:token", "second:token"]).await;
    }
    let asker = alice.has_client("asker-prod", "asker").await;
    let server = alice.has_client("server-prod", "server").await;
    (alice, asker, server)
}

// threats 46, 47: whoever was first, what is left is worth nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_or_a_revocation_that_races_exchanges_leaves_no_live_orphan() {
    let home = FilePlane::new();
    let plane = home.start(issuing()).await;
    let (alice, asker, server) = chain(&plane).await;
    let mut before_the_end = [0, 0];
    for round in 0..ROUNDS {
        let subject = asker.takes(FIRST, "").await.unwrap();
        let run = subject.claims.run.as_ref().unwrap().id;
        let is_kill = round % 2 == 0;
        let (first, came) = tokio::sync::oneshot::channel();
        let mut first = Some(first);
        let end = async {
            came.await.unwrap();
            if is_kill {
                let acting = alice.acting().await;
                let target = KillTarget::Run(run.to_string());
                plane.plane().kill(&acting, target).await.unwrap();
            } else {
                let about = asker.about(&subject.token);
                plane.plane().revoke(&EndpointAsk::bare(), &about).await.unwrap();
            }
        };
        let exchanges = async {
            let mut tokens = Vec::new();
            for _ in 0..AT_ONCE {
                let got = server.exchanges(&subject.token, SECOND, "").await;
                tokens.extend(got.ok().map(|got| got.token));
                first.take().map(|first| first.send(()));
                tokio::task::yield_now().await;
            }
            tokens
        };
        let (tokens, ()) = tokio::join!(exchanges, end);
        before_the_end[usize::from(is_kill)] += tokens.len();
        for token in tokens {
            let about = server.about(&token);
            let (answer, _) = plane.plane().introspect(&EndpointAsk::bare(), &about).unwrap();
            assert_eq!(answer, Introspection::Inactive, "an orphan of round {round}");
        }
        if is_kill {
            plane.plane().resume_client(&alice.acting().await, "asker-prod").await.unwrap();
        }
    }
    assert!(before_the_end.iter().all(|count| *count > 0), "this was no race");
    plane.plane().stop().await;
}

// threat 56
#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_one_server_took_is_refused_by_the_other() {
    let Some(database) = PostgresServer::shared() else { return };
    let url = database.url();
    let replica = |name: &str| {
        let seed = name.bytes().map(u64::from).sum();
        let store = OpenOptions { replica: name.to_owned(), ..OpenOptions::default() };
        Setup { store, seed, ..issuing() }
    };
    let one = TestPlane::in_postgres(&url, replica("one")).await;
    let other = TestPlane::in_postgres(&url, replica("other")).await;
    let (_alice, asker, _) = chain(&one).await;
    let parameters = [("grant_type", "client_credentials"), ("resource", FIRST)];
    let first = asker.takes(FIRST, "").await.unwrap();
    // The other has heard of the client once it takes its assertion.
    let key = marque_crypto::proof_key::ProofKey::from_pkcs8(&asker.key.to_pkcs8().unwrap());
    let there = OAuthClient::new(other.clone(), asker.id.clone(), key.unwrap());
    let hears = async {
        while there.takes(FIRST, "").await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), hears).await.unwrap();

    for _ in 0..4 {
        let assertion = asker.assertion();
        let proof = asker.proof("https://id.test/oauth/token");
        let ask = || EndpointAsk { proof: Ok(Some(proof.clone())), ..EndpointAsk::bare() };
        let (here, there) = tokio::join!(
            asker.asks_with(ask(), &assertion, &parameters),
            there.asks_with(ask(), &assertion, &parameters)
        );
        let (here, there) = (here.map(|_| ()), there.map(|_| ()));
        assert!(here.is_ok() != there.is_ok(), "exactly one of them takes it");
        let refused = here.and(there).unwrap_err();
        assert_eq!(refused.body.error, ErrorCode::InvalidRequest);
    }
    // Both sign with one key, and each reads what the other signed.
    let about = there.about(&first.token);
    let (answer, _) = other.plane().introspect(&EndpointAsk::bare(), &about).unwrap();
    assert!(matches!(answer, Introspection::Active { .. }));
}
