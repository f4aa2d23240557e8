//! Requests that a human answers first, from clients that come again for the answer
//! (draft-ietf-oauth-deferred-token-response).

use std::time::Duration;

use marque_domain::{Approval, Id};
use marque_plane::oauth::{EndpointAsk, TokenAnswer};
use marque_testkit::{FilePlane, Human, OAuthClient, TestPlane, issuing, request};
use marque_wire::oauth::{AccessTokenClaims, ErrorCode};

use super::bounds::lines_of;

const API: &str = "https://api.test/";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const DEFERRED: &str = "urn:ietf:params:oauth:grant-type:deferred";

struct Story {
    plane: TestPlane,
    alice: Human,
    client: OAuthClient,
}

/// What a client was told: the question, and the code.
struct Told {
    approval: Id<Approval>,
    code: String,
    expires_in: u64,
}

impl Story {
    async fn at(plane: TestPlane) -> Self {
        let alice = plane.alice();
        alice.registers("bot").await;
        alice.has_resource("api", API).await;
        alice.grants_lines("bot", lines_of(&["api:token"], &["api:scope pay"])).await;
        let client = alice.has_client("bot-prod", "bot").await;
        Self { plane, alice, client }
    }

    async fn new() -> Self {
        Self::at(TestPlane::with(issuing()).await).await
    }

    async fn says(&self, client: &OAuthClient, parameters: &[(&str, &str)]) -> TokenAnswer {
        let assertion = client.assertion();
        let own = [("client_assertion_type", ASSERTION), ("client_assertion", &assertion)];
        let all: Vec<_> = parameters.iter().copied().chain(own).collect();
        self.plane.plane().token(client.ask(), request(&all)).await
    }

    async fn asks(&self) -> Told {
        let wanted = [
            ("grant_type", "client_credentials"),
            ("resource", API),
            ("scope", "pay"),
            ("completion_mode", "deferred"),
        ];
        let answer = self.says(&self.client, &wanted).await;
        let refused = answer.outcome.map(|_| ()).unwrap_err();
        assert_eq!(refused.body.error, ErrorCode::AuthorizationPending);
        let deferred = answer.deferred.expect("a code");
        let code = String::from_utf8(deferred.code.expose().to_vec()).unwrap();
        assert!(code.len() >= 43 && deferred.interval_secs == 5, "256 bits");
        let approval = refused.approval.unwrap();
        Told { approval, code, expires_in: deferred.expires_in_secs }
    }

    /// Comes again, after the interval.
    async fn polls(&self, code: &str) -> Result<AccessTokenClaims, ErrorCode> {
        self.plane.clock().advance(Duration::from_secs(5));
        self.polls_as(&self.client, code).await
    }

    async fn polls_as(
        &self,
        client: &OAuthClient,
        code: &str,
    ) -> Result<AccessTokenClaims, ErrorCode> {
        let answer = self.says(client, &[("grant_type", DEFERRED), ("deferral_code", code)]).await;
        assert!(answer.deferred.is_none(), "a code stands for one request, and for no other code");
        let response = answer.outcome.map_err(|refused| refused.body.error)?;
        let token = String::from_utf8(response.access_token.expose().to_vec()).unwrap();
        Ok(client.claims_of(&token))
    }
}

// threat 54
#[tokio::test]
async fn a_client_that_comes_again_has_its_token_once_and_no_sooner() {
    let story = Story::new().await;
    let told = story.asks().await;
    assert!((1..=3_600).contains(&told.expires_in), "{}", told.expires_in);
    let entries = story.plane.log().size();
    for _ in 0..3 {
        assert_eq!(story.polls(&told.code).await, Err(ErrorCode::AuthorizationPending));
    }
    assert_eq!(story.polls_as(&story.client, &told.code).await, Err(ErrorCode::SlowDown));
    assert_eq!(story.plane.log().size(), entries, "waiting is nothing to record");
    story.alice.approves(told.approval).await.unwrap();
    let claims = story.polls(&told.code).await.unwrap();
    assert_eq!(claims.scope.to_string(), "pay");
    assert_eq!(claims.run.as_ref().unwrap().approvals[0].id, told.approval);
    assert!(claims.exp <= claims.run.unwrap().approvals[0].exp);
    assert_eq!(story.polls(&told.code).await, Err(ErrorCode::InvalidGrant), "once");
}

#[tokio::test]
async fn who_does_not_come_again_has_no_code() {
    let story = Story::new().await;
    let wanted = [("grant_type", "client_credentials"), ("resource", API), ("scope", "pay")];
    let answer = story.says(&story.client, &wanted).await;
    assert_eq!(answer.outcome.err().unwrap().body.error, ErrorCode::AuthorizationPending);
    assert!(answer.deferred.is_none());
    // Nor has one whose request needs nobody, or that nobody could allow.
    for scope in ["", "other"] {
        let mut wanted = vec![
            ("grant_type", "client_credentials"),
            ("resource", API),
            ("completion_mode", "deferred"),
        ];
        wanted.extend((!scope.is_empty()).then_some(("scope", scope)));
        let answer = story.says(&story.client, &wanted).await;
        assert_eq!(answer.outcome.is_ok(), scope.is_empty());
        assert!(answer.deferred.is_none(), "`{scope}`");
    }
}

// threats 51, 57: a code that was stolen is of no use.
#[tokio::test]
async fn a_code_is_of_the_client_and_the_key_it_was_told_to() {
    let story = Story::new().await;
    let told = story.asks().await;
    story.alice.approves(told.approval).await.unwrap();
    let other = story.alice.has_client("bot-other", "bot").await;
    let foreign = story.polls_as(&other, &told.code).await;
    assert_eq!(foreign, Err(ErrorCode::InvalidGrant), "as if it were not known");
    assert_eq!(story.polls("nonsense").await, Err(ErrorCode::InvalidGrant));

    // The client, and another key; or no key.
    let mut robbed = OAuthClient::new(story.plane.clone(), story.client.id.clone(), other.key);
    assert_eq!(story.polls_as(&robbed, &told.code).await, Err(ErrorCode::InvalidClient));
    robbed.key = marque_crypto::proof_key::ProofKey::generate().unwrap();
    let assertion = story.client.assertion();
    let code = [
        ("grant_type", DEFERRED),
        ("deferral_code", &told.code),
        ("client_assertion_type", ASSERTION),
        ("client_assertion", &assertion),
    ];
    let answer = story.plane.plane().token(robbed.ask(), request(&code)).await;
    assert_eq!(answer.outcome.err().unwrap().body.error, ErrorCode::InvalidDpopProof);
    let assertion = story.client.assertion();
    let code = [code[0], code[1], code[2], ("client_assertion", &assertion)];
    let answer = story.plane.plane().token(EndpointAsk::bare(), request(&code)).await;
    assert_eq!(answer.outcome.err().unwrap().body.error, ErrorCode::InvalidDpopProof);
    // Nobody proven at all.
    let answer = story.plane.plane().token(story.client.ask(), request(&code[..2])).await;
    assert_eq!(answer.outcome.err().unwrap().body.error, ErrorCode::InvalidGrant);
    assert!(story.polls(&told.code).await.is_ok(), "none of that used it up");
}

#[tokio::test]
async fn a_no_is_a_no_and_so_is_a_run_that_is_over() {
    let story = Story::new().await;
    let told = story.asks().await;
    let (plane, asked) = (story.plane.plane(), told.approval.to_string());
    plane.decline_approval(&story.alice.acting().await, &asked).await.unwrap();
    assert_eq!(story.polls(&told.code).await, Err(ErrorCode::AccessDenied));

    let told = story.asks().await;
    let approval = told.approval;
    story.alice.approves(approval).await.unwrap();
    let client = story.plane.plane();
    client.suspend_client(&story.alice.acting().await, "bot-prod").await.unwrap();
    let refused = story.polls(&told.code).await;
    assert_eq!(refused, Err(ErrorCode::InvalidClient), "stopped in between");
    client.resume_client(&story.alice.acting().await, "bot-prod").await.unwrap();
    assert_eq!(story.polls(&told.code).await, Err(ErrorCode::AccessDenied), "its run is over");
}

#[tokio::test]
async fn a_code_is_over_when_the_question_is() {
    let story = Story::new().await;
    let told = story.asks().await;
    story.plane.clock().advance(Duration::from_secs(told.expires_in));
    assert_eq!(story.polls(&told.code).await, Err(ErrorCode::ExpiredToken));
    let later = story.asks().await;
    assert_ne!(later.approval, told.approval);
    story.alice.approves(later.approval).await.unwrap();
    assert_eq!(story.polls(&told.code).await, Err(ErrorCode::ExpiredToken));
    assert!(story.polls(&later.code).await.is_ok());
}

// section 8
#[tokio::test]
async fn a_client_takes_its_code_back_with_its_key_and_nobody_elses() {
    let story = Story::new().await;
    let told = story.asks().await;
    let other = story.alice.has_client("bot-other", "bot").await;
    let revoke = |client: &OAuthClient, with_key: bool| {
        let about = client.about(&told.code);
        let proof = client.proof("https://id.test/oauth/revoke");
        let ask = EndpointAsk { proof: Ok(with_key.then_some(proof)), ..EndpointAsk::bare() };
        let plane = story.plane.clone();
        async move { plane.plane().revoke(&ask, &about).await.unwrap() }
    };
    revoke(&other, true).await;
    revoke(&story.client, false).await;
    assert_eq!(story.polls(&told.code).await, Err(ErrorCode::AuthorizationPending));
    revoke(&story.client, true).await;
    assert_eq!(story.polls(&told.code).await, Err(ErrorCode::AccessDenied));
    story.alice.approves(told.approval).await.unwrap();
    assert_eq!(story.polls(&told.code).await, Err(ErrorCode::AccessDenied), "for good");
}

// threat 56
#[tokio::test(flavor = "multi_thread")]
async fn a_code_outlives_a_restart_and_is_used_once_across_it() {
    let home = FilePlane::new();
    let (told, id);
    let mut keys;
    {
        let story = Story::at(home.start(issuing()).await).await;
        told = story.asks().await;
        story.alice.approves(told.approval).await.unwrap();
        id = story.client.id.clone();
        keys = (story.client.key, story.client.proof_key);
        story.plane.plane().stop().await;
    }
    for expected in [None, Some(ErrorCode::InvalidGrant)] {
        let plane = home.start(issuing()).await;
        let mut client = OAuthClient::new(plane.clone(), id.clone(), keys.0);
        client.proof_key = keys.1;
        let story = Story { alice: plane.alice(), plane, client };
        assert_eq!(story.polls(&told.code).await.err(), expected);
        story.plane.plane().stop().await;
        keys = (story.client.key, story.client.proof_key);
    }
}
