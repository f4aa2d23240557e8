//! A run asks for a token of its own at its socket, where it is proven by that.

use marque_domain::Tier;
use marque_plane::spec::TokenTargetSpec;
use marque_testkit::{Human, TestPlane, asking, issuing};

use crate::served::{Served, ask, proof};

const BILLING: &str = "https%3A%2F%2Fbilling.test%2F";

async fn served() -> (Served, Human) {
    let (served, alice) = Served::on(TestPlane::with(issuing()).await).await;
    let bearer = TokenTargetSpec {
        audience: Some("https://billing.test/".to_owned()),
        bearer: true,
        ..TokenTargetSpec::default()
    };
    alice.has_resource_as("billing", bearer).await;
    alice.has_resource("ledger", "https://ledger.test/").await;
    alice.grants("bot", &["billing:token"]).await;
    alice.grants_lines("bot", asking(&["ledger:token"])).await;
    (served, alice)
}

fn form(resource: &str) -> String {
    format!("grant_type=client_credentials&resource={resource}")
}

#[tokio::test]
async fn a_run_gets_a_token_without_proving_a_client() {
    let (served, alice) = served().await;
    let run = served.opens_held(&alice, std::process::id(), Tier::Advisory).await;
    let answer = served.asks(("POST", "/v1/run/token"), &proof(&run), &form(BILLING)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let json: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(json["token_type"], "Bearer");
    // A client of its own is not wanted here, and proves nobody else.
    let other = format!("{}&client_secret=x", form(BILLING));
    let answer = served.asks(("POST", "/v1/run/token"), &proof(&run), &other).await;
    assert_eq!(answer.status, 401, "{}", answer.body);
    served.ends().await;
}

#[tokio::test]
async fn a_run_is_told_in_full_what_it_is_refused() {
    let (served, alice) = served().await;
    let run = served.opens_held(&alice, std::process::id(), Tier::Advisory).await;
    let scope = format!("{}&scope=admin", form(BILLING));
    let refused = served.asks(("POST", "/v1/run/token"), &proof(&run), &scope).await;
    let json: serde_json::Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!((refused.status, &json["code"]), (403, &"refused.mandate.nothing_allows".into()));
    assert!(json["remedy"].is_string(), "{json}");
    let ledger = form("https%3A%2F%2Fledger.test%2F");
    let bound = served.asks(("POST", "/v1/run/token"), &proof(&run), &ledger).await;
    let json: serde_json::Value = serde_json::from_str(&bound.body).unwrap();
    assert_eq!((bound.status, &json["code"]), (403, &"refused.caller.proof".into()));
    assert!(json["detail"].as_str().unwrap().contains("send a DPoP proof"), "{json}");
    served.ends().await;
}

// threat 165
#[tokio::test]
async fn whoever_is_no_run_gets_none_there() {
    let (served, _alice) = served().await;
    for presented in ["", "authorization: Marque-Run run_x:y\r\n"] {
        let line = ("POST", "/v1/run/token");
        let answer = ask(served.connects().await, line, presented, &form(BILLING)).await;
        assert!([400, 401, 403].contains(&answer.status), "{}", answer.body);
        assert!(!answer.body.contains("access_token"), "{}", answer.body);
    }
    served.ends().await;
}
