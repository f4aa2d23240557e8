//! What outlives a server: keys, used proofs, revocations, and the runs of workloads.

use marque_plane::oauth::EndpointAsk;
use marque_testkit::{FilePlane, OAuthClient, issuing};
use marque_wire::oauth::{ErrorCode, Introspection};

const API: &str = "https://api.test/";

// threats 46, 56
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_forgets_no_use_and_no_revocation() {
    let home = FilePlane::new();
    let parameters = [("grant_type", "client_credentials"), ("resource", API)];
    let (assertion, proof, revoked, kept, id, keys);
    {
        let plane = home.start(issuing()).await;
        let alice = plane.alice();
        alice.registers("bot").await;
        alice.has_resource("api", API).await;
        alice.grants("bot", &["api:token"]).await;
        let client = alice.has_client("bot-prod", "bot").await;
        assertion = client.assertion();
        proof = client.proof("https://id.test/oauth/token");
        let ask = EndpointAsk { proof: Ok(Some(proof.clone())), ..EndpointAsk::bare() };
        revoked = client.asks_with(ask, &assertion, &parameters).await.unwrap();
        kept = client.takes(API, "").await.unwrap();
        let about = client.about(&revoked.token);
        plane.plane().revoke(&EndpointAsk::bare(), &about).await.unwrap();
        id = client.id.clone();
        keys = (client.key, client.proof_key);
        plane.plane().stop().await;
    }
    let plane = home.start(issuing()).await;
    let mut client = OAuthClient::new(plane.clone(), id, keys.0);
    client.proof_key = keys.1;
    let replayed = client.asks_with(client.ask(), &assertion, &parameters).await;
    assert_eq!(replayed.map(|_| ()).unwrap_err().body.error, ErrorCode::InvalidRequest);
    let ask = EndpointAsk { proof: Ok(Some(proof)), ..EndpointAsk::bare() };
    let replayed = client.asks_with(ask, &client.assertion(), &parameters).await;
    let refused = replayed.map(|_| ()).unwrap_err();
    assert_eq!(refused.refusal.unwrap().code.text(), "refused.caller.replayed");

    let worth = |token: &str| {
        plane.plane().introspect(&EndpointAsk::bare(), &client.about(token)).unwrap().0
    };
    assert_eq!(worth(&revoked.token), Introspection::Inactive);
    assert!(matches!(worth(&kept.token), Introspection::Active { .. }), "its run goes on");
    let again = client.takes(API, "").await.unwrap();
    assert_eq!(again.claims.run.unwrap().id, kept.claims.run.unwrap().id);
    plane.plane().stop().await;
}
