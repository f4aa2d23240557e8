//! Grants: a workload's own token, a hop of a chain, and what becomes of both.

use marque_domain::Event;
use marque_plane::oauth::EndpointAsk;
use marque_plane::spec::TokenTargetSpec;
use marque_testkit::{ISSUER, OAuthClient, Setup, TestPlane, issuing};
use marque_wire::oauth::{Confirmation, ErrorCode, Introspection, Thumbprint};

const BILLING: &str = "https://billing.test/";
const LEDGER: &str = "https://ledger.test/";

/// An agent that reads invoices at billing, which the agent `biller` serves, who writes to the
/// ledger.
async fn chain() -> (TestPlane, OAuthClient, OAuthClient) {
    chain_of(0).await
}

async fn chain_of(seed: u64) -> (TestPlane, OAuthClient, OAuthClient) {
    let plane = TestPlane::with(Setup { seed, ..issuing() }).await;
    let alice = plane.alice();
    alice.registers("reader").await;
    alice.registers("biller").await;
    let served = TokenTargetSpec {
        audience: Some(BILLING.to_owned()),
        served_by: Some("biller".parse().unwrap()),
        ..TokenTargetSpec::default()
    };
    alice.has_resource_as("billing", served).await;
    alice.has_resource("ledger", LEDGER).await;
    let both = ["billing:token", "billing:scope *", "ledger:token", "ledger:scope *"];
    alice.grants("reader", &both).await;
    alice.grants("biller", &both).await;
    let reader = alice.has_client("reader-prod", "reader").await;
    let biller = alice.has_client("biller-prod", "biller").await;
    (plane, reader, biller)
}

// threat 55
#[tokio::test]
async fn a_workload_gets_a_token_that_says_who_it_is() {
    let (plane, reader, _) = chain().await;
    let got = reader.takes(BILLING, "invoices:read").await.unwrap();
    let claims = &got.claims;
    assert_eq!(claims.iss.as_str(), ISSUER);
    assert_eq!(claims.aud.as_str(), BILLING);
    let agent = format!("spiffe://{}/agent/reader", plane.plane().status().trust_domain);
    assert_eq!(claims.sub, agent);
    assert!(claims.act.is_none(), "an agent that acts as itself has no actor before it");
    assert_eq!(claims.scope.to_string(), "invoices:read");
    assert_eq!(claims.exp.seconds_since(claims.iat), 300);
    let bound = Thumbprint::of_key(reader.proof_key.public());
    assert_eq!(claims.cnf, Some(Confirmation::Key(bound)));
    let run = claims.run.as_ref().unwrap();
    assert_eq!((run.depth, run.parent), (1, None));
    assert!(got.response.is_bound_to_key);

    let log = plane.log();
    let recorded = log.decisions().pop().unwrap().token.clone().unwrap();
    assert_eq!(recorded.id.to_string(), claims.jti);
    assert_eq!(recorded.bound_to, Some(format!("jkt:{bound}")));
    // The same run serves the client as long as it is open.
    let again = reader.takes(BILLING, "invoices:read").await.unwrap();
    assert_eq!(again.claims.run.unwrap().id, run.id);
    assert_ne!(again.claims.jti, claims.jti);
}

// threats 39, 43, 45, 49
#[tokio::test]
async fn a_hop_narrows_and_names_who_acts() {
    let (plane, reader, biller) = chain().await;
    let first = reader.takes(BILLING, "invoices:read invoices:list").await.unwrap();
    let hop = biller.exchanges(&first.token, LEDGER, "invoices:read").await.unwrap();
    let domain = plane.plane().status().trust_domain;
    assert_eq!(hop.claims.sub, format!("spiffe://{domain}/agent/reader"));
    let actors = hop.claims.act.as_ref().unwrap().actors();
    assert_eq!(actors.len(), 1);
    assert_eq!(actors[0].sub, format!("spiffe://{domain}/agent/biller"));
    assert_eq!(actors[0].iss.as_str(), ISSUER);
    assert_eq!(hop.claims.txn, first.claims.txn);
    let run = hop.claims.run.as_ref().unwrap();
    assert_eq!((run.depth, run.parent), (2, Some(first.claims.run.as_ref().unwrap().id)));
    assert!(hop.claims.exp <= first.claims.exp);

    let wider = biller.exchanges(&first.token, LEDGER, "invoices:write").await;
    let wider = wider.map(|_| ()).unwrap_err();
    assert_eq!(wider.body.error, ErrorCode::InvalidScope);
    assert_eq!(wider.refusal.unwrap().code.text(), "refused.mandate.beyond_token");
    // The reader serves nothing: what came for billing is not its to exchange.
    let deputy = reader.exchanges(&first.token, LEDGER, "invoices:read").await;
    let code = deputy.as_ref().map(|_| ()).unwrap_err().refusal.clone().unwrap().code.text();
    assert_eq!(code, "refused.caller.proof");
    assert_eq!(deputy.map(|_| ()).unwrap_err().body.error, ErrorCode::InvalidRequest);
    // Nor is the second token for the biller again: nobody it names serves the ledger.
    let again = biller.exchanges(&hop.token, LEDGER, "invoices:read").await;
    assert_eq!(again.map(|_| ()).unwrap_err().body.error, ErrorCode::InvalidRequest);
}

// threat 43: a run that presented for another one is not taken for that one's hop.
#[tokio::test]
async fn whoever_acts_for_others_acts_for_itself_in_a_run_of_its_own() {
    let (plane, reader, biller) = chain().await;
    let first = reader.takes(BILLING, "").await.unwrap();
    biller.exchanges(&first.token, LEDGER, "").await.unwrap();
    let own = biller.takes(BILLING, "").await.unwrap();
    let hop = biller.exchanges(&own.token, LEDGER, "").await.unwrap();
    let domain = plane.plane().status().trust_domain;
    assert_eq!(hop.claims.sub, format!("spiffe://{domain}/agent/biller"));
    assert_eq!(hop.claims.run.unwrap().parent, Some(own.claims.run.unwrap().id));
}

// threats 32, 56
#[tokio::test]
async fn an_assertion_and_a_proof_are_good_once() {
    let (_plane, reader, _) = chain().await;
    let assertion = reader.assertion();
    let parameters = [("grant_type", "client_credentials"), ("resource", BILLING)];
    reader.asks_with(reader.ask(), &assertion, &parameters).await.unwrap();
    let replayed = reader.asks_with(reader.ask(), &assertion, &parameters).await;
    assert_eq!(replayed.map(|_| ()).unwrap_err().body.error, ErrorCode::InvalidRequest);

    let proof = reader.proof(&format!("{ISSUER}/oauth/token"));
    let with =
        |proof: &[u8]| EndpointAsk { proof: Ok(Some(proof.to_vec())), ..EndpointAsk::bare() };
    reader.asks_with(with(&proof), &reader.assertion(), &parameters).await.unwrap();
    let replayed = reader.asks_with(with(&proof), &reader.assertion(), &parameters).await;
    assert_eq!(replayed.map(|_| ()).unwrap_err().body.error, ErrorCode::InvalidRequest);
}

// threats 36, 46
#[tokio::test]
async fn what_is_taken_back_or_killed_is_worth_nothing() {
    let (plane, reader, biller) = chain().await;
    let alice = plane.alice();
    let first = reader.takes(BILLING, "invoices:read").await.unwrap();
    let hop = biller.exchanges(&first.token, LEDGER, "invoices:read").await.unwrap();
    let ask = |client: &OAuthClient, token: &str| {
        let (answer, _) =
            plane.plane().introspect(&EndpointAsk::bare(), &client.about(token)).unwrap();
        answer
    };
    assert!(matches!(ask(&reader, &first.token), Introspection::Active { .. }));
    assert!(matches!(ask(&biller, &hop.token), Introspection::Active { .. }));
    assert_eq!(ask(&biller, &first.token), Introspection::Inactive, "it is not for the biller");

    plane.plane().revoke(&EndpointAsk::bare(), &reader.about(&first.token)).await.unwrap();
    assert_eq!(ask(&reader, &first.token), Introspection::Inactive);
    assert_eq!(ask(&biller, &hop.token), Introspection::Inactive, "it came of the other");
    let again = biller.exchanges(&first.token, LEDGER, "invoices:read").await;
    assert_eq!(again.map(|_| ()).unwrap_err().body.error, ErrorCode::InvalidRequest);
    assert!(
        plane.log().entries().iter().any(|entry| matches!(entry.event, Event::TokenRevoked { .. }))
    );

    let second = reader.takes(BILLING, "invoices:read").await.unwrap();
    let kill =
        marque_plane::spec::KillTarget::Run(second.claims.run.as_ref().unwrap().id.to_string());
    plane.plane().kill(&alice.acting().await, kill).await.unwrap();
    assert_eq!(ask(&biller, &second.token), Introspection::Inactive);
    // A killed client does not open the next run by itself.
    let refused = reader.takes(BILLING, "invoices:read").await.map(|_| ()).unwrap_err();
    assert_eq!(refused.body.error, ErrorCode::InvalidClient);
    plane.plane().resume_client(&alice.acting().await, "reader-prod").await.unwrap();
    reader.takes(BILLING, "invoices:read").await.unwrap();
}

// threat 44: whatever a client says of actors besides its tokens is not heard.
#[tokio::test]
async fn no_client_says_who_acts() {
    let (_plane, reader, biller) = chain().await;
    let first = reader.takes(BILLING, "").await.unwrap();
    let actor = biller.assertion();
    let made_up = r#"{"sub":"spiffe://acme.test/agent/boss","iss":"https://id.test"}"#;
    let parameters = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", first.token.as_str()),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("actor_token", actor.as_str()),
        ("actor_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ("resource", LEDGER),
        ("act", made_up),
        ("may_act", made_up),
        ("sub", "usr_01KDWPVNG0R19RB3CC75G9XG34"),
        ("requested_actor", "spiffe://acme.test/agent/boss"),
    ];
    let got = biller.asks(&parameters).await.unwrap();
    assert_eq!(got.claims.sub, first.claims.sub);
    assert_eq!(got.claims.act.as_ref().unwrap().actors().len(), 1);
    assert!(got.claims.may_act.is_none());
    // An actor token of somebody else than who authenticated.
    let foreign = reader.assertion();
    let mut swapped = parameters[..6].to_vec();
    swapped[3] = ("actor_token", foreign.as_str());
    let refused = biller.asks(&swapped).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.body.error, ErrorCode::InvalidRequest);
    // Nor none at all, which would be impersonation (threat 50).
    let alone: Vec<_> =
        parameters[..6].iter().filter(|(name, _)| !name.starts_with("actor")).copied().collect();
    let refused = biller.asks(&alone).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.body.error, ErrorCode::InvalidRequest);
}

// threats 6, 51: what another plane has signed is nothing here, under the same names.
#[tokio::test]
async fn a_token_of_another_plane_is_nobodys() {
    let (_here, _, biller) = chain().await;
    let (_there, reader, _) = chain_of(99).await;
    let foreign = reader.takes(BILLING, "").await.unwrap();
    let refused = biller.exchanges(&foreign.token, LEDGER, "").await.map(|_| ()).unwrap_err();
    assert_eq!(refused.body.error, ErrorCode::InvalidRequest);
}

// threat 48
#[tokio::test]
async fn a_token_is_taken_for_what_it_is_alone() {
    let (_plane, reader, biller) = chain().await;
    let first = reader.takes(BILLING, "").await.unwrap();
    let own = biller.takes(BILLING, "").await.unwrap();
    let kind = |name: &str| format!("urn:ietf:params:oauth:token-type:{name}");
    let assertion = reader.assertion();
    let bad = [
        (first.token.as_str(), "id_token", own.token.as_str(), "access_token"),
        (first.token.as_str(), "jwt", own.token.as_str(), "access_token"),
        (first.token.as_str(), "refresh_token", own.token.as_str(), "access_token"),
        (first.token.as_str(), "saml2", own.token.as_str(), "access_token"),
        (assertion.as_str(), "access_token", own.token.as_str(), "access_token"),
        ("raw-string", "access_token", own.token.as_str(), "access_token"),
        (first.token.as_str(), "access_token", own.token.as_str(), "jwt"),
        (first.token.as_str(), "access_token", own.token.as_str(), "id_token"),
        (first.token.as_str(), "access_token", first.token.as_str(), "access_token"),
    ];
    for (subject, subject_type, actor, actor_type) in bad {
        let (subject_type, actor_type) = (kind(subject_type), kind(actor_type));
        let parameters = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", subject),
            ("subject_token_type", subject_type.as_str()),
            ("actor_token", actor),
            ("actor_token_type", actor_type.as_str()),
            ("resource", LEDGER),
        ];
        let refused = biller.asks(&parameters).await.map(|_| ()).unwrap_err();
        assert_eq!(refused.body.error, ErrorCode::InvalidRequest, "{subject_type} {actor_type}");
    }
    // The good pair, by an access token of its own that is bound to the key it proves.
    let (access, actor) = (kind("access_token"), own.token.as_str());
    let parameters = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", first.token.as_str()),
        ("subject_token_type", access.as_str()),
        ("actor_token", actor),
        ("actor_token_type", access.as_str()),
        ("resource", LEDGER),
    ];
    biller.asks(&parameters).await.unwrap();
}

// threat 178: whoever presents the same token again does not open the same hop again.
#[tokio::test]
async fn a_killed_hop_stays_killed() {
    let (plane, reader, biller) = chain().await;
    let first = reader.takes(BILLING, "").await.unwrap();
    let hop = biller.exchanges(&first.token, LEDGER, "").await.unwrap();
    let run = hop.claims.run.as_ref().unwrap().id.to_string();
    let acting = plane.alice().acting().await;
    let kill = marque_plane::spec::KillTarget::Run(run.clone());
    plane.plane().kill(&acting, kill).await.unwrap();
    let again = biller.exchanges(&first.token, LEDGER, "").await.map(|_| ()).unwrap_err();
    assert_eq!(again.body.error, ErrorCode::InvalidGrant);
    // Both sides go on with everything else.
    biller.takes(LEDGER, "").await.unwrap();
    reader.takes(BILLING, "").await.unwrap();
    // Until a human lets it in again.
    plane.plane().resume_client(&acting, &run).await.unwrap();
    biller.exchanges(&first.token, LEDGER, "").await.unwrap();
}

// threats 32, 56: what came with a request that was refused early is used up as well.
#[tokio::test]
async fn a_refusal_uses_up_what_came_with_it() {
    let (plane, reader, _) = chain().await;
    let assertion = reader.assertion();
    let wrong = [("grant_type", "client_credentials"), ("resource", "https://nowhere.test/")];
    let refused = reader.asks_with(reader.ask(), &assertion, &wrong).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.body.error, ErrorCode::InvalidTarget);
    let right = [("grant_type", "client_credentials"), ("resource", BILLING)];
    let runs = plane.plane().status().open_runs;
    let stolen = reader.asks_with(reader.ask(), &assertion, &right).await.map(|_| ()).unwrap_err();
    assert_eq!(stolen.refusal.unwrap().code.text(), "refused.caller.replayed");
    assert_eq!(plane.plane().status().open_runs, runs, "and no run was opened for it");
}

// threat 42
#[tokio::test]
async fn a_hop_ends_with_who_presents_it() {
    let (plane, reader, biller) = chain().await;
    let own = biller.takes(BILLING, "").await.unwrap();
    let presenter = own.claims.run.as_ref().unwrap().id;
    plane.clock().advance(std::time::Duration::from_secs(3_500));
    let first = reader.takes(BILLING, "").await.unwrap();
    let hop = biller.exchanges(&first.token, LEDGER, "").await.unwrap();
    assert!(hop.claims.exp.seconds_since(hop.claims.iat) <= 100, "its presenter has 100 s left");
    assert_ne!(hop.claims.run.unwrap().id, presenter);
}

// threats 14, 56
#[tokio::test]
async fn a_clock_that_steps_back_makes_nothing_good_again() {
    let (plane, reader, _) = chain().await;
    let ten_minutes = std::time::Duration::from_secs(600);
    plane.clock().advance(ten_minutes);
    let token = reader.takes(BILLING, "").await.unwrap();
    let proof = reader.proof(&format!("{ISSUER}/oauth/token"));
    let with =
        |proof: &[u8]| EndpointAsk { proof: Ok(Some(proof.to_vec())), ..EndpointAsk::bare() };
    let parameters = [("grant_type", "client_credentials"), ("resource", BILLING)];
    reader.asks_with(with(&proof), &reader.assertion(), &parameters).await.unwrap();
    plane.plane().revoke(&EndpointAsk::bare(), &reader.about(&token.token)).await.unwrap();
    plane.clock().step_back(ten_minutes);
    let again = reader.asks_with(with(&proof), &reader.assertion(), &parameters).await;
    assert!(again.is_err());
    let (answer, _) =
        plane.plane().introspect(&EndpointAsk::bare(), &reader.about(&token.token)).unwrap();
    assert_eq!(answer, Introspection::Inactive);
    reader.takes(BILLING, "").await.expect("nobody is locked out");
}
