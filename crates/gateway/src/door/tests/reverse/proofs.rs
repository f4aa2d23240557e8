//! What does not prove a request, each refused with its reason and on record.

use std::time::Duration;

use marque_plane::oauth::EndpointAsk;
use marque_testkit::{FilePlane, GATEWAY, OAuthClient, issuing};
use marque_wire::oauth::access_token_hash;

use super::super::is;
use super::gate::Gate;
use super::says;

const LINE: &str = "GET /c/plain/v1/items";

fn url() -> String {
    format!("{GATEWAY}/c/plain/v1/items")
}

/// Refused with that error, on record, and nothing reached the upstream.
#[track_caller]
fn is_refused(gate: &Gate, (answer, error): (&str, &str), refused_before: usize) {
    is(answer, 401, "refused.caller.proof");
    says(answer, error);
    assert!(!answer.contains("eyJ"), "{answer}");
    let refused = gate.refused();
    assert_eq!(refused.len(), refused_before + 1, "{answer}");
    assert_eq!(refused.last().unwrap(), "refused.caller.proof");
    assert_eq!(gate.seen.requests(), [""; 0]);
}

// threats 55, 57, 58, 60, 61, 62
#[tokio::test]
async fn a_proof_is_for_this_token_this_method_this_address_and_now() {
    let gate = Gate::plain().await;
    let token = gate.token("plain").await;
    let nonce = gate.plane.plane().dpop_nonce();
    let with = |scheme: &str, proofs: &[String]| {
        let fields = proofs.iter().map(|proof| format!("DPoP: {proof}\r\n"));
        let all: Vec<_> =
            std::iter::once(format!("Authorization: {scheme} {token}\r\n")).chain(fields).collect();
        all.concat()
    };
    let proof = |method: &str, url: &str| gate.proof(&token, (method, url), Some(&nonce));
    let good = || proof("GET", &url());
    let for_url = |other: &str| with("DPoP", &[proof("GET", &format!("{GATEWAY}{other}"))]);
    let other = OAuthClient::new(
        gate.plane.clone(),
        gate.client.id.clone(),
        marque_crypto::proof_key::ProofKey::generate().unwrap(),
    );
    let by = |client: &OAuthClient, hash: Option<&str>| {
        let proof = client.proof_as("GET", &url(), hash, Some(&nonce));
        with("DPoP", &[String::from_utf8(proof).unwrap()])
    };
    let hash = access_token_hash(token.as_bytes());
    let elsewhere = ["https://gw.test:8443", "http://gw.test", "https://gw.test.evil"];
    let mut cases = vec![
        (with("DPoP", &[]), "invalid_token"),
        (with("Bearer", &[]), "invalid_token"),
        (with("Bearer", &[good()]), "invalid_token"),
        (with("DPoP", &[good(), good()]), "invalid_dpop_proof"),
        (with("DPoP", &[proof("POST", &url())]), "invalid_dpop_proof"),
        (with("DPoP", &["e30.e30.e30".to_owned()]), "invalid_dpop_proof"),
        (with("DPoP", std::slice::from_ref(&token)), "invalid_dpop_proof"),
        (for_url("/c/plain/v1/Items"), "invalid_dpop_proof"),
        (for_url("/c/plain/v1/items/"), "invalid_dpop_proof"),
        (for_url("/c/other/v1/items"), "invalid_dpop_proof"),
        (for_url("/v1/items"), "invalid_dpop_proof"),
        (by(&other, Some(&hash)), "invalid_dpop_proof"),
        (by(&gate.client, None), "invalid_dpop_proof"),
        (by(&gate.client, Some(&access_token_hash(b"another"))), "invalid_dpop_proof"),
        (with("DPoP", &[gate.proof(&token, ("GET", &url()), None)]), "use_dpop_nonce"),
        (with("DPoP", &[gate.proof(&token, ("GET", &url()), Some("made-up"))]), "use_dpop_nonce"),
    ];
    for base in elsewhere {
        let proof = proof("GET", &format!("{base}/c/plain/v1/items"));
        cases.push((with("DPoP", &[proof]), "invalid_dpop_proof"));
    }
    for (fields, error) in cases {
        let before = gate.refused().len();
        let answer = gate.says(LINE, &fields).await;
        is_refused(&gate, (&answer, error), before);
        let is_dpop = fields.starts_with("Authorization: DPoP");
        assert_eq!(answer.contains(&format!("dpop-nonce: {nonce}\r\n")), is_dpop, "{answer}");
    }
    // The same with nothing wrong: none of the above was refused for another reason.
    let answer = gate.says(LINE, &with("DPoP", &[good()])).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

// threats 13, 60
#[tokio::test]
async fn what_was_made_early_or_long_ago_is_refused() {
    let gate = Gate::plain().await;
    let (early, late) = (Duration::from_secs(90), Duration::from_secs(240));
    let token = gate.token("plain").await;
    gate.plane.clock().advance(early);
    let ahead = gate.fields(&token, LINE);
    gate.plane.clock().step_back(early);
    let before = gate.refused().len();
    let answer = gate.says(LINE, &ahead).await;
    is_refused(&gate, (&answer, "invalid_dpop_proof"), before);

    let stale = gate.fields(&token, LINE);
    gate.plane.clock().advance(late);
    let answer = gate.says(LINE, &stale).await;
    is_refused(&gate, (&answer, "use_dpop_nonce"), before + 1);
    // The token is over a minute later, whatever is proven of it.
    gate.plane.clock().advance(Duration::from_secs(61));
    let answer = gate.asks(&token, LINE).await;
    is_refused(&gate, (&answer, "invalid_token"), before + 2);
}

// threats 10, 11, 18, 55
#[tokio::test]
async fn what_is_no_token_for_this_connection_is_refused() {
    let gate = Gate::plain().await;
    let token = gate.token("plain").await;
    let assertion = gate.client.assertion();
    let proof = gate.proof(&token, ("GET", &url()), Some(&gate.plane.plane().dpop_nonce()));
    let changed = format!("{}A", &token[..token.len() - 2]);
    let two: Vec<&str> = token.split('.').take(2).collect();
    let for_other = gate.token("other").await;
    for bad in [
        assertion.as_str(),
        proof.as_str(),
        changed.as_str(),
        &two.join("."),
        &format!("{token}."),
        "made-up",
        &"a".repeat(8_000),
        for_other.as_str(),
    ] {
        let before = gate.refused().len();
        let answer = gate.asks(bad, LINE).await;
        is_refused(&gate, (&answer, "invalid_token"), before);
    }
    let answer = gate.says(LINE, "").await;
    is(&answer, 401, "refused.caller.missing");
    assert!(answer.contains("www-authenticate: DPoP resource_metadata=\""), "{answer}");
    assert_eq!(gate.refused().last().unwrap(), "refused.caller.missing");
    let answer = gate.says(LINE, "Authorization: Basic YTpi\r\n").await;
    is(&answer, 401, "refused.caller.missing");
}

// threats 37, 38
#[tokio::test]
async fn a_token_is_sent_once_and_in_its_place() {
    let gate = Gate::plain().await;
    let token = gate.token("plain").await;
    let fields = gate.fields(&token, LINE);
    for (line, fields) in [
        (LINE.to_owned(), format!("{fields}Authorization: DPoP {token}\r\n")),
        (LINE.to_owned(), format!("Authorization: Basic YTpi\r\n{fields}")),
        (LINE.to_owned(), format!("Authorization: DPoP {token}, Bearer {token}\r\n")),
        (format!("{LINE}?access_token={token}"), fields.clone()),
        (format!("{LINE}?a=1&access%5ftoken={token}"), fields.clone()),
        (format!("{LINE}?access_token={token}"), String::new()),
    ] {
        let answer = gate.says(&line, &fields).await;
        is(&answer, 400, "malformed.token");
        says(&answer, "invalid_request");
        assert!(!answer.contains(&token[..20]), "{answer}");
    }
    assert_eq!(gate.seen.requests(), [""; 0]);
    assert!(gate.says(LINE, &fields).await.starts_with("HTTP/1.1 200 "));
}

// threat 36
#[tokio::test]
async fn a_token_that_was_verified_before_is_refused_once_it_is_taken_back() {
    let gate = Gate::plain().await;
    let token = gate.token("plain").await;
    assert!(gate.asks(&token, LINE).await.starts_with("HTTP/1.1 200 "));
    let about = gate.client.about(&token);
    gate.plane.plane().revoke(&EndpointAsk::bare(), &about).await.unwrap();
    let answer = gate.asks(&token, LINE).await;
    is(&answer, 401, "refused.caller.proof");
    says(&answer, "invalid_token");
    assert_eq!(gate.seen.requests().len(), 1);
}

// threat 56
#[tokio::test]
async fn a_proof_is_good_once_after_a_restart_too() {
    let files = FilePlane::new();
    let mut gate = Gate::over(files.start(issuing()).await, false).await;
    let token = gate.token("plain").await;
    let fields = gate.fields(&token, LINE);
    assert!(gate.says(LINE, &fields).await.starts_with("HTTP/1.1 200 "));
    let answer = gate.says(LINE, &fields).await;
    is(&answer, 401, "refused.caller.replayed");
    says(&answer, "invalid_dpop_proof");
    // A question to a human uses its proof up as well.
    let line = "POST /c/plain/v1/items";
    let held = gate.fields(&token, line);
    is(&gate.says(line, &held).await, 403, "refused.mandate.needs_approval");
    is(&gate.says(line, &held).await, 401, "refused.caller.replayed");

    let after = files.as_after_a_crash();
    gate.goes_on_with(after.start(issuing()).await).await;
    is(&gate.says(LINE, &fields).await, 401, "refused.caller.replayed");
    is(&gate.says(line, &held).await, 401, "refused.caller.replayed");
    let answer = gate.asks(&token, LINE).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(gate.seen.requests().len(), 2);
}
